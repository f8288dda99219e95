//! The one writer of a log: gives each fact its index, exactly once.
//!
//! **Commit protocol.** An append writes the new tree nodes, then one entry
//! row that also carries the signed checkpoint. The row is the commit record:
//! before it nothing happened, after it everything did. A write that stops
//! half-way leaves nodes beyond the log's size, which are never read and are
//! replaced by the next append. A reply lost, or an error after the row was
//! written, is healed by repeating the append with the same key: the same
//! receipt comes back. No checkpoint leaves the sequencer before its row is
//! stored, so it never publishes two heads of one size.

use serde::{Deserialize, Serialize};

use super::checkpoint::Checkpoint;
use super::error::{MAX_IDEMPOTENCY_KEY_BYTES, SequencerError};
use super::fact::{Fact, LogEntry, MAX_TIMESTAMP_MS, Salt, SaltedFact, fact_id};
use super::hash::Hash;
use super::keys::SignerKey;
use super::receipt::{ConsistencyProof, InclusionProof, Receipt, StoredContent, StoredFact};
use super::store::{Commit, EntryRow, LogStore};
use super::tree::{self, Nodes, Overlay};
use crate::validation::is_word;

/// A fact to log. One key means one fact, for ever; callers scope their keys
/// (e.g. by execution id) and put no personal data into them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AppendRequest {
    pub idempotency_key: String,
    pub fact: Fact,
}

/// Names a logged fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FactRef {
    FactId(Hash),
    Index(u64),
}

type Outcome<T, S> = Result<T, SequencerError<<S as Nodes>::Error>>;

/// A log open for appending. The origin is the key's name.
#[derive(Debug)]
pub struct Sequencer<S> {
    store: S,
    key: SignerKey,
}

impl<S: LogStore> Sequencer<S> {
    /// Opens a log and checks its head: the newest checkpoint must be signed
    /// by `key` and match the stored tree.
    ///
    /// # Errors
    /// Storage failed, another key signed, or tree and checkpoint differ.
    pub fn open(store: S, key: SignerKey) -> Outcome<Self, S> {
        let log = Self { store, key };
        if let Some(last) = log.last()? {
            let checkpoint = Checkpoint::open(&last.checkpoint, log.key.verifier())
                .map_err(SequencerError::WrongKey)?;
            let size = last.index + 1;
            let root = tree::root(&log.store, size)?;
            if (checkpoint.size, checkpoint.root) != (size, root) {
                return Err(SequencerError::damaged(
                    "the newest checkpoint is not of the stored tree",
                ));
            }
        }
        Ok(log)
    }

    #[must_use]
    pub const fn store(&self) -> &S {
        &self.store
    }

    #[must_use]
    pub const fn key(&self) -> &SignerKey {
        &self.key
    }

    /// Gives the storage back, to open it again.
    #[cfg(test)]
    pub(crate) fn into_store(self) -> S {
        self.store
    }

    /// # Errors
    /// Storage failed.
    pub fn size(&self) -> Outcome<u64, S> {
        self.store.size().map_err(SequencerError::Store)
    }

    /// Logs a fact, or finds it logged under the same key. `salt` is fresh
    /// randomness, used only when the fact is new. The logged time is
    /// `now_ms`, or the previous entry's if the clock went back.
    ///
    /// # Errors
    /// Invalid input, a key used for another fact, or storage failed (then
    /// the fact may be logged or not: repeat with the same key).
    pub fn append(
        &mut self,
        request: &AppendRequest,
        now_ms: u64,
        salt: &Salt,
    ) -> Outcome<Receipt, S> {
        check_idempotency_key(&request.idempotency_key)?;
        request.fact.validate()?;
        let known = self.store.index_by_key(&request.idempotency_key);
        if let Some(index) = known.map_err(SequencerError::Store)? {
            return self.replay(index, request);
        }
        let (commit, receipt) = self.prepare(request, now_ms, salt)?;
        self.store.commit(&commit).map_err(SequencerError::Store)?;
        Ok(receipt)
    }

