use std::fmt;

use super::scrub::scrub;

/// Why there is no answer. Nothing in it shows a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    #[error(
        "no model is configured: set the secret OPENAI_API_KEY (`wrangler secret put OPENAI_API_KEY`)"
    )]
    NotConfigured,
    #[error("{0}. The provider refused the request: correct it and send it again")]
    InvalidRequest(ProviderError),
    #[error(
        "{error}. The provider does not know the model {model}, or the key may not use it: name another one"
    )]
    UnknownModel { model: String, error: ProviderError },
    #[error(
        "{0}. The provider refused this server's key: its operator must set a valid OPENAI_API_KEY"
    )]
    Unauthorized(ProviderError),
    #[error("{error}. The provider limits the rate of requests: try again {}", after(*.retry_after_ms))]
    RateLimited {
        error: ProviderError,
        retry_after_ms: Option<u64>,
    },
    #[error(
        "{0}. The provider account's credit or spending limit is used up: its operator must raise it; trying again does not help"
    )]
    QuotaExhausted(ProviderError),
    /// Answered 5xx, or the connection failed before any answer: then the provider may have
    /// taken the request all the same.
    #[error("{cause}. The model is unavailable at the moment: try again later")]
    Unavailable {
        cause: String,
        may_have_billed: bool,
    },
    #[error(
        "the model did not finish within {ms} ms: try again with a shorter request or a smaller max_tokens"
    )]
    Timeout { ms: u64, partial: String },
    #[error(
        "the provider's answer could not be read ({0}): try again, and tell the operator if it stays"
    )]
    Malformed(String),
    #[error("the answer broke off after {} characters ({cause}): what arrived is not a whole answer; try again", .partial.chars().count())]
    Interrupted { cause: String, partial: String },
    #[error("the answer is larger than {limit} bytes: ask for less, with a smaller max_tokens")]
    TooLarge { limit: usize, partial: String },
}

/// An error response of the provider: its status and its body, cut and without keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderError {
    pub status: u16,
    pub body: String,
}

impl fmt::Display for ProviderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OpenAI API error: {} - {}", self.status, self.body)
    }
}

fn after(ms: Option<u64>) -> String {
    ms.map_or_else(
        || "in a while".to_owned(),
        |ms| format!("in {} s", ms.div_ceil(1_000)),
    )
}

impl ModelError {
    /// Stable name of the error's class.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotConfigured => "MODEL_NOT_CONFIGURED",
            Self::InvalidRequest(_) => "MODEL_INVALID_REQUEST",
            Self::UnknownModel { .. } => "MODEL_UNKNOWN",
            Self::Unauthorized(_) => "MODEL_UNAUTHORIZED",
            Self::RateLimited { .. } => "MODEL_RATE_LIMITED",
            Self::QuotaExhausted(_) => "MODEL_QUOTA_EXHAUSTED",
            Self::Unavailable { .. } => "MODEL_UNAVAILABLE",
            Self::Timeout { .. } => "MODEL_TIMEOUT",
            Self::Malformed(_) => "MODEL_MALFORMED_ANSWER",
            Self::Interrupted { .. } => "MODEL_INTERRUPTED",
            Self::TooLarge { .. } => "MODEL_ANSWER_TOO_LARGE",
        }
    }

    /// Whether the provider may have charged for this attempt, so that sending the request
    /// again can cost twice.
    pub fn may_have_billed(&self) -> bool {
        match self {
            Self::Timeout { .. }
            | Self::Malformed(_)
            | Self::Interrupted { .. }
            | Self::TooLarge { .. } => true,
            Self::Unavailable {
                may_have_billed, ..
            } => *may_have_billed,
            _ => false,
        }
    }

    /// Whether another request would have been answered. The rest lies with the provider or
    /// with this server's settings.
    pub fn is_callers(&self) -> bool {
        matches!(
            self,
            Self::InvalidRequest(_) | Self::UnknownModel { .. } | Self::TooLarge { .. }
        )
    }

    /// Text that arrived before the failure.
    pub fn partial(&self) -> Option<&str> {
        match self {
            Self::Timeout { partial, .. }
            | Self::Interrupted { partial, .. }
            | Self::TooLarge { partial, .. } => {
                Some(partial.as_str()).filter(|text| !text.is_empty())
            }
            _ => None,
        }
    }

    /// Sorts an error response. `key` is hidden wherever the body repeats it.
    pub(super) fn from_response(
        status: u16,
        retry_after_ms: Option<u64>,
        body: &[u8],
        key: &str,
        model: &str,
    ) -> Self {
        let text = String::from_utf8_lossy(body);
        let kind = ErrorKind::read(&text);
        let error = ProviderError {
            status,
            body: scrub(&text, key),
        };
        match status {
            401 | 403 => Self::Unauthorized(error),
            402 => Self::QuotaExhausted(error),
            429 if kind.is_quota() => Self::QuotaExhausted(error),
            429 => Self::RateLimited {
                error,
                retry_after_ms,
            },
            404 => Self::UnknownModel {
                model: model.to_owned(),
                error,
            },
            400..=499 if kind.is_unknown_model() => Self::UnknownModel {
                model: model.to_owned(),
                error,
            },
            400..=499 => Self::InvalidRequest(error),
            500..=599 => Self::Unavailable {
                cause: error.to_string(),
                // A full queue turns requests away; other 5xx may follow work done.
                may_have_billed: status != 503,
            },
            _ => Self::Malformed(error.to_string()),
        }
    }
}

/// `type` and `code` of the provider's error object.
#[derive(Default)]
struct ErrorKind {
    kind: String,
    code: String,
}

/// Codes of 429 that no waiting cures.
const QUOTA_CODES: [&str; 5] = [
    "insufficient_quota",
    "credit_balance_exhausted",
    "organization_spend_limit_exceeded",
    "project_spend_limit_exceeded",
    "organization_usage_limit_exceeded",
];

impl ErrorKind {
    fn read(body: &str) -> Self {
        let json: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
        let field = |name: &str| {
            let value = json.get("error").and_then(|error| error.get(name));
            value
                .and_then(|value| value.as_str())
                .unwrap_or_default()
                .to_owned()
        };
        Self {
            kind: field("type"),
            code: field("code"),
        }
    }

    fn is_quota(&self) -> bool {
        self.kind == "insufficient_quota" || QUOTA_CODES.contains(&self.code.as_str())
    }

    fn is_unknown_model(&self) -> bool {
        self.code == "model_not_found"
    }
}
