//! Redirect URIs: which may be registered, and which of them a request means.

use url::Url;

use super::clients::authority;
use crate::loopback::{self, NAMES};

const MAX_BYTES: usize = 2048;

/// Schemes of programs that are known to use them. Any other private-use scheme must be a
/// domain name turned round, as RFC 8252 section 7.1 asks: it holds a dot, which no scheme
/// that a browser runs does.
const PRIVATE_SCHEMES: [&str; 4] = ["cursor", "vscode", "vscode-insiders", "windsurf"];

/// Names that the response adds: a registered value would contradict it.
const RESERVED: [&str; 6] = [
    "code",
    "state",
    "iss",
    "error",
    "error_description",
    "error_uri",
];

/// Whether `asked` is one of the registered URIs: the very same text, since each difference
/// has been a hole somewhere (RFC 9700 section 4.1.3). Only the port of a loopback address
/// may differ: a program takes the one that is free (RFC 8252 section 7.3).
pub(super) fn is_registered(registered: &[String], asked: &str) -> bool {
    is_plain(asked)
        && registered
            .iter()
            .any(|known| known == asked || differ_in_port_only(known, asked))
}

fn differ_in_port_only(known: &str, asked: &str) -> bool {
    match (loopback(known), loopback(asked)) {
        (Some(known), Some(asked)) => known == asked,
        _ => false,
    }
}

/// Host, and what follows the port, of an http URL to this machine.
fn loopback(uri: &str) -> Option<(&str, &str)> {
    let rest = uri.strip_prefix("http://")?;
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at_checked(end)?;
    let host = NAMES
        .into_iter()
        .find(|host| match authority.strip_prefix(host) {
            Some("") => true,
            Some(port) => port.strip_prefix(':').is_some_and(is_port),
            None => false,
        })?;
    Some((host, tail))
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
        && !text.starts_with('0')
        && text.parse::<u16>().is_ok()
}

/// Whether a client may register it. The error completes "the redirect URI …".
pub fn check(uri: &str) -> Result<(), &'static str> {
    if uri.len() > MAX_BYTES {
        return Err("is longer than 2048 characters");
    }
    if !is_plain(uri) {
        return Err("has characters that must be escaped, or a fragment");
    }
    let url = Url::parse(uri).map_err(|_| "is not absolute")?;
    if authority(uri).contains('@') {
        return Err("has a user name or password");
    }
    if url
        .query_pairs()
        .any(|(name, _)| RESERVED.contains(&&*name))
    {
        return Err("holds a parameter that the response adds, such as state");
    }
    match url.scheme() {
        "https" => check_form(&url, uri),
        "http" if loopback::is_named_by(&url) => check_form(&url, uri),
        "http" => Err("must start with https:// (http is for loopback addresses only)"),
        scheme => check_private(scheme, uri),
    }
}

/// A browser must read it as it is compared: byte by byte.
fn check_form(url: &Url, uri: &str) -> Result<(), &'static str> {
    // URIs are compared as they are: a star would be meant to stand for more.
    if url
        .host_str()
        .is_none_or(|host| host.ends_with('.') || host.contains('*'))
    {
        return Err("has no usable host");
    }
    let authority = authority(uri);
    let (head, tail) = uri.split_once(authority).unwrap_or_default();
    // A URL without a path reads as one with a slash.
    let slash = if tail.starts_with('/') { "" } else { "/" };
    if url.as_str() == format!("{head}{authority}{slash}{tail}") {
        return Ok(());
    }
    Err("is not in its normal form: lower-case host, no default port, no dot segments")
}

fn check_private(scheme: &str, uri: &str) -> Result<(), &'static str> {
    let labels = || scheme.split('.');
    let is_label = |label: &str| {
        label.starts_with(|first: char| first.is_ascii_lowercase())
            && label
                .bytes()
                .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
    };
    let reversed_domain = labels().count() >= 2 && labels().all(is_label);
    if !reversed_domain && !PRIVATE_SCHEMES.contains(&scheme) {
        return Err(
            "has a scheme that is not taken: use https, http on a loopback address, or a scheme \
             that is your domain name turned round, such as com.example.app",
        );
    }
    // As written: the parser would lower it, and an escape would hide in the rest.
    match uri
        .strip_prefix(scheme)
        .and_then(|rest| rest.strip_prefix(':'))
    {
        Some(rest) if !rest.is_empty() => Ok(()),
        _ => Err("must have its scheme in lower case and a path"),
    }
}

/// The characters of a URI (RFC 3986 section 2) without `#`: no control characters, spaces,
/// backslashes, quotes or anything beyond ASCII.
fn is_plain(uri: &str) -> bool {
    uri.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"-._~:/?[]@!$&'()*+,;=%".contains(&byte))
}

/// `uri` with `params` added to its query, encoded.
pub(super) fn with_params<'a>(
    uri: &str,
    params: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(params);
    let joint = match uri.split_once('?') {
        None => "?",
        Some((_, "")) => "",
        Some((_, own)) if own.ends_with('&') => "",
        Some(_) => "&",
    };
    format!("{uri}{joint}{}", query.finish())
}
