use crate::ledger::LedgerError;
use crate::ports::BucketError;
use crate::sql::DatabaseError;

/// Why an audit stopped. What it found so far is kept, and it goes on from there.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error(transparent)]
    Files(#[from] BucketError),
    /// Whoever serves the log's files.
    #[error("the published log could not be read: {0}")]
    Published(String),
    /// The peer that checks signatures.
    #[error("signatures could not be checked: {0}")]
    Signatures(String),
    /// Somebody else wrote it, or changed it.
    #[error("what is on file of the audit is not what this service left: {0}")]
    Altered(String),
    #[error("no seal could be made: {0}")]
    Seal(crate::seal::SealError),
    #[error("the audit's own record cannot be read: {0}")]
    Progress(#[from] serde_json::Error),
}
