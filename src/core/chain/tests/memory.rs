//! Storage in memory that can fail at any single operation.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;

use super::super::fact::LogEntry;
use super::super::hash::Hash;
use super::super::store::{Commit, EntryRow, LogStore, RoundRow};
use super::super::tree::{NewNode, Nodes};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failed;

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("storage failed")
    }
}

/// The operation counted down to 0 fails, done or not.
#[derive(Debug, Clone, Copy)]
pub struct Fault {
    pub after_operations: u32,
    pub but_persists: bool,
}

#[derive(Debug, Default)]
pub struct MemoryStore {
    pub entries: BTreeMap<u64, EntryRow>,
    pub nodes: BTreeMap<(u8, u64), Hash>,
    /// Checkpoints by size.
    pub rounds: BTreeMap<u64, String>,
    /// Entries whose rows for queries are written.
    pub rows: u64,
    fault: Cell<Option<Fault>>,
}

enum Step {
    Do,
    DoButFail,
    Fail,
}

impl MemoryStore {
    pub fn set_fault(&self, fault: Option<Fault>) {
        self.fault.set(fault);
    }

    /// Whether the fault is still to come.
    pub fn fault_pending(&self) -> bool {
        self.fault.get().is_some()
    }

    fn step(&self) -> Step {
        let Some(fault) = self.fault.take() else {
            return Step::Do;
        };
        match fault.after_operations.checked_sub(1) {
            Some(after_operations) => {
                self.fault.set(Some(Fault {
                    after_operations,
                    ..fault
                }));
                Step::Do
            }
            None if fault.but_persists => Step::DoButFail,
            None => Step::Fail,
        }
    }

    fn read<T>(&self, value: T) -> Result<T, Failed> {
        match self.step() {
            Step::Do => Ok(value),
            _ => Err(Failed),
        }
    }

    fn write(&mut self, write: impl FnOnce(&mut Self)) -> Result<(), Failed> {
        match self.step() {
            Step::Do => {
                write(self);
                Ok(())
            }
            Step::DoButFail => {
                write(self);
                Err(Failed)
            }
            Step::Fail => Err(Failed),
        }
    }

    fn find(&self, matches: impl Fn(&EntryRow) -> bool) -> Option<u64> {
        self.entries
            .iter()
            .find(|(_, row)| matches(row))
            .map(|(index, _)| *index)
    }
}

impl Nodes for MemoryStore {
    type Error = Failed;

    fn get(&self, level: u8, index: u64) -> Result<Option<Hash>, Failed> {
        self.read(self.nodes.get(&(level, index)).copied())
    }
}

impl LogStore for MemoryStore {
    fn size(&self) -> Result<u64, Failed> {
        let last = self.rounds.keys().next_back();
        self.read(last.copied().unwrap_or(0))
    }

    fn round_from(&self, size: u64) -> Result<Option<RoundRow>, Failed> {
        let round = self.rounds.range(size..).next();
        self.read(round.map(|(size, checkpoint)| RoundRow {
            size: *size,
            checkpoint: checkpoint.clone(),
        }))
    }

    fn log_entries(&self, from: u64, to: u64) -> Result<Vec<LogEntry>, Failed> {
        let found = self.entries.range(from..to);
        self.read(found.map(|(_, row)| row.entry()).collect())
    }

    fn level(&self, level: u8, from: u64, to: u64) -> Result<Vec<Hash>, Failed> {
        let found = self.nodes.range((level, from)..(level, to));
        self.read(found.map(|(_, hash)| *hash).collect())
    }

    fn entry(&self, index: u64) -> Result<Option<EntryRow>, Failed> {
        self.read(self.entries.get(&index).cloned())
    }

    fn index_by_key(&self, key: &str) -> Result<Option<u64>, Failed> {
        self.read(self.find(|row| row.idempotency_key == key))
    }

    fn entries_by_prefix(&self, prefix: &str, limit: u64) -> Result<Vec<EntryRow>, Failed> {
        let found = self.entries.values();
        let found = found.filter(|row| row.idempotency_key.starts_with(prefix));
        let limit = usize::try_from(limit).unwrap();
        self.read(found.take(limit).cloned().collect())
    }

    fn index_by_fact(&self, fact_id: &Hash) -> Result<Option<u64>, Failed> {
        self.read(self.find(|row| row.fact_id == *fact_id))
    }

    fn commit(&mut self, commit: &Commit) -> Result<(), Failed> {
        let commit = commit.clone();
        self.write(|store| {
            for NewNode { level, index, hash } in commit.nodes {
                let before = store.nodes.insert((level, index), hash);
                assert_eq!(before, None, "a node was completed twice");
            }
            for row in commit.entries {
                let twin = store.find(|known| known.idempotency_key == row.idempotency_key);
                assert_eq!(twin, None, "a key was used twice");
                let before = store.entries.insert(row.index, row);
                assert_eq!(before, None, "an index was given twice");
            }
            let RoundRow { size, checkpoint } = commit.round;
            let before = store.rounds.insert(size, checkpoint);
            assert_eq!(before, None, "a size was signed twice");
        })
    }

    fn erase_content(&mut self, index: u64) -> Result<(), Failed> {
        self.write(|store| {
            if let Some(row) = store.entries.get_mut(&index) {
                row.content = None;
            }
        })
    }

    fn due_rows(&self, size: u64, limit: u64) -> Result<Vec<EntryRow>, Failed> {
        let end = size.min(self.rows.saturating_add(limit)).max(self.rows);
        let due = self.entries.range(self.rows..end);
        self.read(due.map(|(_, row)| row.clone()).collect())
    }

    fn rows_written(&mut self, index: u64) -> Result<(), Failed> {
        self.write(|store| store.rows = store.rows.max(index + 1))
    }
}

/// A tree of leaves in memory, grown only by `tree::append`.
#[derive(Debug, Default)]
pub struct MemoryTree {
    pub leaves: Vec<Hash>,
    nodes: BTreeMap<(u8, u64), Hash>,
}

impl MemoryTree {
    pub fn of_entries<T: AsRef<[u8]>>(entries: &[T]) -> Self {
        let mut tree = Self::default();
        for entry in entries {
            tree.push(Hash::leaf(entry.as_ref()));
        }
        tree
    }

    pub fn of_size(size: u64) -> Self {
        let entries: Vec<_> = (0..size).map(u64::to_be_bytes).collect();
        Self::of_entries(&entries)
    }

    fn push(&mut self, leaf: Hash) {
        let size = self.leaves.len() as u64;
        for node in super::super::tree::append(self, size, leaf).unwrap() {
            let before = self.nodes.insert((node.level, node.index), node.hash);
            assert_eq!(before, None, "a node was completed twice");
        }
        self.leaves.push(leaf);
    }
}

impl Nodes for MemoryTree {
    type Error = Failed;

    fn get(&self, level: u8, index: u64) -> Result<Option<Hash>, Failed> {
        Ok(self.nodes.get(&(level, index)).copied())
    }
}

/// MTH of RFC 6962 §2.1, word for word.
pub fn naive_root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => Hash::empty_root(),
        [leaf] => *leaf,
        _ => {
            let mut split = 1;
            while split * 2 < leaves.len() {
                split *= 2;
            }
            Hash::node(&naive_root(&leaves[..split]), &naive_root(&leaves[split..]))
        }
    }
}
