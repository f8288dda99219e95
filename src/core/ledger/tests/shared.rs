//! A store that outlives the log which has it open.

use std::cell::RefCell;
use std::rc::Rc;

use crate::chain::fact::LogEntry;
use crate::chain::hash::Hash;
use crate::chain::store::{Commit, EntryRow, LogStore, RoundRow};
use crate::chain::tests::memory::{Failed, MemoryStore};
use crate::chain::tree::Nodes;

#[derive(Clone, Default)]
pub struct SharedStore(pub Rc<RefCell<MemoryStore>>);

impl Nodes for SharedStore {
    type Error = Failed;

    fn get(&self, level: u8, index: u64) -> Result<Option<Hash>, Failed> {
        self.0.borrow().get(level, index)
    }
}

impl LogStore for SharedStore {
    fn size(&self) -> Result<u64, Failed> {
        self.0.borrow().size()
    }

    fn round_from(&self, size: u64) -> Result<Option<RoundRow>, Failed> {
        self.0.borrow().round_from(size)
    }

    fn entry(&self, index: u64) -> Result<Option<EntryRow>, Failed> {
        self.0.borrow().entry(index)
    }

    fn log_entries(&self, from: u64, to: u64) -> Result<Vec<LogEntry>, Failed> {
        self.0.borrow().log_entries(from, to)
    }

    fn level(&self, level: u8, from: u64, to: u64) -> Result<Vec<Hash>, Failed> {
        self.0.borrow().level(level, from, to)
    }

    fn index_by_key(&self, key: &str) -> Result<Option<u64>, Failed> {
        self.0.borrow().index_by_key(key)
    }

    fn entries_by_prefix(&self, prefix: &str, limit: u64) -> Result<Vec<EntryRow>, Failed> {
        self.0.borrow().entries_by_prefix(prefix, limit)
    }

    fn index_by_fact(&self, fact_id: &Hash) -> Result<Option<u64>, Failed> {
        self.0.borrow().index_by_fact(fact_id)
    }

    fn commit(&mut self, commit: &Commit) -> Result<(), Failed> {
        self.0.borrow_mut().commit(commit)
    }

    fn erase_content(&mut self, index: u64) -> Result<(), Failed> {
        self.0.borrow_mut().erase_content(index)
    }

    fn due_rows(&self, size: u64, limit: u64) -> Result<Vec<EntryRow>, Failed> {
        self.0.borrow().due_rows(size, limit)
    }

    fn rows_written(&mut self, index: u64) -> Result<(), Failed> {
        self.0.borrow_mut().rows_written(index)
    }
}
