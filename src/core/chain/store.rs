//! What the sequencer asks of storage.

use serde::{Deserialize, Serialize};

use super::fact::LogEntry;
use super::hash::Hash;
use super::tree::{NewNode, Nodes};

/// One committed entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryRow {
    /// Position, dense from 0. Unique.
    pub index: u64,
    /// Unique.
    pub fact_id: Hash,
    /// Unique. Kept for ever, so it must hold no personal data.
    pub idempotency_key: String,
    /// Milliseconds since 1970.
    pub logged_at_ms: u64,
    /// Canonical bytes of the fact; `None` once erased.
    pub content: Option<String>,
}

impl EntryRow {
    #[must_use]
    pub const fn entry(&self) -> LogEntry {
        LogEntry {
            fact_id: self.fact_id,
            logged_at_ms: self.logged_at_ms,
        }
    }
}

/// The signed head of one round: of the tree of `size` leaves, the round's last included. The
/// log's size is that of the newest round, whatever else is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoundRow {
    /// Unique, growing.
    pub size: u64,
    /// Signed note (C2SP tlog-checkpoint).
    pub checkpoint: String,
}

/// Everything one round writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    pub nodes: Vec<NewNode>,
    /// In order of their index, not empty.
    pub entries: Vec<EntryRow>,
    pub round: RoundRow,
}

/// The log's storage. A single writer owns it; the functions are synchronous, as is a Durable
/// Object's SQLite.
pub trait LogStore: Nodes {
    /// Size of the newest round, 0 without one.
    ///
    /// # Errors
    /// The store's own, here and below.
    fn size(&self) -> Result<u64, Self::Error>;

    /// The oldest round of at least `size` leaves: the one that holds entry `size - 1`.
    fn round_from(&self, size: u64) -> Result<Option<RoundRow>, Self::Error>;

    fn entry(&self, index: u64) -> Result<Option<EntryRow>, Self::Error>;

    /// What is logged at `from..to`, in order; shorter where something is missing.
    fn log_entries(&self, from: u64, to: u64) -> Result<Vec<LogEntry>, Self::Error>;

    /// The nodes `from..to` of a level, in order; shorter where one is missing.
    fn level(&self, level: u8, from: u64, to: u64) -> Result<Vec<Hash>, Self::Error>;

    fn index_by_key(&self, idempotency_key: &str) -> Result<Option<u64>, Self::Error>;

    /// Entries whose idempotency keys begin with `prefix`, oldest first, at most `limit`.
    fn entries_by_prefix(&self, prefix: &str, limit: u64) -> Result<Vec<EntryRow>, Self::Error>;

    fn index_by_fact(&self, fact_id: &Hash) -> Result<Option<u64>, Self::Error>;

    /// Writes all of it in one transaction: plain inserts.
    ///
    /// An error may mean "written all the same"; the caller repeats the append
    /// with the same key to find out.
    fn commit(&mut self, commit: &Commit) -> Result<(), Self::Error>;

    /// Sets the content of one row to `None` for good.
    fn erase_content(&mut self, index: u64) -> Result<(), Self::Error>;

    /// Entries below `size` whose rows for queries are due, oldest first.
    fn due_rows(&self, size: u64, limit: u64) -> Result<Vec<EntryRow>, Self::Error>;

    /// Notes that the rows of all entries up to `index` are written.
    fn rows_written(&mut self, index: u64) -> Result<(), Self::Error>;
}
