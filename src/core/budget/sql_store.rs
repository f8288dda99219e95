//! An account in SQLite, such as a Durable Object's.

use std::cell::RefCell;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::store::{Change, Holder, Loaded, Reservation, Settings, Store, Tat, tokens_kind};
use super::types::Spending;
use crate::sql::{DatabaseError, Outcome, Row, Sql, Statement, Value, no_outcome};

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

const KNOWN: &str = "SELECT body FROM reservations WHERE request_id = ?1";
const SETTINGS: &str = "SELECT holder, body FROM settings";
const HELD: &str = "SELECT count(*) AS held, coalesce(sum(key_id = ?1), 0) AS key_held, \
    coalesce(min(due_ms) <= ?2, 0) AS due FROM reservations WHERE held = 1";
const TATS: &str = "SELECT holder, kind, tat_us FROM tats \
    WHERE holder IN ('', ?1) AND kind IN ('requests', ?2)";
const SPENDING: &str = "SELECT coalesce(sum(spent), 0) AS spent, coalesce(sum(reserved), 0) AS reserved, \
    coalesce(sum(estimated), 0) AS estimated FROM slots WHERE holder = ?1 AND slot_ms >= ?2 AND slot_ms < ?3";
const DUE: &str = "SELECT body FROM reservations WHERE held = 1 AND due_ms <= ?1 \
    ORDER BY due_ms, request_id LIMIT ?2";
const UNREPORTED: &str = "SELECT body FROM reservations WHERE request_id IN \
    (SELECT request_id FROM unreported ORDER BY request_id LIMIT ?1)";
const TO_REPORT: &str = "INSERT INTO unreported (request_id) VALUES (?1) ON CONFLICT DO NOTHING";
const REPORTED: &str = "DELETE FROM unreported WHERE request_id = ?1";
const NEXT_DUE: &str = "SELECT min(due_ms) AS due_ms FROM reservations WHERE held = 1 \
    UNION ALL SELECT min(due_ms) FROM reservations WHERE held = 0";
const KEYS_SET: &str = "SELECT count(*) AS keys FROM settings WHERE holder <> ''";

const PUT: &str = "INSERT INTO reservations (request_id, key_id, held, due_ms, body) \
    VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (request_id) DO UPDATE SET \
    held = excluded.held, due_ms = excluded.due_ms, body = excluded.body";
/// Before and after the rows, which may be several.
const ADD: [&str; 2] = [
    "INSERT INTO slots (holder, slot_ms, spent, reserved, estimated) VALUES ",
    " ON CONFLICT (holder, slot_ms) DO UPDATE SET \
    spent = spent + excluded.spent, reserved = reserved + excluded.reserved, \
    estimated = estimated + excluded.estimated",
];
const PUT_TAT: [&str; 2] = [
    "INSERT INTO tats (holder, kind, tat_us) VALUES ",
    " ON CONFLICT (holder, kind) DO UPDATE SET tat_us = excluded.tat_us",
];
const PUT_SETTINGS: &str = "INSERT INTO settings (holder, body) VALUES (?1, ?2) \
    ON CONFLICT (holder) DO UPDATE SET body = excluded.body";
const NO_SETTINGS: &str = "DELETE FROM settings WHERE holder = ?1";
const FORGET: [&str; 3] = [
    "DELETE FROM reservations WHERE held = 0 AND due_ms <= ?1 \
     AND request_id NOT IN (SELECT request_id FROM unreported)",
    "DELETE FROM slots WHERE slot_ms < ?1",
    "DELETE FROM tats WHERE tat_us < ?1",
];

pub struct SqlStore<S> {
    sql: S,
    /// Each with its holder, once read: nobody else writes them.
    settings: RefCell<Option<Vec<(String, Settings)>>>,
}

impl<S: Sql> SqlStore<S> {
    /// Makes the tables where they are missing.
    pub fn open(sql: S) -> Result<Self, DatabaseError> {
        sql.batch(&SCHEMA.map(Statement::new))?;
        Ok(Self {
            sql,
            settings: RefCell::default(),
        })
    }

