//! Stores for tests: one in memory, SQLite, and one that fails.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};

use super::super::sql_store::SqlStore;
use super::super::store::{Change, Holder, Loaded, Reservation, Settings, Store, Tat, tokens_kind};
use super::super::types::Spending;
use crate::sql::{DatabaseError, SqliteDatabase};

pub fn sqlite() -> SqlStore<SqliteDatabase> {
    SqlStore::open(SqliteDatabase::empty()).unwrap()
}

#[derive(Default)]
pub struct MemoryStore(RefCell<Tables>);

#[derive(Default)]
struct Tables {
    reservations: BTreeMap<String, Reservation>,
    slots: BTreeMap<(Holder, i64), Spending>,
    tats: BTreeMap<(Holder, String), i64>,
    settings: BTreeMap<Holder, Settings>,
    unreported: BTreeSet<String>,
}

impl Store for MemoryStore {
    fn known(&self, request_id: &str) -> Result<Option<Reservation>, DatabaseError> {
        Ok(self.0.borrow().reservations.get(request_id).cloned())
    }

    fn load(
        &self,
        request_id: &str,
        key_id: Option<&str>,
        family: &str,
        now_ms: i64,
    ) -> Result<Loaded, DatabaseError> {
        let tables = self.0.borrow();
        let key = key_id.map(str::to_owned);
        let held = || tables.reservations.values().filter(|one| one.held());
        let settings = |holder: &Holder| tables.settings.get(holder).cloned().unwrap_or_default();
        let mut tats = Vec::new();
        let kinds = ["requests".to_owned(), tokens_kind(family)];
        for holder in [None, key.clone()] {
            for kind in &kinds {
                if let Some(tat) = tables.tats.get(&(holder.clone(), kind.clone())) {
                    tats.push(Tat {
                        holder: holder.clone(),
                        kind: kind.clone(),
                        tat_us: *tat,
                    });
                }
            }
        }
        Ok(Loaded {
            known: tables.reservations.get(request_id).cloned(),
            due: held().any(|one| one.due_ms() <= now_ms),
            user: settings(&None),
            key: key
                .as_ref()
                .map_or_else(Settings::default, |_| settings(&key)),
            user_held: held().count() as u64,
            key_held: held()
                .filter(|one| key.is_some() && one.request.key_id == key)
                .count() as u64,
            tats,
        })
    }

    fn spending(&self, spans: &[(Holder, i64, i64)]) -> Result<Vec<Spending>, DatabaseError> {
        let tables = self.0.borrow();
        let sum = |(holder, from, to): &(Holder, i64, i64)| {
            let slots = tables
                .slots
                .range((holder.clone(), *from)..(holder.clone(), *to));
            slots.fold(Spending::default(), |sum, (_, slot)| plus(sum, *slot))
        };
        Ok(spans.iter().map(sum).collect())
    }

    fn due(&self, now_ms: i64, limit: u32) -> Result<Vec<Reservation>, DatabaseError> {
        let tables = self.0.borrow();
        let held = tables.reservations.values().filter(|one| one.held());
        let mut due: Vec<_> = held.filter(|one| one.due_ms() <= now_ms).cloned().collect();
        due.sort_by_key(|one| (one.due_ms(), one.request.request_id.clone()));
        due.truncate(limit as usize);
        Ok(due)
    }

    fn unreported(&self, limit: u32) -> Result<Vec<Reservation>, DatabaseError> {
        let tables = self.0.borrow();
        let ids = tables.unreported.iter().take(limit as usize);
        Ok(ids.map(|id| tables.reservations[id].clone()).collect())
    }

    fn next_due_ms(&self) -> Result<Option<i64>, DatabaseError> {
        Ok(self
            .0
            .borrow()
            .reservations
            .values()
            .map(Reservation::due_ms)
            .min())
    }

    fn keys_set(&self) -> Result<u64, DatabaseError> {
        let tables = self.0.borrow();
        Ok(tables
            .settings
            .keys()
            .filter(|holder| holder.is_some())
            .count() as u64)
    }

    fn commit(&self, changes: Vec<Change>) -> Result<(), DatabaseError> {
        let mut tables = self.0.borrow_mut();
        for change in changes {
            apply(&mut tables, change);
        }
        Ok(())
    }
}

fn apply(tables: &mut Tables, change: Change) {
    match change {
        Change::Reservation(one) => {
            tables
                .reservations
                .insert(one.request.request_id.clone(), *one);
        }
        Change::Spending {
            holder,
            slot_ms,
            delta,
        } => {
            let slot = tables.slots.entry((holder, slot_ms)).or_default();
            *slot = plus(*slot, delta);
        }
        Change::Tat(tat) => {
            tables.tats.insert((tat.holder, tat.kind), tat.tat_us);
        }
        Change::Settings { holder, settings } => {
            if settings == Settings::default() {
                tables.settings.remove(&holder);
            } else {
                tables.settings.insert(holder, settings);
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

fn plus(one: Spending, other: Spending) -> Spending {
    Spending {
        spent: one.spent + other.spent,
        reserved: one.reserved + other.reserved,
        estimated: one.estimated + other.estimated,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The commit failed.
    Before,
    /// It was made, and the reply was lost.
    After,
}

/// Fails at the next commit if told so.
pub struct Shaky<'a> {
    pub store: &'a dyn Store,
    pub fault: Cell<Option<Fault>>,
}

impl Store for Shaky<'_> {
    fn known(&self, request_id: &str) -> Result<Option<Reservation>, DatabaseError> {
        self.store.known(request_id)
    }

    fn load(
        &self,
        request_id: &str,
        key_id: Option<&str>,
        family: &str,
        now_ms: i64,
    ) -> Result<Loaded, DatabaseError> {
        self.store.load(request_id, key_id, family, now_ms)
    }

    fn spending(&self, spans: &[(Holder, i64, i64)]) -> Result<Vec<Spending>, DatabaseError> {
        self.store.spending(spans)
    }

    fn due(&self, now_ms: i64, limit: u32) -> Result<Vec<Reservation>, DatabaseError> {
        self.store.due(now_ms, limit)
    }

    fn unreported(&self, limit: u32) -> Result<Vec<Reservation>, DatabaseError> {
        self.store.unreported(limit)
    }

    fn next_due_ms(&self) -> Result<Option<i64>, DatabaseError> {
        self.store.next_due_ms()
    }

    fn keys_set(&self) -> Result<u64, DatabaseError> {
        self.store.keys_set()
    }

    fn commit(&self, changes: Vec<Change>) -> Result<(), DatabaseError> {
        let lost = || DatabaseError::Unavailable("on purpose".to_owned());
        match self.fault.take() {
            Some(Fault::Before) => Err(lost()),
            Some(Fault::After) => self.store.commit(changes).and(Err(lost())),
            None => self.store.commit(changes),
        }
    }
}
