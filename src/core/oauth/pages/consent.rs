//! The question whether a client may act for the reader.

use maud::{Markup, html};

use super::app::{AppShown, Destination, Vouched};
use super::forms::badge;
use super::layout::{note, ticket};
use crate::auth::Scopes;
use crate::auth::catalogue::{IDENTITY_SCOPES, SCOPES, ScopeInfo};

pub(in crate::oauth) struct ConsentView<'a> {
    pub app: &'a AppShown,
    pub ticket: &'a str,
    /// For the form that signs out and comes back.
    pub switch_ticket: &'a str,
    /// Whom it would act for.
    pub person: &'a str,
    /// Host and path of the worker that it would use.
    pub resource: &'a str,
    /// What it asks for and the reader may give, without [`STAYS`].
    pub scopes: &'a Scopes,
    /// What was wrong with the last answer.
    pub problem: Option<&'a str>,
    /// Such as `up to 90 days`.
    pub how_long: &'a str,
}

/// Says no more than how long the grant lasts, which the page tells in its own row.
pub(in crate::oauth) const STAYS: &str = "offline_access";

/// Name of the checkbox of a scope.
pub(in crate::oauth) fn field_of(scope: &str) -> String {
    format!("allow:{scope}")
}

pub(in crate::oauth) fn consent(view: &ConsentView<'_>) -> Markup {
    let asks = view.scopes.iter().next().is_some();
    html! {
        h1 { "Allow " (view.app.name) " to use your account?" }
        (identity_of(view.app))
        @if let Some(problem) = view.problem { (note("bad", &html! { p { (problem) } })) }
        dl {
            dt { "Answer to" } dd { b { (view.app.destination.words()) } }
            dt { "Service" } dd { (view.resource) }
            dt { "Signed in as" } dd {
                (view.person)
                form method="post" action="/sign-out" {
                    (ticket(view.switch_ticket))
                    button.plain type="submit" { "Use another account" }
                }
            }
            dt { "For" } dd { (view.how_long) ", unless you end it sooner on your account page" }
        }
        form method="post" action="/consent" {
            (ticket(view.ticket))
            @if asks {
                (groups(view.scopes))
                p.soft { "Untick what it may not do." }
            } @else {
                (note("careful", &html! { p { "It asks for nothing that you may give. Sign in with another account or key, or deny." } }))
            }
            div.choice {
                button type="submit" name="decision" value="deny" { "Deny" }
                @if asks {
                    button.first type="submit" name="decision" value="allow" { "Allow" }
                }
            }
        }
    }
}

fn identity_of(app: &AppShown) -> Markup {
    html! {
        p {
            (badge(&app.vouched)) " "
            @match &app.vouched {
                Vouched::Operator => "The operator of this service knows this app.",
                Vouched::Host(host) => {
                    "It calls itself “" (app.name) "”. Its description comes from " b { (host) } "."
                }
                Vouched::Nobody => {
                    "It calls itself “" (app.name) "”. Anyone could: nobody has checked it."
                }
            }
        }
        @match &app.destination {
            Destination::Loopback(_) => (note("careful", &html! {
                p { "The answer goes to a program on this computer. Allow it only if you have just started to connect from a program that you trust." }
            })),
            Destination::Scheme(_) => (note("careful", &html! {
                p { "The answer goes to an app on this device. Allow it only if you have just started to connect from an app that you trust." }
            })),
            Destination::Site(host) => @if app.vouched == Vouched::Nobody {
                (note("careful", &html! {
                    p { "Allow it only if you have just started to connect from " b { (host) } "." }
                }))
            },
        }
    }
}

fn groups(scopes: &Scopes) -> Markup {
    let asked = |wanted: fn(&ScopeInfo) -> bool| -> Vec<(&str, &str)> {
        let of_group = SCOPES.iter().filter(|info| wanted(info));
        let here = of_group.filter(|info| scopes.iter().any(|scope| scope == info.name));
        here.map(|info| (info.name, info.words)).collect()
    };
    let about_you: Vec<_> = IDENTITY_SCOPES
        .iter()
        .copied()
        .filter(|(name, _)| scopes.iter().any(|scope| scope == *name))
        .collect();
    html! {
        (group("See, without changing anything", &asked(|info| info.read_only)))
        (group("Change and make things", &asked(|info| !info.read_only && !info.costly)))
        (group("Spend your money", &asked(|info| info.costly)))
        (group("About you and this connection", &about_you))
    }
}

fn group(title: &str, scopes: &[(&str, &str)]) -> Markup {
    html! {
        @if !scopes.is_empty() {
            fieldset {
                legend { (title) }
                @for (name, words) in scopes {
                    label.tick-row {
                        input type="checkbox" name=(field_of(name)) value="yes" checked;
                        span { (capital(words)) }
                    }
                }
            }
        }
    }
}

pub(in crate::oauth) fn capital(words: &str) -> String {
    let mut chars = words.chars();
    chars.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(chars).collect()
    })
}