    /// Of the user and of a key.
    fn settings(&self, key: &str) -> Result<[Settings; 2], DatabaseError> {
        let mut known = self.settings.borrow_mut();
        let settings = match &mut *known {
            Some(settings) => settings,
            unknown => {
                let found = self.sql.query(Statement::new(SETTINGS))?;
                let row = |row: &Row| Ok((row.text("holder")?, read(&row.text("body")?)?));
                let all = found.rows.iter().map(row);
                unknown.insert(all.collect::<Result<_, DatabaseError>>()?)
            }
        };
        let of = |holder: &str| {
            let found = settings.iter().find(|(of, _)| of == holder);
            found
                .map(|(_, settings)| settings.clone())
                .unwrap_or_default()
        };
        let of_key = if key.is_empty() {
            Settings::default()
        } else {
            of(key)
        };
        Ok([of(""), of_key])
    }
}

impl<S: Sql> Store for SqlStore<S> {
    fn known(&self, request_id: &str) -> Result<Option<Reservation>, DatabaseError> {
        let known = self.sql.query(Statement::new(KNOWN).bind(request_id))?;
        Ok(bodies(&known)?.into_iter().next())
    }

    fn load(
        &self,
        request_id: &str,
        key_id: Option<&str>,
        family: &str,
        now_ms: i64,
    ) -> Result<Loaded, DatabaseError> {
        let key = key_id.unwrap_or_default();
        let outcomes = self.sql.batch(&[
            Statement::new(KNOWN).bind(request_id),
            Statement::new(HELD).bind(key).bind(now_ms),
            Statement::new(TATS).bind(key).bind(tokens_kind(family)),
        ])?;
        let [known, held, tats] = <[Outcome; 3]>::try_from(outcomes).map_err(|_| no_outcome())?;
        let [user, of_key] = self.settings(key)?;
        let mut loaded = Loaded {
            known: bodies(&known)?.into_iter().next(),
            user,
            key: of_key,
            ..Loaded::default()
        };
        let held = held.first().ok_or_else(no_outcome)?;
        loaded.user_held = count(held.int("held")?);
        loaded.key_held = count(held.int("key_held")?);
        loaded.due = held.boolean("due")?;
        for row in &tats.rows {
            loaded.tats.push(Tat {
                holder: Some(row.text("holder")?).filter(|key| !key.is_empty()),
                kind: row.text("kind")?,
                tat_us: row.int("tat_us")?,
            });
        }
        Ok(loaded)
    }

