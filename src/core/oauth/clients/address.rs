//! Addresses that are fetched because a client named them. None may lead inside: this is the
//! guard against server-side request forgery that the program has in hand. The platform adds
//! another, for names that resolve to private addresses (`global_fetch_strictly_public`).

use url::{Host, Url};

use crate::loopback;

/// Longer than any document's address in use, short enough for every row that names one.
pub(super) const MAX_BYTES: usize = 512;

/// Last labels that are never public (RFC 6761, 6762, 7686, 8375, and names that private
/// networks and clouds use).
const PRIVATE: [&str; 15] = [
    "localhost",
    "local",
    "localdomain",
    "internal",
    "intranet",
    "private",
    "lan",
    "home",
    "corp",
    "arpa",
    "onion",
    "alt",
    "test",
    "invalid",
    "workgroup",
];

/// Refuses what is not an `https` URL of a public host name, on the default port, exactly in
/// the form in which it will be fetched: what this text says is what is asked, without any
/// reading of userinfo, dot segments, other spellings of addresses or escapes in between.
/// The error completes "the address …".
pub(super) fn fetchable(raw: &str, development: bool) -> Result<Url, &'static str> {
    if raw.len() > MAX_BYTES {
        return Err("is longer than 512 characters");
    }
    let url = Url::parse(raw).map_err(|_| "is no URL")?;
    // Every trick of spelling is undone by the parser, and so shows as a difference.
    if url.as_str() != raw {
        return Err("is not in its normal form: lower case, no default port, no dot segments");
    }
    if raw.contains('#') {
        return Err("has a fragment");
    }
    if authority(raw).contains('@') {
        return Err("has a user name or password");
    }
    check_path(url.path())?;
    if development && loopback::is_named_by(&url) {
        return Ok(url);
    }
    if url.scheme() != "https" {
        return Err("does not start with https://");
    }
    if url.port().is_some() {
        return Err("names a port");
    }
    match url.host() {
        Some(Host::Domain(name)) if is_public_name(name) => Ok(url),
        _ => Err("is not at a public host name"),
    }
}

/// From the end of the scheme to the path.
pub(in crate::oauth) fn authority(raw: &str) -> &str {
    let rest = raw.split_once("://").map_or("", |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().unwrap_or_default()
}

fn check_path(path: &str) -> Result<(), &'static str> {
    if path.len() < 2 {
        return Err("has no path");
    }
    let lower = path.to_ascii_lowercase();
    let segments = lower.split('/').map(|segment| segment.replace("%2e", "."));
    if segments
        .into_iter()
        .any(|segment| segment == "." || segment == "..")
    {
        return Err("has dot segments");
    }
    if lower.contains("%2f") || lower.contains("%5c") || lower.contains('\\') {
        return Err("has an escaped slash");
    }
    Ok(())
}

/// A host name, in lower case, that is not of this machine or of a private network.
pub(crate) fn is_public_name(name: &str) -> bool {
    let labels: Vec<&str> = name.split('.').collect();
    let Some(last) = labels.last() else {
        return false;
    };
    labels.len() >= 2
        && labels.iter().all(|label| is_label(label))
        && last.bytes().any(|byte| byte.is_ascii_alphabetic())
        && !PRIVATE.contains(last)
}

fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label
            .bytes()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}
