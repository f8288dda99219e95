//! What people see of their account, and what they may end there.

use maud::{Markup, html};
use qrcodegen::{QrCode, QrCodeEcc};

use super::consent::capital;
use super::forms::code_field;
use super::layout::{note, ticket};
use super::text;
use crate::auth::Scopes;
use crate::auth::catalogue;

pub(in crate::oauth) struct AccountView {
    pub ticket: String,
    pub sign_out_ticket: String,
    pub person: String,
    pub user_id: String,
    pub email: Option<String>,
    pub chitty_id: Option<String>,
    pub notice: Option<&'static str>,
    pub grants: Vec<GrantShown>,
    pub keys: Vec<KeyShown>,
    /// The session may end other keys than its own.
    pub manages_keys: bool,
    pub sessions: Vec<SessionShown>,
    pub second_factor: SecondFactorShown,
    /// Nothing else is open before a second factor is set up.
    pub locked: bool,
}

pub(in crate::oauth) struct GrantShown {
    pub id: String,
    pub client: String,
    pub resource: String,
    pub scopes: Scopes,
    pub since_ms: i64,
    pub until_ms: i64,
    pub last_used_ms: Option<i64>,
}

pub(in crate::oauth) struct KeyShown {
    pub id: String,
    pub name: String,
    pub prefix: String,
    pub scopes: Scopes,
    pub last_used_ms: Option<i64>,
    pub expires_ms: Option<i64>,
    /// The key that this browser signed in with.
    pub own: bool,
}

pub(in crate::oauth) struct SessionShown {
    pub id: String,
    pub since_ms: i64,
    pub until_ms: i64,
    pub method: String,
    pub own: bool,
}

pub(in crate::oauth) enum SecondFactorShown {
    Off,
    /// The secret for the app, and its `otpauth` URL.
    Pending {
        secret: String,
        url: String,
    },
    On {
        since_ms: i64,
    },
}

pub(in crate::oauth) fn account(view: &AccountView) -> Markup {
    html! {
        div.bar {
            h1 { "Your account" }
            form method="post" action="/sign-out" {
                (ticket(&view.sign_out_ticket))
                button type="submit" { "Sign out" }
            }
        }
        @if let Some(notice) = view.notice { (note("good", &html! { p { (notice) } })) }
        dl {
            dt { "Signed in as" } dd { b { (view.person) } }
            dt { "User id" } dd { code { (view.user_id) } }
            @if let Some(email) = &view.email { dt { "E-mail" } dd { (email) } }
            @if let Some(id) = &view.chitty_id { dt { "ChittyID" } dd { code { (id) } } }
        }
        @if view.locked {
            (note("careful", &html! { p { "This service asks for a second factor. Set it up to see the rest of your account." } }))
        } @else {
            (grants(view))
            (keys(view))
            (sessions(view))
        }
        (second_factor(view))
    }
}

fn grants(view: &AccountView) -> Markup {
    html! {
        h2 { "Apps that may use your account" }
        @if view.grants.is_empty() { p.soft { "None." } }
        ul.rows {
            @for grant in &view.grants {
                li {
                    div {
                        p.strong { (grant.client) }
                        p { (in_words(&grant.scopes)) }
                        p.soft {
                            "At " (grant.resource) " since " (text::time(grant.since_ms))
                            ", at most until " (text::time(grant.until_ms)) ". " (last_used(grant.last_used_ms))
                        }
                    }
                    (ending(view, "revoke_grant", &grant.id, "Revoke"))
                }
            }
        }
    }
}

fn keys(view: &AccountView) -> Markup {
    html! {
        h2 { "Your keys" }
        @if view.keys.is_empty() { p.soft { "None." } }
        ul.rows {
            @for key in &view.keys {
                li {
                    div {
                        p {
                            span.strong { (key.name) } " " code { (key.prefix) "…" }
                            @if key.own { " " span class="badge good" { "In use here" } }
                        }
                        p { (in_words(&key.scopes)) }
                        p.soft {
                            (last_used(key.last_used_ms)) " "
                            @match key.expires_ms {
                                Some(end) => { "Ends " (text::time(end)) "." }
                                None => "Has no end.",
                            }
                        }
                    }
                    @if key.own || view.manages_keys { (ending(view, "revoke_key", &key.id, "Revoke")) }
                }
            }
        }
        @if !view.manages_keys && view.keys.iter().any(|key| !key.own) {
            p.soft { "To revoke other keys, sign in with one that may manage keys." }
        }
    }
}

