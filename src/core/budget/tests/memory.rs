//! Stores for tests: one in memory, and SQLite; both fail when they are told to.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::super::sql_store::SqlStore;
use super::super::store::{
    Change, Holder, Loaded, Reservation, Settings, Span, Store, Tat, tokens_kind,
};
use super::super::types::Spending;
use super::super::window::Windows;
use crate::sql::{DatabaseError, Outcome, Sql, SqliteDatabase, Statement};

pub fn sqlite() -> SqlStore<SqliteDatabase> {
    SqlStore::open(SqliteDatabase::empty()).unwrap()
}

/// With the way to its file.
pub fn shaky() -> (SqlStore<Rc<ShakySql>>, Rc<ShakySql>) {
    let sql = Rc::new(ShakySql {
        sql: SqliteDatabase::empty(),
        fault: Cell::default(),
        batches: Cell::default(),
    });
    (SqlStore::open(Rc::clone(&sql)).unwrap(), sql)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The write failed.
    Before,
    /// It was made, and the reply was lost.
    After,
    /// A read failed.
    Read,
}

/// The next read or write fails if told so.
type Faults = Cell<Option<Fault>>;

fn lost() -> DatabaseError {
    DatabaseError::Unavailable("on purpose".to_owned())
}

/// SQLite that fails if told so, and counts.
pub struct ShakySql {
    sql: SqliteDatabase,
    pub fault: Faults,
    pub batches: Cell<u32>,
}

impl Sql for Rc<ShakySql> {
    fn batch(&self, statements: &[Statement]) -> Result<Vec<Outcome>, DatabaseError> {
        self.batches.set(self.batches.get() + 1);
        let reads = statements.iter().all(|one| one.sql.starts_with("SELECT "));
        let strikes = |fault: &Fault| (*fault == Fault::Read) == reads;
        let fault = self.fault.get().filter(strikes);
        if fault.is_some() {
            self.fault.set(None);
        }
        match fault {
            Some(Fault::After) => Sql::batch(&self.sql, statements).and(Err(lost())),
            Some(_) => Err(lost()),
            None => Sql::batch(&self.sql, statements),
        }
    }
}

#[derive(Default)]
pub struct MemoryStore {
    written: RefCell<Tables>,
    staged: RefCell<Option<Tables>>,
    pub fault: Faults,
    windows: Windows,
}

#[derive(Default, Clone)]
struct Tables {
    reservations: BTreeMap<String, Rc<Reservation>>,
    slots: BTreeMap<(Holder, i64), Spending>,
    tats: BTreeMap<(Holder, String), i64>,
    settings: BTreeMap<Holder, Rc<Settings>>,
    unreported: BTreeSet<String>,
}

impl MemoryStore {
    fn read<T>(&self, read: impl FnOnce(&Tables) -> T) -> T {
        match &*self.staged.borrow() {
            Some(tables) => read(tables),
            None => read(&self.written.borrow()),
        }
    }
}

impl Tables {
    fn held(&self) -> impl Iterator<Item = &Rc<Reservation>> {
        self.reservations.values().filter(|one| one.held())
    }

    fn loaded(&self, key_id: Option<&str>, family: &str, now_ms: i64) -> Loaded {
        let key = key_id.map(str::to_owned);
        let settings = |holder: &Holder| self.settings.get(holder).cloned().unwrap_or_default();
        let mut tats = Vec::new();
        for holder in [None, key.clone()] {
            for kind in ["requests".to_owned(), tokens_kind(family)] {
                let holder = holder.clone();
                if let Some(tat_us) = self.tats.get(&(holder.clone(), kind.clone())).copied() {
                    tats.push(Tat {
                        holder,
                        kind,
                        tat_us,
                    });
                }
            }
        }
        let of_key = |one: &&Rc<Reservation>| key.is_some() && one.request.key_id == key;
        Loaded {
            due: self.held().any(|one| one.due_ms() <= now_ms),
            user: settings(&None),
            key: key
                .as_ref()
                .map_or_else(Rc::default, |key| settings(&Some(key.clone()))),
            user_held: self.held().count() as u64,
            key_held: self.held().filter(of_key).count() as u64,
            tats,
        }
    }
}

