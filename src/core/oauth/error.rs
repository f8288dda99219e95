//! Errors of the endpoints that clients call (RFC 6749 section 5.2).

use std::borrow::Cow;

use serde_json::json;

use crate::http::HttpReply;
use crate::sql::DatabaseError;

/// An error answer in JSON: `{"error": code, "error_description": …}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OAuthError {
    pub status: u16,
    /// Such as `invalid_grant`.
    pub code: &'static str,
    /// Says what to change. Never holds what the caller sent in secret.
    pub description: Cow<'static, str>,
    /// `WWW-Authenticate` of a 401.
    pub challenge: Option<String>,
    /// `Retry-After` of a 429.
    pub retry_after_s: Option<i64>,
    /// For the log alone.
    pub cause: Option<String>,
}

impl OAuthError {
    pub fn new(code: &'static str, description: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status: 400,
            code,
            description: description.into(),
            challenge: None,
            retry_after_s: None,
            cause: None,
        }
    }

    pub fn invalid_request(description: impl Into<Cow<'static, str>>) -> Self {
        Self::new("invalid_request", description)
    }

    pub fn invalid_grant(description: impl Into<Cow<'static, str>>) -> Self {
        Self::new("invalid_grant", description)
    }

    /// Always 401 with a challenge (RFC 6749 section 5.2; hosted clients register anew on it).
    pub fn invalid_client(description: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status: 401,
            challenge: Some("Basic realm=\"oauth\"".to_owned()),
            ..Self::new("invalid_client", description)
        }
    }

    /// Ours: the client hears no cause.
    pub fn server_error(cause: impl Into<String>) -> Self {
        Self {
            status: 503,
            cause: Some(cause.into()),
            ..Self::new(
                "temporarily_unavailable",
                "it could not be done just now; try again in a few seconds",
            )
        }
    }

    /// Throttled (RFC 6585 section 4).
    pub fn too_many(retry_after_s: i64) -> Self {
        Self {
            status: 429,
            retry_after_s: Some(retry_after_s),
            ..Self::new(
                "temporarily_unavailable",
                format!("too many attempts; try again in {retry_after_s} seconds"),
            )
        }
    }

    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// As `error_description` may be (RFC 6749 section 5.2).
    pub fn plain_description(&self) -> String {
        ascii(&self.description)
    }

    /// The answer (RFC 6749 section 5.2: never stored by a cache).
    pub fn reply(&self, request_id: &str) -> HttpReply {
        let body = json!({
            "error": self.code,
            "error_description": self.plain_description(),
            "request_id": request_id,
        });
        let reply = HttpReply::json(self.status, body.to_string().into_bytes())
            .with_header("cache-control", "no-store")
            .with_header("pragma", "no-cache")
            .with_header("x-request-id", request_id);
        let reply = match &self.challenge {
            Some(challenge) => reply.with_header("www-authenticate", challenge.clone()),
            None => reply,
        };
        match self.retry_after_s {
            Some(seconds) => reply.with_header("retry-after", seconds.to_string()),
            None => reply,
        }
    }
}

impl From<DatabaseError> for OAuthError {
    fn from(error: DatabaseError) -> Self {
        Self::server_error(error.to_string())
    }
}

impl From<crate::ports::EntropyError> for OAuthError {
    fn from(error: crate::ports::EntropyError) -> Self {
        Self::server_error(error.to_string())
    }
}

/// `error_description` holds no quote, backslash or character beyond ASCII.
fn ascii(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '"' | '`' => '\'',
            ' '..='~' if c != '\\' => c,
            _ => '?',
        })
        .collect()
}