fn sessions(view: &AccountView) -> Markup {
    html! {
        h2 { "Browsers that are signed in" }
        ul.rows {
            @for session in &view.sessions {
                li {
                    div {
                        p {
                            "Since " (text::time(session.since_ms))
                            @if session.own { " " span class="badge good" { "This browser" } }
                        }
                        p.soft { "By " (session.method) ", until " (text::time(session.until_ms)) }
                    }
                    @if !session.own { (ending(view, "end_session", &session.id, "Sign out")) }
                }
            }
        }
    }
}

fn second_factor(view: &AccountView) -> Markup {
    html! {
        h2 { "Second factor" }
        @match &view.second_factor {
            SecondFactorShown::Off => {
                p { "Ask for a code from an authenticator app whenever you sign in. A key that somebody has copied does not let them in then." }
                form method="post" action="/account" {
                    (ticket(&view.ticket))
                    button type="submit" name="action" value="start_totp" { "Set up" }
                }
            }
            SecondFactorShown::Pending { secret, url } => (enrolment(view, secret, url)),
            SecondFactorShown::On { since_ms } => {
                p { "On since " (text::time(*since_ms)) "." }
                form.narrow method="post" action="/account" {
                    (ticket(&view.ticket))
                    label.field for="code" { "Code, to turn it off" }
                    (code_field())
                    button.end type="submit" name="action" value="remove_totp" { "Turn off" }
                }
            }
        }
    }
}

fn enrolment(view: &AccountView, secret: &str, url: &str) -> Markup {
    html! {
        p { "Scan this with your authenticator app, or enter the secret there by hand." }
        @if let Some(code) = qr(url) { (code) }
        p { code { (secret) } }
        form.narrow method="post" action="/account" {
            (ticket(&view.ticket))
            label.field for="code" { "The code that it shows now" }
            (code_field())
            button.first type="submit" name="action" value="confirm_totp" { "Turn on" }
        }
    }
}

/// ISO/IEC 18004, four modules of quiet around it.
fn qr(text: &str) -> Option<Markup> {
    let code = QrCode::encode_text(text, QrCodeEcc::Medium).ok()?;
    let dark = (0..code.size())
        .flat_map(|y| (0..code.size()).map(move |x| (x, y)))
        .filter(|(x, y)| code.get_module(*x, *y));
    let modules: Vec<_> = dark
        .map(|(x, y)| format!("M{} {}h1v1h-1z", x + 4, y + 4))
        .collect();
    let size = code.size() + 8;
    Some(html! {
        svg.qr viewBox={ "0 0 " (size) " " (size) } role="img" aria-label="QR code of the secret" shape-rendering="crispEdges" {
            rect width=(size) height=(size) {}
            path d=(modules.concat()) {}
        }
    })
}

fn ending(view: &AccountView, action: &str, id: &str, words: &str) -> Markup {
    html! {
        form method="post" action="/account" {
            (ticket(&view.ticket))
            input type="hidden" name="id" value=(id);
            button.end type="submit" name="action" value=(action) { (words) }
        }
    }
}

fn last_used(at_ms: Option<i64>) -> String {
    at_ms.map_or_else(
        || "Not used yet.".to_owned(),
        |at_ms| format!("Last used {}.", text::time(at_ms)),
    )
}

/// `See your executions; ask a model, at your cost`.
fn in_words(scopes: &Scopes) -> String {
    let words: Vec<_> = scopes.iter().map(words_of).collect();
    if words.is_empty() {
        return "May do nothing".to_owned();
    }
    capital(&words.join("; "))
}

fn words_of(scope: &str) -> String {
    let identity = catalogue::IDENTITY_SCOPES
        .iter()
        .find(|(name, _)| *name == scope)
        .map(|(_, words)| *words);
    identity
        .or_else(|| catalogue::find(scope).map(|info| info.words))
        .map_or_else(|| text::shown(scope, 60), str::to_owned)
}
