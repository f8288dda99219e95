//! HTTP as the protocol needs it: a look at a request's headers, and a reply.

use std::any::Any;

use bytes::Bytes;
use futures::stream::LocalBoxStream;

/// Headers of a request. Names are given in lower case; on Workers each look-up crosses
/// into JavaScript, so ask once and for little.
pub trait Headers {
    fn get(&self, name: &str) -> Option<String>;
}

impl Headers for Vec<(&str, &str)> {
    fn get(&self, name: &str) -> Option<String> {
        self.iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| (*value).to_owned())
    }
}

/// Names in lower case, and values.
pub type HeaderFields = Vec<(&'static str, String)>;

/// The answer to a request.
#[derive(Debug)]
pub struct HttpReply {
    pub status: u16,
    pub headers: HeaderFields,
    pub body: Body,
}

pub enum Body {
    Empty,
    Bytes(Vec<u8>),
    /// Chunks as they come. Dropped when the client goes away.
    Stream(LocalBoxStream<'static, Bytes>),
    /// A connection that has left HTTP (RFC 9110 section 7.8), in the platform's own form.
    Upgraded(Box<dyn Any>),
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Empty => f.write_str("Empty"),
            Self::Bytes(bytes) => write!(f, "Bytes({})", bytes.len()),
            Self::Stream(_) => f.write_str("Stream"),
            Self::Upgraded(_) => f.write_str("Upgraded"),
        }
    }
}

impl HttpReply {
    pub fn empty(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Body::Empty,
        }
    }

    /// `json` is the encoded document.
    pub fn json(status: u16, json: Vec<u8>) -> Self {
        Self {
            status,
            headers: vec![("content-type", "application/json".to_owned())],
            body: Body::Bytes(json),
        }
    }

    #[must_use]
    pub fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    #[must_use]
    pub fn with_headers(mut self, headers: HeaderFields) -> Self {
        self.headers.extend(headers);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_names_have_no_case() {
        let headers = vec![("Content-Type", "application/json")];
        assert_eq!(
            headers.get("content-type").as_deref(),
            Some("application/json")
        );
        assert_eq!(headers.get("accept"), None);
    }

    #[test]
    fn a_json_reply_says_so() {
        let reply = HttpReply::json(200, b"{}".to_vec()).with_header("cache-control", "no-store");
        assert_eq!(reply.headers.len(), 2);
        assert!(matches!(reply.body, Body::Bytes(bytes) if bytes == b"{}"));
    }
}
