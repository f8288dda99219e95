//! Signing in: the key, the second factor, and what went wrong.

use maud::{Markup, html};

use super::app::{AppShown, Vouched};
use super::layout::{note, ticket};
use super::text;

const MAX_PROBLEM_CHARS: usize = 300;

pub(in crate::oauth) struct SignInView<'a> {
    /// None where people come to see their own account.
    pub app: Option<&'a AppShown>,
    pub ticket: &'a str,
    /// What was wrong with the last try.
    pub problem: Option<&'a str>,
    /// Why signing in is asked for although the browser is signed in.
    pub reason: Option<&'a str>,
    /// The provider's name, where one is set.
    pub provider: Option<&'a str>,
}

pub(in crate::oauth) fn sign_in(view: &SignInView<'_>) -> Markup {
    html! {
        h1 { "Sign in" }
        @match view.app {
            Some(app) => (asks_for_access(app)),
            None => p { "See what is yours, what may use your account, and end it." },
        }
        @if let Some(reason) = view.reason { p { (reason) } }
        @if let Some(problem) = view.problem { (note("bad", &html! { p { (problem) } })) }
        @if let Some(label) = view.provider {
            a.button.full href={ "/sign-in/upstream?ticket=" (view.ticket) } {
                "Sign in with " (label)
            }
            div.or { "or" }
        }
        form method="post" action="/sign-in" {
            (ticket(view.ticket))
            label.field for="key" { "Your key" }
            input #key type="password" name="key" autocomplete="current-password" required
                maxlength="256" autocapitalize="none" spellcheck="false" aria-describedby="key-help";
            p #key-help .soft {
                "The key that you were given for this service. It stays here: "
                @if view.app.is_some() { "the app never sees it." } @else { "no app ever sees it." }
            }
            button.first.full type="submit" { "Sign in" }
        }
    }
}

fn asks_for_access(app: &AppShown) -> Markup {
    html! {
        p {
            b { (app.name) } " would like to use your account. "
            "Sign in to decide: nothing is shared before you allow it."
        }
        dl {
            dt { "App" } dd { (app.name) " " (badge(&app.vouched)) }
            dt { "Answer to" } dd { (app.destination.words()) }
        }
    }
}

pub(in crate::oauth) fn badge(vouched: &Vouched) -> Markup {
    match vouched {
        Vouched::Operator => html! { span class="badge good" { "Verified" } },
        Vouched::Host(host) => html! { span class="badge good" { "From " (host) } },
        Vouched::Nobody => html! { span class="badge careful" { "Unverified" } },
    }
}

pub(in crate::oauth) fn second_factor(sealed: &str, problem: Option<&str>) -> Markup {
    html! {
        h1 { "Enter your code" }
        p { "Open your authenticator app and enter the six digits that it shows for this service." }
        @if let Some(problem) = problem { (note("bad", &html! { p { (problem) } })) }
        form method="post" action="/sign-in" {
            (ticket(sealed))
            label.field for="code" { "Code" }
            (code_field())
            button.first.full type="submit" { "Continue" }
        }
    }
}

pub(in crate::oauth) fn code_field() -> Markup {
    html! {
        input #code .code type="text" name="code" inputmode="numeric" autocomplete="one-time-code"
            required maxlength="7" pattern="[0-9 ]{6,7}" title="six digits";
    }
}

pub(in crate::oauth) fn needs_second_factor() -> Markup {
    html! {
        h1 { "Set up a second factor first" }
        p { "This service asks for a code from an authenticator app beside your key before an app may use your account." }
        p { "Set it up on your account page, then start again from the app." }
        a.button.full href="/account" { "Go to your account" }
    }
}

pub(in crate::oauth) fn error(message: &str, request_id: &str) -> Markup {
    html! {
        h1 { "This did not work" }
        p { (message) }
        p.soft { "If you ask for help, give this number: " code { (request_id) } }
    }
}

/// An app that nobody vouches for sent a request that cannot be met.
pub(in crate::oauth) struct WayBackView<'a> {
    pub app: &'a str,
    /// Of `uri`.
    pub host: &'a str,
    pub problem: &'a str,
    /// A registered redirect URI, with the error.
    pub uri: &'a str,
}

pub(in crate::oauth) fn way_back(view: &WayBackView<'_>, request_id: &str) -> Markup {
    html! {
        h1 { "This did not work" }
        p { b { (view.app) } " sent you here, and its request cannot be met. Nothing was shared." }
        p.soft { "For its makers: " (text::shown(view.problem, MAX_PROBLEM_CHARS)) }
        p { "We do not know who runs " b { (view.host) } ". Go on only if you came from there." }
        a.button.full href=(view.uri) rel="noreferrer" { "Return to " (view.host) }
        p.soft { "If you ask for help, give this number: " code { (request_id) } }
    }
}
