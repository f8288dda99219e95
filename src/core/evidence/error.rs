use crate::execution::ExecutionError;
use crate::ledger::LedgerError;
use crate::mcp::client::PeerError;
use crate::ports::{BucketError, EntropyError};
use crate::seal::SealError;
use crate::sql::DatabaseError;

#[derive(Debug, thiserror::Error)]
pub enum EvidenceError {
    #[error(transparent)]
    Execution(#[from] ExecutionError),
    #[error("the execution is {0}: only a completed one can be packaged")]
    NotReady(String),
    #[error("the content of this execution was erased by law: there is nothing to package")]
    Erased,
    #[error(
        "the log does not have the fact {0} that the execution names, so there is no package: tell the operator, who has to compare the log with its last known checkpoint"
    )]
    FactMissing(String),
    #[error(
        "this execution is not signed, so there is nothing to check in a legal_brief: run it at the level fortress or verified, or ask for the format pdf or json"
    )]
    NotSigned,
    #[error(
        "there is nowhere to keep package files: the operator binds an R2 bucket as EVIDENCE_FILES; the format json needs none"
    )]
    NoFiles,
    #[error(
        "what is on file of this execution does not go together: {0}. There is no package of it: have chitty_security_audit name what was altered (execution_ids, audit_level comprehensive)"
    )]
    Unsound(String),
    #[error("others record custody of this evidence at the same moment: try again")]
    Busy,
    #[error("the custody of an execution has at most 90 events, and they are all there")]
    TooManyEvents,
    #[error(
        "the log is smaller than when the last package was made: tell the operator, who has to compare it with that package's checkpoint"
    )]
    LogShrunk,
    #[error(
        "the log is not the one that witnesses or a time stamping authority have seen: tell the operator, who has to audit it (chitty_security_audit)"
    )]
    LogForked,
    #[error("there is no package file with this id, or it is not yours")]
    NoSuchFile,
    #[error("the kept file of this package is not the one that was made: tell the operator")]
    FileAltered,
    #[error("the fortress's key is being replaced at this moment: try again")]
    KeyReplaced,
    #[error("the package could not be put together: {0}")]
    Encoding(String),
    #[error(transparent)]
    Worker(#[from] PeerError),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error(transparent)]
    Files(#[from] BucketError),
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error(transparent)]
    Seal(#[from] SealError),
    #[error(transparent)]
    Entropy(#[from] EntropyError),
}

impl EvidenceError {
    pub fn code(&self) -> String {
        let code = match self {
            Self::Execution(error) => return error.code(),
            Self::Worker(error) => error.code(),
            Self::Ledger(error) => error.code(),
            Self::NotReady(_) => "EXECUTION_NOT_COMPLETED",
            Self::Erased => "CONTENT_ERASED",
            Self::FactMissing(_) => "CHAIN_FACT_MISSING",
            Self::NotSigned => "EXECUTION_NOT_SIGNED",
            Self::Unsound(_) => "EXECUTION_UNSOUND",
            Self::NoFiles => "FILES_NOT_CONFIGURED",
            Self::Busy => "CUSTODY_BUSY",
            Self::TooManyEvents => "CUSTODY_FULL",
            Self::LogShrunk => "CHAIN_SHRUNK",
            Self::LogForked => "CHAIN_FORKED",
            Self::KeyReplaced => "KEY_REPLACED",
            Self::NoSuchFile => "PACKAGE_NOT_FOUND",
            Self::FileAltered => "PACKAGE_ALTERED",
            Self::Files(_) => "FILES_UNAVAILABLE",
            Self::Database(_) => "DATABASE_UNAVAILABLE",
            Self::Encoding(_) | Self::Seal(_) | Self::Entropy(_) => "INTERNAL",
        };
        code.to_owned()
    }

    /// Whether the caller can do nothing about it.
    pub fn is_internal(&self) -> bool {
        match self {
            Self::Execution(error) => error.is_internal(),
            Self::Encoding(_)
            | Self::Seal(_)
            | Self::Entropy(_)
            | Self::Database(_)
            | Self::Files(_)
            | Self::FileAltered => true,
            _ => false,
        }
    }
}

impl From<serde_json::Error> for EvidenceError {
    fn from(error: serde_json::Error) -> Self {
        Self::Encoding(error.to_string())
    }
}
