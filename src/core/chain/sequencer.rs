//! The one writer of a log: gives each fact its index, exactly once.
//!
//! **Rounds.** Facts that arrive together are one round: their entries, the tree's new nodes and
//! one signed checkpoint, committed in one transaction. Before it nothing happened, after it
//! everything did. A reply lost, or an error after the commit, is healed by repeating the append
//! with the same key: the same receipt comes back. No checkpoint leaves before its round is
//! stored, so no two heads of one size are ever published.
//!
//! **Published.** What is committed is shown only once the files of [`super::tiles`] are out.
//! Until then nobody has seen the round; they follow from what is stored, so they can be made
//! again at any time. All that is read ([`reading`]) is of the published log.

mod reading;

use serde::{Deserialize, Serialize};

use super::checkpoint::Checkpoint;
use super::error::{MAX_IDEMPOTENCY_KEY_BYTES, SequencerError};
use super::fact::{Fact, LogEntry, MAX_TIMESTAMP_MS, Salt, SaltedFact, fact_id};
use super::hash::Hash;
use super::keys::SignerKey;
use super::receipt::{StoredContent, StoredFact};
use super::round::Round;
use super::store::{EntryRow, LogStore, RoundRow};
use super::tree::{self, Nodes};
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

/// Where a fact is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placed {
    pub index: u64,
    pub entry: LogEntry,
    /// It had been logged before.
    pub replayed: bool,
}

/// Leaves whose files go out before a head of theirs does; less where much of the log is tried on
/// little.
const PUBLISHED_AT_ONCE: u64 = if cfg!(test) { 512 } else { 25_600 };

pub(super) type Outcome<T, S> = Result<T, SequencerError<<S as Nodes>::Error>>;

/// A log open for appending. The origin is the key's name.
#[derive(Debug)]
pub struct Sequencer<S> {
    store: S,
    key: SignerKey,
    /// Leaves of the published tree.
    published: u64,
}

impl<S: LogStore> Sequencer<S> {
    /// Opens a log. Its newest checkpoint must be signed by `key` and match the stored tree, and
    /// so must `published`, the published checkpoint.
    ///
    /// # Errors
    /// Storage failed, another key signed, tree and checkpoint differ, or the storage is behind
    /// what was published.
    pub fn open(store: S, key: SignerKey, published: Option<&str>) -> Outcome<Self, S> {
        let mut log = Self {
            store,
            key,
            published: 0,
        };
        let size = log.committed()?;
        if size > 0 {
            let checkpoint = log.round(size)?.checkpoint;
            let checkpoint = Checkpoint::open(&checkpoint, log.key.verifier())
                .map_err(SequencerError::WrongKey)?;
            let root = tree::root(&log.store, size)?;
            if (checkpoint.size, checkpoint.root) != (size, root) {
                return Err(SequencerError::damaged(
                    "the newest checkpoint is not of the stored tree",
                ));
            }
        }
        if let Some(published) = published {
            log.published = log.check_published(published, size)?;
        }
        Ok(log)
    }

    fn check_published(&self, checkpoint: &str, stored: u64) -> Outcome<u64, S> {
        let head = Checkpoint::open(checkpoint, self.key.verifier())
            .map_err(SequencerError::PublishedUnreadable)?;
        let size = head.size;
        if size > stored {
            let published = size;
            return Err(SequencerError::StorageBehind { published, stored });
        }
        if tree::root(&self.store, size)? != head.root {
            return Err(SequencerError::PublishedDiffers { size });
        }
        Ok(size)
    }

    #[must_use]
    pub const fn store(&self) -> &S {
        &self.store
    }

    pub const fn store_mut(&mut self) -> &mut S {
        &mut self.store
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

    /// Leaves of the published tree.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.published
    }

    /// Leaves that are stored.
    pub fn committed(&self) -> Outcome<u64, S> {
        self.store.size().map_err(SequencerError::Store)
    }

