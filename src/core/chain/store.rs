//! What the sequencer asks of storage.

use serde::{Deserialize, Serialize};

use super::fact::LogEntry;
use super::hash::Hash;
use super::tree::{NewNode, Nodes};

/// One committed entry. The row is the commit record: the log's size is the
/// number of these rows, whatever else is stored.
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
    /// Signed checkpoint of the tree of `index + 1` leaves.
    pub checkpoint: String,
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

/// Everything one append writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    pub nodes: Vec<NewNode>,
    pub entry: EntryRow,
}

/// Storage of one log, used by one sequencer at a time. All calls are
/// synchronous, so no other request comes between a read and its commit.
pub trait LogStore: Nodes {
    /// Number of entry rows. They are dense, so highest index + 1 will do.
    ///
    /// # Errors
    /// The store's own.
    fn size(&self) -> Result<u64, Self::Error>;

    /// # Errors
    /// The store's own.
    fn entry(&self, index: u64) -> Result<Option<EntryRow>, Self::Error>;

    /// # Errors
    /// The store's own.
    fn index_by_key(&self, idempotency_key: &str) -> Result<Option<u64>, Self::Error>;

    /// # Errors
    /// The store's own.
    fn index_by_fact(&self, fact_id: &Hash) -> Result<Option<u64>, Self::Error>;

    /// Writes all nodes (replacing stale ones at the same place), then the
    /// entry row (a plain insert), stopping at the first failure. A single
    /// transaction is good but not needed: nodes without their entry row are
    /// never read, and the next append at that index replaces them all.
    ///
    /// An error may mean "written all the same"; the caller repeats the append
    /// with the same key to find out.
    ///
    /// # Errors
    /// The store's own.
    fn commit(&mut self, commit: &Commit) -> Result<(), Self::Error>;

    /// Sets the content of one row to `None` for good.
    ///
    /// # Errors
    /// The store's own.
    fn erase_content(&mut self, index: u64) -> Result<(), Self::Error>;
}