    fn replay(&self, index: u64, request: &AppendRequest) -> Outcome<Receipt, S> {
        let row = self.row(index)?;
        if row.idempotency_key != request.idempotency_key {
            return Err(SequencerError::damaged("a look-up by idempotency key"));
        }
        let Some(content) = &row.content else {
            return Err(SequencerError::ReplayOfErased { index });
        };
        if parse_content(&row, content)?.fact != request.fact {
            return Err(SequencerError::Conflict { index });
        }
        self.receipt_of(&row)
    }

    /// All that an append will write and answer; nothing is written here.
    fn prepare(
        &self,
        request: &AppendRequest,
        now_ms: u64,
        salt: &Salt,
    ) -> Outcome<(Commit, Receipt), S> {
        if now_ms > MAX_TIMESTAMP_MS {
            return Err(SequencerError::Clock { now_ms });
        }
        let content = SaltedFact {
            fact: request.fact.clone(),
            salt: *salt,
        }
        .canonical()?;
        let fact_id = fact_id(&content);
        let twin = self.store.index_by_fact(&fact_id);
        if let Some(index) = twin.map_err(SequencerError::Store)? {
            return Err(SequencerError::SaltReused { index });
        }
        let last = self.last()?;
        let index = last.as_ref().map_or(0, |row| row.index + 1);
        let logged_at_ms = last.map_or(now_ms, |row| row.logged_at_ms.max(now_ms));
        let entry = LogEntry {
            fact_id,
            logged_at_ms,
        };
        let nodes = tree::append(&self.store, index, entry.leaf_hash())?;
        let tree_size = index + 1;
        let after = Overlay {
            stored: &self.store,
            new: &nodes,
        };
        let checkpoint = self.sign_head(tree_size, tree::root(&after, tree_size)?)?;
        let row = EntryRow {
            index,
            fact_id,
            idempotency_key: request.idempotency_key.clone(),
            logged_at_ms,
            content: Some(content),
            checkpoint,
        };
        let receipt = receipt(
            &row,
            tree::inclusion_proof(&after, index, tree_size)?,
            false,
        );
        Ok((Commit { nodes, entry: row }, receipt))
    }

    /// The newest signed checkpoint; of the empty tree if nothing is logged.
    ///
    /// # Errors
    /// Storage failed or is damaged.
    pub fn checkpoint(&self) -> Outcome<String, S> {
        self.checkpoint_at(self.size()?)
    }

    /// The signed checkpoint of the tree of `size` leaves.
    ///
    /// # Errors
    /// The log has not reached that size, or storage failed.
    pub fn checkpoint_at(&self, size: u64) -> Outcome<String, S> {
        self.check_reached(size)?;
        match size.checked_sub(1) {
            Some(index) => Ok(self.row(index)?.checkpoint),
            None => self.sign_head(0, Hash::empty_root()),
        }
    }

    /// Proves a fact's place in the tree of `size` leaves (default: newest).
    ///
    /// # Errors
    /// Not logged, not within `size`, the size not reached, or storage failed.
    pub fn prove_inclusion(&self, fact: FactRef, size: Option<u64>) -> Outcome<InclusionProof, S> {
        let row = self.find(fact)?;
        let tree_size = match size {
            Some(size) => size,
            None => self.size()?,
        };
        let checkpoint = self.checkpoint_at(tree_size)?;
        Ok(InclusionProof {
            leaf_index: row.index,
            tree_size,
            leaf_hash: row.entry().leaf_hash(),
            proof: tree::inclusion_proof(&self.store, row.index, tree_size)?,
            checkpoint,
        })
    }

    /// Proves that the log only grew from `first` to `second` leaves.
    ///
    /// # Errors
    /// Sizes out of order or not reached, or storage failed.
    pub fn prove_consistency(&self, first: u64, second: u64) -> Outcome<ConsistencyProof, S> {
        self.check_reached(second)?;
        let proof = tree::consistency_proof(&self.store, first, second)?;
        Ok(ConsistencyProof {
            first,
            second,
            proof,
            first_checkpoint: self.checkpoint_at(first)?,
            second_checkpoint: self.checkpoint_at(second)?,
        })
    }

