//! A room's events as written down, in SQLite such as a Durable Object's.

use crate::sql::{DatabaseError, Sql, Statement};

/// The latest questions that can be caught up with, and as many ends of them.
const KEPT: i64 = 100;
/// Of all events together: a client that catches up with all of them is sent as much.
const KEPT_LETTERS: i64 = 2 * 1_024 * 1_024;
/// Events read at a time.
const PAGE: i64 = 8;

const SCHEMA: &str = "CREATE TABLE IF NOT EXISTS events (seq INTEGER PRIMARY KEY, \
    ref TEXT UNIQUE, open INTEGER NOT NULL, body TEXT NOT NULL)";
const LAST: &str = "SELECT seq, open FROM events ORDER BY seq DESC LIMIT 1";
const PUT: &str = "INSERT INTO events (seq, ref, open, body) VALUES (?1, ?2, ?3, ?4)";
/// Deletes the oldest beyond so many, and beyond so many letters.
const TRIM: &str = "DELETE FROM events WHERE seq <= (SELECT max(seq) FROM (SELECT seq, \
    row_number() OVER (ORDER BY seq DESC) AS place, \
    sum(length(body)) OVER (ORDER BY seq DESC) AS letters FROM events) \
    WHERE place > ?1 OR letters > ?2)";
const AFTER: &str = "SELECT seq, body FROM events WHERE seq > ?1 ORDER BY seq LIMIT ?2";
const BY_REF: &str = "SELECT seq FROM events WHERE ref = ?1";

pub(super) struct EventLog<S> {
    sql: S,
}

/// The last event written down.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Last {
    pub seq: i64,
    /// It is a question whose end is not written down.
    pub open: bool,
}

impl<S: Sql> EventLog<S> {
    /// Makes the table where it is missing.
    pub fn open(sql: S) -> Result<Self, DatabaseError> {
        sql.batch(&[Statement::new(SCHEMA)])?;
        Ok(Self { sql })
    }

    pub(super) fn last(&self) -> Result<Last, DatabaseError> {
        let found = self.sql.query(Statement::new(LAST))?;
        let last = found.first().map(|row| {
            let open = row.int("open")? == 1;
            row.int("seq").map(|seq| Last { seq, open })
        });
        last.transpose().map(Option::unwrap_or_default)
    }

    pub(super) fn put_question(
        &self,
        seq: i64,
        reference: Option<&str>,
        body: &str,
    ) -> Result<(), DatabaseError> {
        let trim = Statement::new(TRIM).bind(2 * KEPT).bind(KEPT_LETTERS);
        let put = Statement::new(PUT).bind(seq).bind(reference);
        self.sql.batch(&[trim, put.bind(1).bind(body)]).map(|_| ())
    }

    pub(super) fn put_end(&self, seq: i64, body: &str) -> Result<(), DatabaseError> {
        let put = Statement::new(PUT).bind(seq).bind(None::<&str>);
        self.sql.batch(&[put.bind(0).bind(body)]).map(|_| ())
    }

    /// Hands the events after `seq` on, in order.
    pub(super) fn after(
        &self,
        mut seq: i64,
        hear: &mut dyn FnMut(&str),
    ) -> Result<(), DatabaseError> {
        loop {
            let page = self.sql.query(Statement::new(AFTER).bind(seq).bind(PAGE))?;
            for row in &page.rows {
                seq = row.int("seq")?;
                hear(&row.text("body")?);
            }
            if i64::try_from(page.rows.len()).unwrap_or(PAGE) < PAGE {
                return Ok(());
            }
        }
    }

    /// The question of that name.
    pub(super) fn find(&self, reference: &str) -> Result<Option<i64>, DatabaseError> {
        let found = self.sql.query(Statement::new(BY_REF).bind(reference))?;
        found.first().map(|row| row.int("seq")).transpose()
    }
}
