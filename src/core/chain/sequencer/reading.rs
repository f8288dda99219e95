//! What is read of a log: facts, proofs, checkpoints and files of what is published.

use super::{FactRef, Outcome, Placed, Sequencer};
use crate::chain::error::SequencerError;
use crate::chain::hash::Hash;
use crate::chain::receipt::{ConsistencyProof, InclusionProof, Receipt, StoredContent, StoredFact};
use crate::chain::store::{EntryRow, LogStore, RoundRow};
use crate::chain::tiles::{Kind, Tile, entry_bytes, hash_bytes};
use crate::chain::tree::{self, Nodes, Working};

impl<S: LogStore> Sequencer<S> {
    /// The receipts of facts, each in the tree of its round.
    ///
    /// # Errors
    /// Storage failed or is damaged.
    pub fn receipts(&self, placed: &[Placed]) -> Outcome<Vec<Receipt>, S> {
        let nodes = Working::on(&self.store);
        // The round last looked up, and the first index it was looked up for.
        let mut looked_up: Option<(u64, RoundRow)> = None;
        let mut receipts = Vec::with_capacity(placed.len());
        for place in placed {
            let index = place.index;
            let round = match looked_up.take() {
                Some((first, round)) if (first..round.size).contains(&index) => (first, round),
                _ => (index, self.round(index + 1)?),
            };
            receipts.push(receipt(&nodes, place, &round.1)?);
            looked_up = Some(round);
        }
        Ok(receipts)
    }

    /// The bytes of a file of the published log.
    ///
    /// # Errors
    /// Storage failed or is damaged.
    pub fn tile(&self, tile: Tile) -> Outcome<Vec<u8>, S> {
        let (from, to) = tile.range();
        let (bytes, found) = match tile.kind {
            Kind::Entries => {
                let entries = self.store.log_entries(from, to);
                let entries = entries.map_err(SequencerError::Store)?;
                (entry_bytes(&entries), entries.len())
            }
            Kind::Hashes(_) => {
                let hashes = self.store.level(tile.tree_level(), from, to);
                let hashes = hashes.map_err(SequencerError::Store)?;
                (hash_bytes(&hashes), hashes.len())
            }
        };
        if found as u64 != tile.width {
            let what = format!("{tile} has {found} of {} parts", tile.width);
            return Err(SequencerError::Damaged { what });
        }
        Ok(bytes)
    }

    /// The newest signed checkpoint; of the empty tree if nothing is logged.
    ///
    /// # Errors
    /// Storage failed or is damaged.
    pub fn checkpoint(&self) -> Outcome<String, S> {
        self.checkpoint_at(self.published)
    }

    /// The signed checkpoint of the tree of `size` leaves.
    ///
    /// # Errors
    /// The log has not reached that size, no round ended with it, or storage failed.
    pub fn checkpoint_at(&self, size: u64) -> Outcome<String, S> {
        self.check_reached(size)?;
        if size == 0 {
            return self.sign_head(0, Hash::empty_root());
        }
        let round = self.round(size)?;
        if round.size != size {
            return Err(SequencerError::NotSigned {
                asked: size,
                next: round.size,
            });
        }
        Ok(round.checkpoint)
    }

    /// Proves a fact's place in the tree of `size` leaves (default: newest).
    ///
    /// # Errors
    /// Not logged, not within `size`, the size not reached, or storage failed.
    pub fn prove_inclusion(&self, fact: FactRef, size: Option<u64>) -> Outcome<InclusionProof, S> {
        let row = self.find(fact)?;
        let tree_size = size.unwrap_or(self.published);
        let checkpoint = self.checkpoint_at(tree_size)?;
        Ok(InclusionProof {
            leaf_index: row.index,
            tree_size,
            entry: row.entry(),
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
    /// Not logged, missing, or storage failed.
    pub fn fact(&self, fact: FactRef) -> Outcome<StoredFact, S> {
        self.find(fact).map(stored)
    }

    /// Published facts whose idempotency keys begin with `prefix`, with their keys, oldest first;
    /// of the first `limit`.
    ///
    /// # Errors
    /// Storage failed.
    pub fn keyed(&self, prefix: &str, limit: u64) -> Outcome<Vec<(String, StoredFact)>, S> {
        let found = self.store.entries_by_prefix(prefix, limit);
        let rows = found.map_err(SequencerError::Store)?.into_iter();
        let published = rows.filter(|row| row.index < self.published);
        Ok(published
            .map(|row| (row.idempotency_key.clone(), stored(row)))
            .collect())
    }

    pub(super) fn find(&self, fact: FactRef) -> Outcome<EntryRow, S> {
        let index = match fact {
            FactRef::FactId(id) => self
                .store
                .index_by_fact(&id)
                .map_err(SequencerError::Store)?,
            FactRef::Index(index) => Some(index),
        };
        let published = index.filter(|index| *index < self.published);
        let row = self.row(published.ok_or(SequencerError::NotFound)?)?;
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
        row.filter(|row| row.index == index)
            .ok_or(SequencerError::Missing { index })
    }

    /// The round that holds the last of `size` entries.
    pub(super) fn round(&self, size: u64) -> Outcome<RoundRow, S> {
        let round = self.store.round_from(size).map_err(SequencerError::Store)?;
        round.ok_or_else(|| {
            SequencerError::damaged(&format!("the round of entry {size} is missing"))
        })
    }

    fn check_reached(&self, asked: u64) -> Outcome<(), S> {
        let size = self.published;
        if asked > size {
            return Err(SequencerError::SizeNotReached { asked, size });
        }
        Ok(())
    }
}

fn receipt<N: Nodes>(
    nodes: &N,
    place: &Placed,
    round: &RoundRow,
) -> Result<Receipt, SequencerError<N::Error>> {
    Ok(Receipt {
        fact_id: place.entry.fact_id,
        leaf_index: place.index,
        tree_size: round.size,
        leaf_hash: place.entry.leaf_hash(),
        logged_at_ms: place.entry.logged_at_ms,
        inclusion_proof: tree::inclusion_proof(nodes, place.index, round.size)?,
        checkpoint: round.checkpoint.clone(),
        replayed: place.replayed,
    })
}

fn stored(row: EntryRow) -> StoredFact {
    StoredFact {
        fact_id: row.fact_id,
        leaf_index: row.index,
        logged_at_ms: row.logged_at_ms,
        content: StoredContent::of(&row.fact_id, row.content),
    }
}