    fn spending(&self, spans: &[(Holder, i64, i64)]) -> Result<Vec<Spending>, DatabaseError> {
        let ask = |(holder, from_ms, to_ms): &(Holder, i64, i64)| {
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

    fn due(&self, now_ms: i64, limit: u32) -> Result<Vec<Reservation>, DatabaseError> {
        bodies(
            &self
                .sql
                .query(Statement::new(DUE).bind(now_ms).bind(limit))?,
        )
    }

    fn unreported(&self, limit: u32) -> Result<Vec<Reservation>, DatabaseError> {
        bodies(&self.sql.query(Statement::new(UNREPORTED).bind(limit))?)
    }

    fn next_due_ms(&self) -> Result<Option<i64>, DatabaseError> {
        let found = self.sql.query(Statement::new(NEXT_DUE))?;
        let times: Vec<_> = found.rows.iter().map(|row| row.opt_int("due_ms")).collect();
        Ok(times
            .into_iter()
            .collect::<Result<Vec<_>, _>>()?
            .into_iter()
            .flatten()
            .min())
    }

    fn keys_set(&self) -> Result<u64, DatabaseError> {
        let found = self.sql.query(Statement::new(KEYS_SET))?;
        Ok(count(found.first().ok_or_else(no_outcome)?.int("keys")?))
    }

    fn commit(&self, changes: Vec<Change>) -> Result<(), DatabaseError> {
        let mut writes = Writes::default();
        for change in changes {
            if matches!(change, Change::Settings { .. }) {
                // Whether it is written is seen when they are read again.
                self.settings.take();
            }
            writes.add(change)?;
        }
        self.sql.batch(&writes.statements()).map(drop)
    }
}

/// A statement takes as long as several rows, so rows of a table go in one.
#[derive(Default)]
struct Writes {
    statements: Vec<Statement>,
    sums: Vec<Vec<Value>>,
    tats: Vec<Vec<Value>>,
}

impl Writes {
    fn add(&mut self, change: Change) -> Result<(), DatabaseError> {
        let statements = &mut self.statements;
        match change {
            Change::Reservation(reservation) => statements.push(
                Statement::new(PUT)
                    .bind(&reservation.request.request_id)
                    .bind(reservation.request.key_id.clone())
                    .bind(i64::from(reservation.held()))
                    .bind(reservation.due_ms())
                    .bind(body(&reservation)?),
            ),
            Change::Spending {
                holder,
                slot_ms,
                delta,
            } => self.sums.push(vec![
                text(&holder).into(),
                slot_ms.into(),
                delta.spent.into(),
                delta.reserved.into(),
                delta.estimated.into(),
            ]),
            Change::Tat(tat) => self.tats.push(vec![
                text(&tat.holder).into(),
                tat.kind.into(),
                tat.tat_us.into(),
            ]),
            Change::Settings { holder, settings } if settings == Settings::default() => {
                statements.push(Statement::new(NO_SETTINGS).bind(text(&holder)));
            }
            Change::Settings { holder, settings } => statements.push(
                Statement::new(PUT_SETTINGS)
                    .bind(text(&holder))
                    .bind(body(&settings)?),
            ),
            Change::Unreported { request_id, yet } => {
                let sql = if yet { TO_REPORT } else { REPORTED };
                statements.push(Statement::new(sql).bind(request_id));
            }
            Change::Forget {
                finished_due_ms,
                slots_before_ms,
                tats_before_us,
            } => {
                let bounds = [finished_due_ms, slots_before_ms, tats_before_us];
                let forget = FORGET.into_iter().zip(bounds);
                statements.extend(forget.map(|(sql, bound)| Statement::new(sql).bind(bound)));
            }
        }
        Ok(())
    }

    fn statements(mut self) -> Vec<Statement> {
        for (sql, rows) in [(ADD, self.sums), (PUT_TAT, self.tats)] {
            self.statements.extend(insert(sql, rows));
        }
        self.statements
    }
}

/// None without rows.
fn insert([before, after]: [&str; 2], rows: Vec<Vec<Value>>) -> Option<Statement> {
    let row = |row: &Vec<Value>| format!("({})", vec!["?"; row.len()].join(", "));
    let places: Vec<String> = rows.iter().map(row).collect();
    let mut statement = Statement::new(format!("{before}{}{after}", places.join(", ")));
    statement.params = rows.into_iter().flatten().collect();
    (!places.is_empty()).then_some(statement)
}

fn text(holder: &Holder) -> &str {
    holder.as_deref().unwrap_or_default()
}

fn bodies(outcome: &Outcome) -> Result<Vec<Reservation>, DatabaseError> {
    let rows = outcome.rows.iter();
    rows.map(|row| read(&row.text("body")?)).collect()
}

fn read<T: DeserializeOwned>(body: &str) -> Result<T, DatabaseError> {
    serde_json::from_str(body).map_err(|_| DatabaseError::Decode {
        column: "body".to_owned(),
        expected: "what was written",
        found: "other JSON",
    })
}

fn body<T: Serialize>(value: &T) -> Result<String, DatabaseError> {
    serde_json::to_string(value).map_err(|error| DatabaseError::Statement(error.to_string()))
}

fn count(rows: i64) -> u64 {
    u64::try_from(rows).unwrap_or(0)
}
