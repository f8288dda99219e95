use std::borrow::Cow;

use serde_json::json;

use crate::auth::{AuditEvent, Decision};
use crate::oauth::{AuthorizationServer, OAuthError, WebRequest};
use crate::ports::{EntropyError, Level};
use crate::seal::SealError;
use crate::sql::DatabaseError;

/// Why a page cannot be shown, in words for its reader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trouble {
    pub status: u16,
    pub message: Cow<'static, str>,
    /// For the log alone.
    pub cause: Option<String>,
}

const NOT_NOW: &str = "It could not be done just now. Wait a few seconds and try again.";

impl Trouble {
    pub(super) fn new(status: u16, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status,
            message: message.into(),
            cause: None,
        }
    }

    /// The form's ticket is missing, too old, or of another browser or session.
    pub(super) fn stale() -> Self {
        Self::new(
            400,
            "This page was open for too long, or belongs to another browser or sign-in. Nothing was done. Go back to where you started and try again.",
        )
    }

    pub(super) fn foreign() -> Self {
        Self::new(
            403,
            "This form was sent by another site. Nothing was done. Go back to where you started and try again.",
        )
    }

    /// Ours.
    pub(super) fn ours(cause: impl Into<String>) -> Self {
        Self {
            cause: Some(cause.into()),
            ..Self::new(503, NOT_NOW)
        }
    }
}

impl From<OAuthError> for Trouble {
    fn from(error: OAuthError) -> Self {
        if error.cause.is_some() {
            return Self {
                cause: error.cause,
                ..Self::new(503, NOT_NOW)
            };
        }
        Self::new(
            error.status,
            "The request is not formed as it should be. Go back to where you started and try again.",
        )
    }
}

impl From<DatabaseError> for Trouble {
    fn from(error: DatabaseError) -> Self {
        Self::ours(error.to_string())
    }
}

impl From<EntropyError> for Trouble {
    fn from(error: EntropyError) -> Self {
        Self::ours(error.to_string())
    }
}

impl From<SealError> for Trouble {
    fn from(error: SealError) -> Self {
        Self::ours(error.to_string())
    }
}

impl AuthorizationServer {
    /// In the log what is ours, in the audit log what was refused.
    pub(super) fn note_trouble(&self, web: &WebRequest<'_>, trouble: &Trouble) {
        if let Some(cause) = &trouble.cause {
            let fields = json!({
                "error": cause,
                "path": web.path,
                "request_id": web.info.request_id,
            });
            self.audit.log.record(Level::Error, "page_failed", fields);
            return;
        }
        let event = AuditEvent {
            action: "page",
            resource_type: "service",
            resource_id: None,
            decision: Decision::Deny(match trouble.status {
                403 => "foreign",
                429 => "too_many",
                _ => "stale_or_malformed",
            }),
            details: json!({ "path": web.path }),
        };
        self.audit.record(event, None, &web.info);
    }
}
