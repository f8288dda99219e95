//! A client as people are told of it.

use serde::{Deserialize, Serialize};
use url::Url;

use super::text;
use crate::loopback;
use crate::oauth::{AuthorizationRequest, Client, ClientSource};

const REFRESH_TOKEN: &str = "refresh_token";

/// It travels through the sign-in pages sealed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::oauth) struct AppShown {
    pub name: String,
    pub vouched: Vouched,
    pub destination: Destination,
    /// It stays connected by refresh tokens, else it must ask again within the hour.
    pub stays: bool,
    /// Where its forms may lead, for the content security policy.
    pub form_targets: String,
}

/// Who says that the client is what it calls itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::oauth) enum Vouched {
    Operator,
    /// The host of its metadata document: as good as the name of that host.
    Host(String),
    Nobody,
}

/// Where the answer goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::oauth) enum Destination {
    Site(String),
    /// A program that listens on the reader's computer.
    Loopback(String),
    /// A program that the reader's system starts for links of this scheme.
    Scheme(String),
}

impl AppShown {
    pub(in crate::oauth) fn of(client: &Client, request: &AuthorizationRequest) -> Self {
        let destination = Destination::of(&request.redirect_uri);
        Self {
            name: text::shown_name(&client.name),
            vouched: match client.source {
                ClientSource::Predefined => Vouched::Operator,
                ClientSource::Document => {
                    text::host_of(&client.id).map_or(Vouched::Nobody, Vouched::Host)
                }
                ClientSource::Registered => Vouched::Nobody,
            },
            stays: client.may(REFRESH_TOKEN),
            form_targets: destination.form_targets(),
            destination,
        }
    }
}

impl Destination {
    pub(in crate::oauth) fn of(redirect_uri: &str) -> Self {
        let Ok(url) = Url::parse(redirect_uri) else {
            return Self::Scheme("unknown".to_owned());
        };
        let host = text::host_of(redirect_uri);
        match (url.scheme(), host) {
            ("http" | "https", Some(host)) if loopback::is_reached_by(&url) => Self::Loopback(host),
            ("http" | "https", Some(host)) => Self::Site(host),
            (scheme, _) => Self::Scheme(text::shown(scheme, 40)),
        }
    }

    /// Chrome holds every redirect after a form to the form's `form-action`, also those that
    /// the client's own page sends on: its origin alone would break clients that do.
    fn form_targets(&self) -> String {
        match self {
            Self::Site(_) => "https:".to_owned(),
            // An address in brackets is no source of a policy; any port since the program may
            // hand over to another.
            Self::Loopback(host) if host.starts_with('[') => "http: https:".to_owned(),
            Self::Loopback(host) => {
                let name = host.split(':').next().unwrap_or_default();
                format!("http://{name}:* https:")
            }
            Self::Scheme(scheme) => format!("{scheme}:"),
        }
    }

    /// Completes "Its answer goes to …".
    pub(in crate::oauth) fn words(&self) -> String {
        match self {
            Self::Site(host) => host.clone(),
            Self::Loopback(host) => format!("a program on this computer ({host})"),
            Self::Scheme(scheme) => format!("an app on this device ({scheme}: links)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destinations_and_what_their_policy_lets_through() {
        for (uri, words, targets) in [
            ("https://claude.ai/api/cb", "claude.ai", "https:"),
            (
                "http://127.0.0.1:3334/cb",
                "a program on this computer (127.0.0.1:3334)",
                "http://127.0.0.1:* https:",
            ),
            (
                "http://[::1]:3334/cb",
                "a program on this computer ([::1]:3334)",
                "http: https:",
            ),
            (
                "cursor://anysphere.cursor-mcp/cb",
                "an app on this device (cursor: links)",
                "cursor:",
            ),
            (
                "com.example.app:/cb",
                "an app on this device (com.example.app: links)",
                "com.example.app:",
            ),
        ] {
            let found = Destination::of(uri);
            assert_eq!(
                (found.words().as_str(), found.form_targets().as_str()),
                (words, targets)
            );
        }
    }

    #[test]
    fn no_redirect_adds_a_directive_to_the_policy() {
        for uri in [
            "https://a.test;script-src x/",
            "x;y:/cb",
            "https://a b/",
            "http://localhost;:1/",
        ] {
            let targets = Destination::of(uri).form_targets();
            let plain = |c: char| c.is_ascii_alphanumeric() || "+-.:*/ ".contains(c);
            assert!(targets.chars().all(plain), "{uri}: {targets}");
        }
    }
}
