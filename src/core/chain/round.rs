//! A round while it is put together; nothing of it is stored yet.

use std::collections::BTreeMap;

use super::error::SequencerError;
use super::fact::LogEntry;
use super::hash::Hash;
use super::sequencer::{Outcome, Placed};
use super::store::{Commit, EntryRow, LogStore, RoundRow};
use super::tree::{self, NewNode, Working};

pub(super) struct Round<'a, S> {
    nodes: Working<'a, S>,
    new: Vec<NewNode>,
    entries: Vec<EntryRow>,
    /// Positions in `entries`.
    by_key: BTreeMap<String, usize>,
    by_fact: BTreeMap<Hash, u64>,
    next: u64,
    logged_at_ms: u64,
}

impl<'a, S: LogStore> Round<'a, S> {
    /// A round on top of `size` entries. All of it is logged at the same time.
    pub fn new(store: &'a S, size: u64, logged_at_ms: u64) -> Self {
        Self {
            nodes: Working::on(store),
            new: Vec::new(),
            entries: Vec::new(),
            by_key: BTreeMap::new(),
            by_fact: BTreeMap::new(),
            next: size,
            logged_at_ms,
        }
    }

    pub fn by_key(&self, key: &str) -> Option<&EntryRow> {
        self.entries.get(*self.by_key.get(key)?)
    }

    pub fn by_fact(&self, fact_id: &Hash) -> Option<u64> {
        self.by_fact.get(fact_id).copied()
    }

    pub fn push(&mut self, fact_id: Hash, key: String, content: String) -> Outcome<Placed, S> {
        let index = self.next;
        let entry = LogEntry {
            fact_id,
            logged_at_ms: self.logged_at_ms,
        };
        let nodes = tree::append(&self.nodes, index, entry.leaf_hash())?;
        self.nodes.lay(&nodes);
        self.new.extend(nodes);
        self.by_key.insert(key.clone(), self.entries.len());
        self.by_fact.insert(fact_id, index);
        self.entries.push(EntryRow {
            index,
            fact_id,
            idempotency_key: key,
            logged_at_ms: entry.logged_at_ms,
            content: Some(content),
        });
        self.next += 1;
        Ok(Placed {
            index,
            entry,
            replayed: false,
        })
    }

    /// Size and root of the tree with this round. `None` if nothing is new.
    pub fn head(&self) -> Outcome<Option<(u64, Hash)>, S> {
        if self.entries.is_empty() {
            return Ok(None);
        }
        let root = tree::root(&self.nodes, self.next).map_err(SequencerError::from)?;
        Ok(Some((self.next, root)))
    }

    pub fn into_commit(self, round: RoundRow) -> Commit {
        Commit {
            nodes: self.new,
            entries: self.entries,
            round,
        }
    }
}
