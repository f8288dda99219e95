use std::fmt;

/// Why there is no answer. Nothing in it shows a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    #[error("no model is configured: set the secret {key_name} (`wrangler secret put {key_name}`)")]
    NotConfigured { key_name: String },
    #[error("{provider} knows no parameter like {parameter}: leave it out, or {advice}")]
    Unsupported {
        provider: String,
        parameter: String,
        advice: &'static str,
    },
    #[error("{0}. The provider refused the request: correct it and send it again")]
    InvalidRequest(ProviderError),
    #[error(
        "{error}. The provider does not know the model {model}, or the key may not use it: name another one"
    )]
    UnknownModel { model: String, error: ProviderError },
    #[error("{error}. The provider refused the key: whoever owns it must set a valid {key_name}")]
    Unauthorized {
        error: ProviderError,
        key_name: String,
    },
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
    /// Its name, as people write it.
    pub provider: String,
    pub status: u16,
    pub body: String,
}

impl fmt::Display for ProviderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} API error: {} - {}",
            self.provider, self.status, self.body
        )
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
            Self::NotConfigured { .. } => "MODEL_NOT_CONFIGURED",
            Self::Unsupported { .. } => "MODEL_UNSUPPORTED_PARAMETER",
            Self::InvalidRequest(_) => "MODEL_INVALID_REQUEST",
            Self::UnknownModel { .. } => "MODEL_UNKNOWN",
            Self::Unauthorized { .. } => "MODEL_UNAUTHORIZED",
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
            Self::InvalidRequest(_)
                | Self::Unsupported { .. }
                | Self::UnknownModel { .. }
                | Self::TooLarge { .. }
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

    /// Whether the provider, or the way to it, is out of order.
    pub(super) fn is_fault(&self) -> bool {
        matches!(
            self,
            Self::Unavailable { .. }
                | Self::Timeout { .. }
                | Self::Malformed(_)
                | Self::Interrupted { .. }
        )
    }

    /// Whether another provider or model may do better with the same request. Not where the
    /// request itself is at fault, or where the caller has heard a part of the answer.
    pub(super) fn is_passable(&self) -> bool {
        !matches!(self, Self::InvalidRequest(_) | Self::TooLarge { .. }) && self.partial().is_none()
    }

    /// With the text that arrived before it.
    pub(super) fn with_partial(mut self, text: String) -> Self {
        if let Self::Timeout { partial, .. }
        | Self::Interrupted { partial, .. }
        | Self::TooLarge { partial, .. } = &mut self
        {
            *partial = text;
        }
        self
    }
}