impl Store for MemoryStore {
    fn known(&self, request_id: &str) -> Result<Option<Rc<Reservation>>, DatabaseError> {
        Ok(self.read(|tables| tables.reservations.get(request_id).cloned()))
    }

    fn load(
        &self,
        key_id: Option<&str>,
        family: &str,
        now_ms: i64,
    ) -> Result<Loaded, DatabaseError> {
        Ok(self.read(|tables| tables.loaded(key_id, family, now_ms)))
    }

    fn spending(&self, spans: &[Span]) -> Result<Vec<Spending>, DatabaseError> {
        Ok(self.read(|tables| {
            let sum = |(holder, from, to): &Span| {
                let slots = tables
                    .slots
                    .range((holder.clone(), *from)..(holder.clone(), *to));
                slots.fold(Spending::default(), |sum, (_, slot)| sum.plus(*slot))
            };
            spans.iter().map(sum).collect()
        }))
    }

    fn due(&self, now_ms: i64) -> Result<Vec<Rc<Reservation>>, DatabaseError> {
        Ok(self.read(|tables| {
            let due = tables.held().filter(|one| one.due_ms() <= now_ms);
            let mut due: Vec<_> = due.cloned().collect();
            due.sort_by_key(|one| (one.due_ms(), one.request.request_id.clone()));
            due
        }))
    }

    fn unreported(&self, limit: u32) -> Result<Vec<Rc<Reservation>>, DatabaseError> {
        Ok(self.read(|tables| {
            let ids = tables.unreported.iter().take(limit as usize);
            ids.map(|id| Rc::clone(&tables.reservations[id])).collect()
        }))
    }

    fn next_due_ms(&self) -> Result<Option<i64>, DatabaseError> {
        let due = |tables: &Tables| {
            let all = tables.reservations.values();
            let leaves = |one: &&Rc<Reservation>| {
                one.held() || !tables.unreported.contains(&one.request.request_id)
            };
            all.filter(leaves).map(|one| one.due_ms()).min()
        };
        Ok(self.read(due))
    }

    fn keys_set(&self) -> Result<u64, DatabaseError> {
        let keys = |tables: &Tables| tables.settings.keys().flatten().count();
        Ok(self.read(keys) as u64)
    }

    fn stage(&self, changes: Vec<Change>) -> Result<(), DatabaseError> {
        let mut staged = self.staged.borrow_mut();
        let tables = staged.get_or_insert_with(|| self.written.borrow().clone());
        for change in changes {
            apply(tables, change);
        }
        Ok(())
    }

    fn write(&self) -> Result<(), DatabaseError> {
        let Some(tables) = self.staged.take() else {
            return Ok(());
        };
        let fault = self.fault.take();
        if fault != Some(Fault::Before) {
            self.written.replace(tables);
        }
        fault.map_or(Ok(()), |_| Err(lost()))
    }

    fn forget_staged(&self) {
        self.staged.take();
    }

    fn windows(&self) -> &Windows {
        &self.windows
    }
}

fn apply(tables: &mut Tables, change: Change) {
    match change {
        Change::Reservation(one) => {
            tables
                .reservations
                .insert(one.request.request_id.clone(), one);
        }
        Change::Spending {
            holder,
            slot_ms,
            delta,
        } => {
            let slot = tables.slots.entry((holder, slot_ms)).or_default();
            *slot = slot.plus(delta);
        }
        Change::Tat(tat) => {
            tables.tats.insert((tat.holder, tat.kind), tat.tat_us);
        }
        Change::Settings { holder, settings } => {
            if settings == Settings::default() {
                tables.settings.remove(&holder);
            } else {
                tables.settings.insert(holder, Rc::new(settings));
            }
        }
        Change::Unreported { request_id, yet } => {
            if yet {
                tables.unreported.insert(request_id);
            } else {
                tables.unreported.remove(&request_id);
            }
        }
        Change::Forget {
            finished_due_ms,
            slots_before_ms,
            tats_before_us,
        } => {
            let unreported = &tables.unreported;
            tables.reservations.retain(|id, one| {
                one.held() || one.due_ms() > finished_due_ms || unreported.contains(id)
            });
            tables
                .slots
                .retain(|(_, slot_ms), _| *slot_ms >= slots_before_ms);
            tables.tats.retain(|_, tat_us| *tat_us >= tats_before_us);
        }
    }
}
