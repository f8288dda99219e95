//! What can go wrong with a request to the log, and what to do then.

use super::checkpoint::CheckpointError;
use super::fact::FactError;
use super::tree::TreeError;

/// Longest idempotency key in bytes.
pub const MAX_IDEMPOTENCY_KEY_BYTES: usize = 255;

/// `E` is the store's error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SequencerError<E> {
    #[error("the log's storage failed; repeat the request with the same key: {0}")]
    Store(E),
    #[error(transparent)]
    Fact(#[from] FactError),
    #[error("the idempotency key is not 1 to {MAX_IDEMPOTENCY_KEY_BYTES} visible ASCII characters")]
    IdempotencyKey,
    #[error("the idempotency key was used for another fact, at index {index}: use a new key")]
    Conflict { index: u64 },
    #[error(
        "the fact under this key, at index {index}, was erased, so a repeat cannot be compared with it: use a new key"
    )]
    ReplayOfErased { index: u64 },
    #[error("this very fact and salt are logged at index {index}: use a fresh random salt")]
    SaltReused { index: u64 },
    #[error("no such fact is logged")]
    NotFound,
    #[error("the log has {size} entries; ask for a tree size up to that, not {asked}")]
    SizeNotReached { asked: u64, size: u64 },
    #[error(
        "no checkpoint was signed of {asked} entries: rounds are signed as a whole; the next is of {next}"
    )]
    NotSigned { asked: u64, next: u64 },
    #[error("the clock reads {now_ms} ms, which is no usable time")]
    Clock { now_ms: u64 },
    #[error("entry {index} is missing in the stored log: stop writing and restore it")]
    Missing { index: u64 },
    #[error("the stored log is damaged ({what}): stop writing and restore it")]
    Damaged { what: String },
    #[error("the newest checkpoint does not open with this log key, restore the key: {0}")]
    WrongKey(CheckpointError),
    #[error(
        "the published log has {published} entries and the storage {stored}: the storage was rolled back or is another log's; restore it, and write nothing until then"
    )]
    StorageBehind { published: u64, stored: u64 },
    #[error(
        "the published checkpoint of {size} entries is not of the stored tree: one of them was altered; stop writing and compare both with a checkpoint kept elsewhere"
    )]
    PublishedDiffers { size: u64 },
    #[error("the published checkpoint cannot be read with this log key: {0}")]
    PublishedUnreadable(CheckpointError),
    #[error("{0}")]
    Tree(TreeError<E>),
}

impl<E> From<TreeError<E>> for SequencerError<E> {
    fn from(error: TreeError<E>) -> Self {
        match error {
            TreeError::Store(error) => Self::Store(error),
            other => Self::Tree(other),
        }
    }
}

impl<E> SequencerError<E> {
    pub(super) fn damaged(what: &str) -> Self {
        Self::Damaged {
            what: what.to_owned(),
        }
    }

    /// A stable word for responses and logs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Store(_) => "storage_failed",
            Self::Fact(_) => "invalid_fact",
            Self::IdempotencyKey => "invalid_idempotency_key",
            Self::Conflict { .. } | Self::ReplayOfErased { .. } => "idempotency_conflict",
            Self::SaltReused { .. } => "salt_reused",
            Self::NotFound => "not_found",
            Self::SizeNotReached { .. } => "size_not_reached",
            Self::NotSigned { .. } => "size_not_signed",
            Self::StorageBehind { .. } => "storage_behind",
            Self::PublishedDiffers { .. } | Self::PublishedUnreadable(_) => "published_differs",
            Self::Clock { .. } => "bad_clock",
            Self::WrongKey(_) => "wrong_log_key",
            Self::Missing { .. }
            | Self::Damaged { .. }
            | Self::Tree(TreeError::MissingNode { .. }) => "log_damaged",
            Self::Tree(TreeError::Full) => "log_full",
            Self::Tree(_) => "invalid_range",
        }
    }
}