    /// Logs facts as one round, or finds them logged under the same key; each comes with fresh
    /// randomness, used only if it is new. The logged time is `now_ms`, or the previous entry's
    /// if the clock went back. An outcome for each: invalid input, or a key used for another fact.
    ///
    /// # Errors
    /// Storage failed: any of the new facts may be logged or not, repeat with the same keys.
    pub fn add(
        &mut self,
        asked: &[(&AppendRequest, Salt)],
        now_ms: u64,
    ) -> Outcome<Vec<Outcome<Placed, S>>, S> {
        if now_ms > MAX_TIMESTAMP_MS {
            return Err(SequencerError::Clock { now_ms });
        }
        let size = self.committed()?;
        let before = size.checked_sub(1).map(|last| self.row(last)).transpose()?;
        let not_before_ms = before.map_or(0, |row| row.logged_at_ms);
        let mut round = Round::new(&self.store, size, now_ms.max(not_before_ms));
        let mut outcomes = Vec::with_capacity(asked.len());
        for (request, salt) in asked {
            match self.place(&mut round, request, *salt) {
                Err(error @ (SequencerError::Store(_) | SequencerError::Tree(_))) => {
                    return Err(error);
                }
                outcome => outcomes.push(outcome),
            }
        }
        if let Some((size, root)) = round.head()? {
            let checkpoint = self.sign_head(size, root)?;
            let commit = round.into_commit(RoundRow { size, checkpoint });
            self.store.commit(&commit).map_err(SequencerError::Store)?;
        }
        Ok(outcomes)
    }

    fn place(
        &self,
        round: &mut Round<'_, S>,
        request: &AppendRequest,
        salt: Salt,
    ) -> Outcome<Placed, S> {
        check_idempotency_key(&request.idempotency_key)?;
        request.fact.validate()?;
        if let Some(row) = round.by_key(&request.idempotency_key) {
            return replay(row, request);
        }
        let known = self.store.index_by_key(&request.idempotency_key);
        if let Some(index) = known.map_err(SequencerError::Store)? {
            return replay(&self.row(index)?, request);
        }
        let fact = request.fact.clone();
        let content = SaltedFact { fact, salt }.canonical()?;
        let fact_id = fact_id(&content);
        let twin = self.store.index_by_fact(&fact_id);
        if let Some(index) = twin
            .map_err(SequencerError::Store)?
            .or(round.by_fact(&fact_id))
        {
            return Err(SequencerError::SaltReused { index });
        }
        round.push(fact_id, request.idempotency_key.clone(), content)
    }

    /// What is committed and not published: the published size, and the round to publish next, of
    /// several the last that one run of an object can publish.
    ///
    /// # Errors
    /// Storage failed or is damaged.
    pub fn unpublished(&self) -> Outcome<Option<(u64, RoundRow)>, S> {
        let size = self.committed()?;
        if size == self.published {
            return Ok(None);
        }
        let next = self.published.saturating_add(PUBLISHED_AT_ONCE).min(size);
        Ok(Some((self.published, self.round(next)?)))
    }

    /// Notes that the tree of `size` leaves is published.
    pub fn note_published(&mut self, size: u64) {
        self.published = self.published.max(size);
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

    fn sign_head(&self, size: u64, root: Hash) -> Outcome<String, S> {
        let origin = self.key.name().to_owned();
        let head = Checkpoint { origin, size, root };
        head.sign(&self.key).map_err(SequencerError::WrongKey)
    }
}

/// The same fact under the same key: where it is.
fn replay<E>(row: &EntryRow, request: &AppendRequest) -> Result<Placed, SequencerError<E>> {
    let index = row.index;
    if row.idempotency_key != request.idempotency_key {
        return Err(SequencerError::damaged("a look-up by idempotency key"));
    }
    let Some(content) = &row.content else {
        return Err(SequencerError::ReplayOfErased { index });
    };
    match StoredContent::of(&row.fact_id, Some(content.clone())).fact() {
        Some(fact) if *fact == request.fact => Ok(Placed {
            index,
            entry: row.entry(),
            replayed: true,
        }),
        Some(_) => Err(SequencerError::Conflict { index }),
        None => Err(SequencerError::damaged(&format!(
            "content of entry {index} is altered"
        ))),
    }
}

fn check_idempotency_key<E>(key: &str) -> Result<(), SequencerError<E>> {
    if !is_word(key, MAX_IDEMPOTENCY_KEY_BYTES) {
        return Err(SequencerError::IdempotencyKey);
    }
    Ok(())
}
