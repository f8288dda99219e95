//! Storage in memory that can fail at any single row operation.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;

use super::super::hash::Hash;
use super::super::store::{Commit, EntryRow, LogStore};
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
        let last = self.entries.keys().next_back();
        self.read(last.map_or(0, |index| index + 1))
    }

    fn entry(&self, index: u64) -> Result<Option<EntryRow>, Failed> {
        self.read(self.entries.get(&index).cloned())
    }

    fn index_by_key(&self, key: &str) -> Result<Option<u64>, Failed> {
        self.read(self.find(|row| row.idempotency_key == key))
    }

    fn index_by_fact(&self, fact_id: &Hash) -> Result<Option<u64>, Failed> {
        self.read(self.find(|row| row.fact_id == *fact_id))
    }

    fn commit(&mut self, commit: &Commit) -> Result<(), Failed> {
        for NewNode { level, index, hash } in commit.nodes.iter().copied() {
            self.write(|store| {
                store.nodes.insert((level, index), hash);
            })?;
        }
        let row = commit.entry.clone();
        assert_eq!(
            self.find(|known| known.idempotency_key == row.idempotency_key),
            None
        );
        self.write(|store| {
            let before = store.entries.insert(row.index, row);
            assert_eq!(before, None, "an index was given twice");
        })
    }

    fn erase_content(&mut self, index: u64) -> Result<(), Failed> {
        self.write(|store| {
            if let Some(row) = store.entries.get_mut(&index) {
                row.content = None;
            }
        })
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
