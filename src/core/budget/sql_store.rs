//! An account in SQLite, such as a Durable Object's.

use std::cell::{RefCell, RefMut};
use std::rc::Rc;

use serde::de::DeserializeOwned;

use super::memory::Memory;
use super::staged::{Staged, text};
use super::store::{Change, Loaded, Reservation, Settings, Span, Store};
use super::types::Spending;
use super::window::Windows;
use crate::sql::{DatabaseError, Outcome, Sql, Statement, no_outcome};

/// The holder of a user's own rows is the empty text, which no key has for an id.
const SCHEMA: [&str; 6] = [
    "CREATE TABLE IF NOT EXISTS settings (holder TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID",
    // `due_ms`: a held one expires, a finished one leaves the file.
    "CREATE TABLE IF NOT EXISTS reservations (request_id TEXT PRIMARY KEY, key_id TEXT, \
     held INTEGER NOT NULL, due_ms INTEGER NOT NULL, body TEXT NOT NULL) WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS reservations_due ON reservations (held, due_ms, key_id)",
    // Nano-dollars by quarter hour.
    "CREATE TABLE IF NOT EXISTS slots (holder TEXT NOT NULL, slot_ms INTEGER NOT NULL, \
     spent INTEGER NOT NULL, reserved INTEGER NOT NULL, estimated INTEGER NOT NULL, \
     PRIMARY KEY (holder, slot_ms)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS tats (holder TEXT NOT NULL, kind TEXT NOT NULL, \
     tat_us INTEGER NOT NULL, PRIMARY KEY (holder, kind)) WITHOUT ROWID",
    // Reservations whose end the books have yet to hear of.
    "CREATE TABLE IF NOT EXISTS unreported (request_id TEXT PRIMARY KEY) WITHOUT ROWID",
];

/// What is kept in memory.
const MEMORY: [&str; 3] = [
    "SELECT holder, body FROM settings",
    "SELECT body FROM reservations WHERE held = 1",
    "SELECT holder, kind, tat_us FROM tats",
];
const KNOWN: &str = "SELECT body FROM reservations WHERE request_id = ?1";
const SPENDING: &str = "SELECT coalesce(sum(spent), 0) AS spent, coalesce(sum(reserved), 0) AS reserved, \
    coalesce(sum(estimated), 0) AS estimated FROM slots WHERE holder = ?1 AND slot_ms >= ?2 AND slot_ms < ?3";
const UNREPORTED: &str = "SELECT body FROM reservations WHERE request_id IN \
    (SELECT request_id FROM unreported ORDER BY request_id LIMIT ?1)";
/// Those that the books have yet to hear of stay until they have.
const FINISHED_DUE: &str = "SELECT min(due_ms) AS due_ms FROM reservations WHERE held = 0 \
    AND request_id NOT IN (SELECT request_id FROM unreported)";

pub struct SqlStore<S> {
    sql: S,
    /// With what is staged. None: to be read anew.
    memory: RefCell<Option<Memory>>,
    staged: RefCell<Staged>,
    windows: Windows,
}

impl<S: Sql> SqlStore<S> {
    /// Makes the tables where they are missing.
    pub fn open(sql: S) -> Result<Self, DatabaseError> {
        sql.batch(&SCHEMA.map(Statement::new))?;
        Ok(Self {
            sql,
            memory: RefCell::default(),
            staged: RefCell::default(),
            windows: Windows::default(),
        })
    }

    pub(super) fn memory(&self) -> Result<RefMut<'_, Memory>, DatabaseError> {
        let mut memory = self.memory.borrow_mut();
        if memory.is_none() {
            *memory = Some(self.read_memory()?);
        }
        RefMut::filter_map(memory, Option::as_mut).map_err(|_| no_outcome())
    }

    fn read_memory(&self) -> Result<Memory, DatabaseError> {
        let outcomes = self.sql.batch(&MEMORY.map(Statement::new))?;
        let [settings, held, tats] =
            <[Outcome; 3]>::try_from(outcomes).map_err(|_| no_outcome())?;
        let mut memory = Memory::default();
        for row in &settings.rows {
            let settings: Settings = read(&row.text("body")?)?;
            memory
                .settings
                .insert(row.text("holder")?, Rc::new(settings));
        }
        for one in bodies(&held)? {
            memory.held.insert(one.request.request_id.clone(), one);
        }
        for row in &tats.rows {
            let of_holder = memory.tats.entry(row.text("holder")?).or_default();
            of_holder.insert(row.text("kind")?, row.int("tat_us")?);
        }
        Ok(memory)
    }

    /// Sums on file.
    fn sums(&self, spans: &[&Span]) -> Result<Vec<Spending>, DatabaseError> {
        if spans.is_empty() {
            return Ok(Vec::new());
        }
        let ask = |(holder, from_ms, to_ms): &&Span| {
            let statement = Statement::new(SPENDING).bind(text(holder));
            statement.bind(*from_ms).bind(*to_ms)
        };
        let outcomes = self.sql.batch(&spans.iter().map(ask).collect::<Vec<_>>())?;
        let sum = |outcome: &Outcome| {
            let row = outcome.first().ok_or_else(no_outcome)?;
            Ok(Spending {
                spent: row.int("spent")?,
                reserved: row.int("reserved")?,
                estimated: row.int("estimated")?,
            })
        };
        outcomes.iter().map(sum).collect()
    }
}

