//! The frame of every page, and the headers that keep it to itself.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest, Sha256};

use super::text;
use crate::http::{Body, HttpReply};

pub(in crate::oauth) const PRODUCT: &str = "ChittyMCP";
const STYLE: &str = include_str!("style.css");

/// A page before it is sent.
pub(in crate::oauth) struct Page<'a> {
    /// The server's base URL: its host is shown.
    pub origin: &'a str,
    pub title: &'a str,
    pub body: Markup,
    /// Sources beside the page's own where its forms may lead.
    pub form_targets: &'a str,
    /// With room for lists.
    pub wide: bool,
}

impl Page<'_> {
    pub(in crate::oauth) fn reply(&self, status: u16) -> HttpReply {
        let html = self.markup().into_string();
        HttpReply {
            status,
            headers: self.headers(),
            body: Body::Bytes(html.into_bytes()),
        }
    }

    /// No script, no frame, nothing from elsewhere. The front adds `referrer-policy` and
    /// `x-content-type-options`. Left out on purpose: `cross-origin-opener-policy`, which
    /// cuts the tie to the window that opened this one, and clients that sign in by a popup
    /// would take it for closed.
    fn headers(&self) -> Vec<(&'static str, String)> {
        let style = STANDARD.encode(Sha256::digest(STYLE));
        let targets = self.form_targets;
        let policy = format!(
            "default-src 'none'; style-src 'sha256-{style}'; img-src data:; base-uri 'none'; \
             frame-ancestors 'none'; form-action 'self' {targets}"
        );
        vec![
            ("content-type", "text/html; charset=utf-8".to_owned()),
            ("content-security-policy", policy.trim_end().to_owned()),
            ("x-frame-options", "DENY".to_owned()),
            ("cache-control", "no-store".to_owned()),
            (
                "permissions-policy",
                "camera=(), geolocation=(), microphone=(), payment=(), usb=()".to_owned(),
            ),
            ("x-robots-tag", "noindex".to_owned()),
        ]
    }

    fn markup(&self) -> Markup {
        let host = text::host_of(self.origin).unwrap_or_default();
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    link rel="icon" href="data:,";
                    title { (self.title) " · " (PRODUCT) }
                    style { (PreEscaped(STYLE)) }
                }
                body class=[self.wide.then_some("wide")] {
                    header {
                        (mark())
                        div {
                            p.product { (PRODUCT) }
                            p.host { (host) }
                        }
                    }
                    main { (self.body) }
                }
            }
        }
    }
}

/// A seal with a tick.
fn mark() -> Markup {
    html! {
        svg viewBox="0 0 40 40" width="40" height="40" aria-hidden="true" {
            rect class="mark" width="40" height="40" rx="10" {}
            path class="tick" d="M11 21l6 6 12-14" {}
        }
    }
}

/// A sentence in a box. `kind` is `bad`, `careful` or `good`.
pub(in crate::oauth) fn note(kind: &str, body: &Markup) -> Markup {
    let role = if kind == "bad" { "alert" } else { "note" };
    html! { div class={ "note " (kind) } role=(role) { (body) } }
}

/// The field that ties a form to this browser.
pub(in crate::oauth) fn ticket(ticket: &str) -> Markup {
    html! { input type="hidden" name="ticket" value=(ticket); }
}
