//! Addresses of the machine that a program or a browser runs on.
//!
//! What is allowed for such an address goes by its three plain names ([`is_named_by`]); what is
//! refused or warned of goes by everything that leads there ([`is_reached_by`]).

use url::{Host, Url};

/// Names that programs give it (RFC 8252 sections 7.3 and 8.3), as they stand in a URL.
pub const NAMES: [&str; 3] = ["127.0.0.1", "[::1]", "localhost"];

/// Whether an http or https URL calls it by one of [`NAMES`].
pub fn is_named_by(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https")
        && url.host_str().is_some_and(|host| NAMES.contains(&host))
}

/// Whether a URL leads there by whatever spelling.
pub fn is_reached_by(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            name == "localhost" || name.ends_with(".localhost")
        }
        Some(Host::Ipv4(ip)) => ip.is_loopback() || ip.is_unspecified(),
        Some(Host::Ipv6(ip)) => {
            let mapped = ip.to_ipv4_mapped();
            let mapped = mapped.is_some_and(|ip| ip.is_loopback() || ip.is_unspecified());
            ip.is_loopback() || ip.is_unspecified() || mapped
        }
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn three_names_are_plain() {
        for text in [
            "http://localhost:1/a",
            "https://127.0.0.1/",
            "http://[::1]:9",
            "http://LOCALHOST/",
        ] {
            assert!(is_named_by(&url(text)), "{text}");
            assert!(is_reached_by(&url(text)), "{text}");
        }
    }

    #[test]
    fn other_spellings_lead_there_and_are_not_plain() {
        for text in [
            "http://localhost./",
            "http://a.localhost/",
            "http://127.0.0.2/",
            "http://0.0.0.0/",
            "http://[::]/",
            "http://[::ffff:127.0.0.1]/",
            "http://[::ffff:0.0.0.0]/",
            "ftp://localhost/",
        ] {
            assert!(is_reached_by(&url(text)), "{text}");
            assert!(!is_named_by(&url(text)), "{text}");
        }
        // The parser has made the plain name of it.
        assert!(is_named_by(&url("http://127.1/")));
    }

    #[test]
    fn other_machines_are_neither() {
        for text in [
            "https://localhost.evil.test",
            "https://127.0.0.1.evil.test",
            "http://[::ffff:192.0.2.1]/",
            "http://192.168.0.1/",
            "cursor:localhost",
        ] {
            assert!(!is_reached_by(&url(text)), "{text}");
            assert!(!is_named_by(&url(text)), "{text}");
        }
    }
}
