use crate::gateway::GatewayError;
use crate::ledger::LedgerError;
use crate::llm::{ModelError, ProviderError};
use crate::ports::EntropyError;
use crate::seal::SealError;
use crate::sql::DatabaseError;

#[derive(Debug, thiserror::Error)]
pub enum FortressError {
    #[error(transparent)]
    Model(ModelError),
    /// Not admitted: nothing was asked.
    #[error(transparent)]
    Gateway(GatewayError),
    #[error("the run is bound by its policy: {0}")]
    Policy(String),
    #[error("the run with this evidence_id failed: {0}. To run again, use a new evidence_id")]
    Failed(String),
    #[error("the run with this evidence_id is still under way: ask again in a minute")]
    InProgress,
    #[error("this evidence_id belongs to a run of another prompt or model: use a new one")]
    Conflict,
    #[error(
        "the run took too long and was ended before its answer was signed: run it again, with a new evidence_id"
    )]
    Interrupted,
    #[error(
        "the run cannot be signed ({0}): the operator must check PGP_PRIVATE_KEY and PGP_PUBLIC_KEY"
    )]
    Signing(String),
    #[error(
        "the run is signed but not logged yet ({0}): ask again with the same evidence_id, or leave it, and it is logged within minutes"
    )]
    Ledger(#[from] LedgerError),
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error(transparent)]
    Seal(#[from] SealError),
    #[error(transparent)]
    Entropy(#[from] EntropyError),
}

impl FortressError {
    pub fn code(&self) -> &'static str {
        match self {
            Self::Model(error) => error.code(),
            Self::Gateway(error) => error.code(),
            Self::Policy(_) => "POLICY_EXCEEDED",
            Self::Failed(_) => "RUN_FAILED",
            Self::InProgress => "RUN_IN_PROGRESS",
            Self::Conflict => "EVIDENCE_ID_CONFLICT",
            Self::Interrupted => "RUN_INTERRUPTED",
            Self::Signing(_) => "SIGNING_FAILED",
            Self::Ledger(error) => error.code(),
            Self::Database(_) => "DATABASE_UNAVAILABLE",
            Self::Seal(_) | Self::Entropy(_) => "INTERNAL",
        }
    }

    /// What is kept on file of it, and shown to the owner.
    pub(super) fn reason(&self) -> String {
        if self.is_internal() {
            return "the service could not write down what came of it".to_owned();
        }
        self.to_string()
    }

    /// Whether the cause is ours and its words are for the log only.
    pub fn is_internal(&self) -> bool {
        matches!(self, Self::Database(_) | Self::Seal(_) | Self::Entropy(_))
    }
}

impl From<GatewayError> for FortressError {
    fn from(error: GatewayError) -> Self {
        match error {
            GatewayError::Model(error) => Self::Model(without_providers_words(error)),
            other => Self::Gateway(other),
        }
    }
}

/// The error without what the provider wrote, which may repeat the prompt: the reason of a
/// failed run is stored in clear.
fn without_providers_words(error: ModelError) -> ModelError {
    let words = "its words are left out of sealed runs";
    let bare = |error: ProviderError| ProviderError {
        body: words.to_owned(),
        ..error
    };
    match error {
        ModelError::InvalidRequest(error) => ModelError::InvalidRequest(bare(error)),
        ModelError::UnknownModel { model, error } => ModelError::UnknownModel {
            model,
            error: bare(error),
        },
        ModelError::Unauthorized { error, key_name } => ModelError::Unauthorized {
            error: bare(error),
            key_name,
        },
        ModelError::RateLimited {
            error,
            retry_after_ms,
        } => ModelError::RateLimited {
            error: bare(error),
            retry_after_ms,
        },
        ModelError::QuotaExhausted(error) => ModelError::QuotaExhausted(bare(error)),
        ModelError::Unavailable {
            cause,
            may_have_billed,
        } => ModelError::Unavailable {
            cause: match cause.split_once(" - ") {
                Some((status, _)) => format!("{status} - {words}"),
                None => cause,
            },
            may_have_billed,
        },
        ModelError::Malformed(_) => ModelError::Malformed(words.to_owned()),
        other => other,
    }
}
