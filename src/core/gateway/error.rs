use crate::budget::{Reason, Refused, UserLedgerError};
use crate::llm::ModelError;

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum GatewayError {
    #[error("no provider here serves the model {0}: GET /v1/models lists those that you can ask")]
    UnknownModel(String),
    #[error("your own key of this provider cannot be used: {0}")]
    OwnKey(String),
    /// Far more than the limits allow: not even counted.
    #[error("too many requests come in, with this key or in all: try again in a minute")]
    Flood,
    #[error("{0}")]
    Refused(Box<Refused>),
    /// Without the account nothing is known to be affordable, so nothing was sent.
    #[error(transparent)]
    Ledger(#[from] UserLedgerError),
    #[error(transparent)]
    Model(#[from] ModelError),
}

impl GatewayError {
    /// A constant word.
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownModel(_) => "MODEL_UNKNOWN",
            Self::OwnKey(_) => "OWN_KEY_UNUSABLE",
            Self::Flood => "RATE_LIMITED",
            Self::Refused(refused) => match refused.reason {
                Reason::Budget => "BUDGET_EXCEEDED",
                Reason::Unpriced => "MODEL_UNPRICED",
                Reason::TooLarge => "REQUEST_TOO_LARGE",
                Reason::Concurrency => "TOO_MANY_AT_ONCE",
                Reason::RequestsPerMinute | Reason::TokensPerMinute => "RATE_LIMITED",
                Reason::Finished => "CALL_FINISHED",
            },
            Self::Ledger(_) => "BUDGET_UNAVAILABLE",
            Self::Model(error) => error.code(),
        }
    }

    /// Whether a provider may charge for it all the same.
    pub fn may_have_billed(&self) -> bool {
        matches!(self, Self::Model(error) if error.may_have_billed())
    }
}
