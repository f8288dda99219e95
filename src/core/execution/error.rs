use crate::ledger::LedgerError;
use crate::mcp::client::PeerError;
use crate::ports::EntropyError;
use crate::seal::SealError;
use crate::sql::DatabaseError;

#[derive(Debug, thiserror::Error)]
pub enum ExecutionError {
    #[error("{}", told(.0))]
    Worker(#[from] PeerError),
    /// The signature, or what it covers, does not hold.
    #[error("the fortress's signature does not hold: {0}")]
    Signature(String),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error("there is no execution with this id, or it is not yours")]
    NotFound,
    #[error(
        "the content of what is compared was erased by law meanwhile: there is nothing to compare"
    )]
    Erased,
    #[error("the execution took too long and was ended before its results were in: run it again")]
    Interrupted,
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error(transparent)]
    Seal(#[from] SealError),
    #[error(transparent)]
    Entropy(#[from] EntropyError),
}

impl ExecutionError {
    pub fn code(&self) -> String {
        match self {
            Self::Worker(error) => error.code().to_owned(),
            Self::Signature(_) => "SIGNATURE_INVALID".to_owned(),
            Self::Ledger(error) => error.code().to_owned(),
            Self::NotFound => "EXECUTION_NOT_FOUND".to_owned(),
            Self::Erased => "CONTENT_ERASED".to_owned(),
            Self::Interrupted => "EXECUTION_INTERRUPTED".to_owned(),
            Self::Database(_) => "DATABASE_UNAVAILABLE".to_owned(),
            Self::Seal(_) | Self::Entropy(_) => "INTERNAL".to_owned(),
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

/// A worker that did not answer in time may still do so, and its model's provider charge it.
fn told(error: &PeerError) -> String {
    match error {
        PeerError::Unreachable { .. } => {
            format!("{error}. Its model may have answered, and be billed, all the same")
        }
        _ => error.to_string(),
    }
}

/// An execution that failed after it was on file.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct Failed {
    pub execution_id: Option<String>,
    #[source]
    pub error: ExecutionError,
}

impl<E: Into<ExecutionError>> From<E> for Failed {
    fn from(error: E) -> Self {
        Self {
            execution_id: None,
            error: error.into(),
        }
    }
}