    /// The fact as stored, its content checked against the fact id.
    ///
    /// # Errors
    /// Not logged, damaged, or storage failed.
    pub fn fact(&self, fact: FactRef) -> Outcome<StoredFact, S> {
        let row = self.find(fact)?;
        let content = match &row.content {
            Some(canonical) => StoredContent::Present {
                fact: parse_content(&row, canonical)?.fact,
                canonical: canonical.clone(),
            },
            None => StoredContent::Erased,
        };
        Ok(StoredFact {
            fact_id: row.fact_id,
            leaf_index: row.index,
            logged_at_ms: row.logged_at_ms,
            content,
        })
    }

    /// Deletes a fact's content and salt; every proof still holds. Repeating
    /// it does no harm.
    ///
    /// # Errors
    /// Not logged, or storage failed.
    pub fn erase(&mut self, fact: FactRef) -> Outcome<StoredFact, S> {
        let index = self.find(fact)?.index;
        let erased = self.store.erase_content(index);
        erased.map_err(SequencerError::Store)?;
        self.fact(FactRef::Index(index))
    }

    fn find(&self, fact: FactRef) -> Outcome<EntryRow, S> {
        let index = match fact {
            FactRef::FactId(id) => self.store.index_by_fact(&id),
            FactRef::Index(index) => self
                .store
                .size()
                .map(|size| (index < size).then_some(index)),
        };
        let index = index.map_err(SequencerError::Store)?;
        let row = self.row(index.ok_or(SequencerError::NotFound)?)?;
        match fact {
            FactRef::FactId(id) if row.fact_id != id => {
                Err(SequencerError::damaged("a look-up by fact id"))
            }
            _ => Ok(row),
        }
    }

    /// A row that must be there.
    pub(super) fn row(&self, index: u64) -> Outcome<EntryRow, S> {
        let row = self.store.entry(index).map_err(SequencerError::Store)?;
        match row {
            Some(row) if row.index == index => Ok(row),
            _ => Err(SequencerError::damaged(&format!(
                "entry {index} is missing"
            ))),
        }
    }

    fn last(&self) -> Outcome<Option<EntryRow>, S> {
        self.size()?
            .checked_sub(1)
            .map(|index| self.row(index))
            .transpose()
    }

    fn receipt_of(&self, row: &EntryRow) -> Outcome<Receipt, S> {
        let proof = tree::inclusion_proof(&self.store, row.index, row.index + 1)?;
        Ok(receipt(row, proof, true))
    }

    fn check_reached(&self, asked: u64) -> Outcome<(), S> {
        let size = self.size()?;
        if asked > size {
            return Err(SequencerError::SizeNotReached { asked, size });
        }
        Ok(())
    }

    fn sign_head(&self, size: u64, root: Hash) -> Outcome<String, S> {
        let origin = self.key.name().to_owned();
        let head = Checkpoint { origin, size, root };
        head.sign(&self.key).map_err(SequencerError::WrongKey)
    }
}

fn receipt(row: &EntryRow, inclusion_proof: Vec<Hash>, replayed: bool) -> Receipt {
    Receipt {
        fact_id: row.fact_id,
        leaf_index: row.index,
        tree_size: row.index + 1,
        leaf_hash: row.entry().leaf_hash(),
        logged_at_ms: row.logged_at_ms,
        inclusion_proof,
        checkpoint: row.checkpoint.clone(),
        replayed,
    }
}

fn parse_content<E>(row: &EntryRow, content: &str) -> Result<SaltedFact, SequencerError<E>> {
    let parsed = SaltedFact::parse(content).ok();
    parsed
        .filter(|_| fact_id(content) == row.fact_id)
        .ok_or_else(|| {
            SequencerError::damaged(&format!("content of entry {} is altered", row.index))
        })
}

fn check_idempotency_key<E>(key: &str) -> Result<(), SequencerError<E>> {
    if !is_word(key, MAX_IDEMPOTENCY_KEY_BYTES) {
        return Err(SequencerError::IdempotencyKey);
    }
    Ok(())
}