impl<S: Sql> Store for SqlStore<S> {
    fn known(&self, request_id: &str) -> Result<Option<Rc<Reservation>>, DatabaseError> {
        if let Some(staged) = self.staged.borrow().known(request_id) {
            return Ok(Some(Rc::clone(staged)));
        }
        if let Some(held) = self.memory()?.held.get(request_id) {
            return Ok(Some(Rc::clone(held)));
        }
        let known = self.sql.query(Statement::new(KNOWN).bind(request_id))?;
        Ok(bodies(&known)?.into_iter().next())
    }

    fn load(
        &self,
        key_id: Option<&str>,
        family: &str,
        now_ms: i64,
    ) -> Result<Loaded, DatabaseError> {
        Ok(self.memory()?.loaded(key_id, family, now_ms))
    }

    fn spending(&self, spans: &[Span]) -> Result<Vec<Spending>, DatabaseError> {
        let mut memory = self.memory()?;
        let found: Vec<_> = spans.iter().map(|span| memory.sum(span)).collect();
        let missing = spans.iter().zip(&found).filter(|(_, sum)| sum.is_none());
        let missing: Vec<_> = missing.map(|(span, _)| span).collect();
        let staged = self.staged.borrow();
        let mut read = self.sums(&missing)?.into_iter();
        let sums = spans.iter().zip(found).map(|(span, found)| {
            if let Some(sum) = found {
                return Ok(sum);
            }
            let on_file = read.next().ok_or_else(no_outcome)?;
            let sum = on_file.plus(staged.sum(span));
            memory.remember(span.clone(), sum);
            Ok(sum)
        });
        sums.collect()
    }

    fn due(&self, now_ms: i64) -> Result<Vec<Rc<Reservation>>, DatabaseError> {
        Ok(self.memory()?.due(now_ms))
    }

    fn unreported(&self, limit: u32) -> Result<Vec<Rc<Reservation>>, DatabaseError> {
        bodies(&self.sql.query(Statement::new(UNREPORTED).bind(limit))?)
    }

    fn next_due_ms(&self) -> Result<Option<i64>, DatabaseError> {
        let finished = self.sql.query(Statement::new(FINISHED_DUE))?;
        let finished = finished.first().ok_or_else(no_outcome)?;
        let memory = self.memory()?;
        let held = memory.held.values().map(|one| one.due_ms()).min();
        Ok(finished.opt_int("due_ms")?.into_iter().chain(held).min())
    }

    fn keys_set(&self) -> Result<u64, DatabaseError> {
        let memory = self.memory()?;
        let keys = memory.settings.keys().filter(|holder| !holder.is_empty());
        Ok(keys.count() as u64)
    }

    fn stage(&self, changes: Vec<Change>) -> Result<(), DatabaseError> {
        let mut memory = self.memory()?;
        let mut staged = self.staged.borrow_mut();
        for change in changes {
            staged.add(change.clone());
            memory.apply(change);
        }
        Ok(())
    }

    fn write(&self) -> Result<(), DatabaseError> {
        if self.staged.borrow().is_empty() {
            return Ok(());
        }
        let statements = self.staged.borrow().statements();
        let written = statements.and_then(|statements| self.sql.batch(&statements));
        if written.is_err() {
            self.memory.take();
        }
        self.staged.take();
        written.map(drop)
    }

    fn forget_staged(&self) {
        if !self.staged.borrow().is_empty() {
            self.memory.take();
            self.staged.take();
        }
    }

    fn windows(&self) -> &Windows {
        &self.windows
    }
}

fn bodies(outcome: &Outcome) -> Result<Vec<Rc<Reservation>>, DatabaseError> {
    let rows = outcome.rows.iter();
    rows.map(|row| read(&row.text("body")?).map(Rc::new))
        .collect()
}

fn read<T: DeserializeOwned>(body: &str) -> Result<T, DatabaseError> {
    serde_json::from_str(body).map_err(|_| DatabaseError::Decode {
        column: "body".to_owned(),
        expected: "what was written",
        found: "other JSON",
    })
}
