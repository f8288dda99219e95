//! A log in SQLite, such as a Durable Object's. What is written between two awaits becomes durable
//! together, before any reply leaves the object.

use serde_json::{Value, json};

use super::fact::LogEntry;
use super::hash::Hash;
use super::store::{Commit, EntryRow, LogStore, RoundRow};
use super::tree::Nodes;
use crate::sql::{DatabaseError, Row, Sql, Statement};

const SCHEMA: [&str; 4] = [
    "CREATE TABLE IF NOT EXISTS nodes (level INTEGER NOT NULL, position INTEGER NOT NULL, \
     hash TEXT NOT NULL, PRIMARY KEY (level, position)) WITHOUT ROWID",
    // `projected`: the fact's row for queries is written.
    "CREATE TABLE IF NOT EXISTS entries (position INTEGER PRIMARY KEY, fact_id TEXT NOT NULL \
     UNIQUE, idempotency_key TEXT NOT NULL UNIQUE, logged_at_ms INTEGER NOT NULL, content TEXT, \
     projected INTEGER NOT NULL DEFAULT 0)",
    "CREATE INDEX IF NOT EXISTS entries_unprojected ON entries (position) WHERE projected = 0",
    "CREATE TABLE IF NOT EXISTS rounds (size INTEGER PRIMARY KEY, checkpoint TEXT NOT NULL)",
];

/// Each entry once had a checkpoint of its own.
const OLD_ENTRIES: &str =
    "SELECT 1 AS found FROM sqlite_master WHERE name = 'entries' AND sql LIKE '%checkpoint%'";
const FROM_OLD_ENTRIES: [&str; 2] = [
    "INSERT OR IGNORE INTO rounds (size, checkpoint) SELECT position + 1, checkpoint FROM entries",
    "ALTER TABLE entries DROP COLUMN checkpoint",
];

const NODES: &str = "INSERT INTO nodes (level, position, hash) \
    SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each(?1)";
const ENTRIES: &str = "INSERT INTO entries (position, fact_id, idempotency_key, logged_at_ms, content) \
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4 FROM json_each(?1)";

/// Bytes of one parameter of a statement; SQLite in an object takes 2 MB.
pub(super) const MAX_PARAMETER: usize = 1_000_000;

pub struct SqlLogStore<S> {
    sql: S,
}

impl<S: Sql> SqlLogStore<S> {
    /// Makes the tables where they are missing.
    ///
    /// # Errors
    /// The storage failed.
    pub fn open(sql: S) -> Result<Self, DatabaseError> {
        sql.batch(&SCHEMA.map(Statement::new))?;
        if sql.query(Statement::new(OLD_ENTRIES))?.first().is_some() {
            sql.batch(&FROM_OLD_ENTRIES.map(Statement::new))?;
        }
        Ok(Self { sql })
    }

    fn rows<T>(
        &self,
        statement: Statement,
        read: impl Fn(&Row) -> Result<T, DatabaseError>,
    ) -> Result<Vec<T>, DatabaseError> {
        let found = self.sql.query(statement)?;
        found.rows.iter().map(read).collect()
    }

    fn entries(&self, select: Statement) -> Result<Vec<EntryRow>, DatabaseError> {
        self.rows(select, |row| {
            Ok(EntryRow {
                index: number(row, "position")?,
                fact_id: hash(row, "fact_id")?,
                idempotency_key: row.text("idempotency_key")?,
                logged_at_ms: number(row, "logged_at_ms")?,
                content: row.opt_text("content")?,
            })
        })
    }

    fn position(&self, query: &'static str, value: &str) -> Result<Option<u64>, DatabaseError> {
        let found = self.rows(Statement::new(query).bind(value), |row| {
            number(row, "position")
        })?;
        Ok(found.first().copied())
    }
}

impl<S: Sql> Nodes for SqlLogStore<S> {
    type Error = DatabaseError;

    fn get(&self, level: u8, index: u64) -> Result<Option<Hash>, DatabaseError> {
        let found = self.level(level, index, index + 1)?;
        Ok(found.first().copied())
    }
}

impl<S: Sql> LogStore for SqlLogStore<S> {
    fn size(&self) -> Result<u64, DatabaseError> {
        let newest = "SELECT size FROM rounds ORDER BY size DESC LIMIT 1";
        let found = self.rows(Statement::new(newest), |row| number(row, "size"))?;
        Ok(found.first().copied().unwrap_or(0))
    }

    fn round_from(&self, size: u64) -> Result<Option<RoundRow>, DatabaseError> {
        let query = "SELECT size, checkpoint FROM rounds WHERE size >= ?1 ORDER BY size LIMIT 1";
        let found = self.rows(with(Statement::new(query), &[size]), |row| {
            Ok(RoundRow {
                size: number(row, "size")?,
                checkpoint: row.text("checkpoint")?,
            })
        })?;
        Ok(found.into_iter().next())
    }

    fn entry(&self, index: u64) -> Result<Option<EntryRow>, DatabaseError> {
        let found = self.entries(with(entries_where("position = ?1"), &[index]))?;
        Ok(found.into_iter().next())
    }

    fn log_entries(&self, from: u64, to: u64) -> Result<Vec<LogEntry>, DatabaseError> {
        let query = "SELECT fact_id, logged_at_ms FROM entries \
                     WHERE position >= ?1 AND position < ?2 ORDER BY position";
        self.rows(with(Statement::new(query), &[from, to]), |row| {
            Ok(LogEntry {
                fact_id: hash(row, "fact_id")?,
                logged_at_ms: number(row, "logged_at_ms")?,
            })
        })
    }

    fn level(&self, level: u8, from: u64, to: u64) -> Result<Vec<Hash>, DatabaseError> {
        let query = "SELECT hash FROM nodes \
                     WHERE level = ?1 AND position >= ?2 AND position < ?3 ORDER BY position";
        let asked = with(Statement::new(query), &[level.into(), from, to]);
        self.rows(asked, |row| hash(row, "hash"))
    }

    fn index_by_key(&self, idempotency_key: &str) -> Result<Option<u64>, DatabaseError> {
        self.position(
            "SELECT position FROM entries WHERE idempotency_key = ?1",
            idempotency_key,
        )
    }

    fn entries_by_prefix(&self, prefix: &str, limit: u64) -> Result<Vec<EntryRow>, DatabaseError> {
        // No key has a character as large. `+` keeps to the index of keys.
        let of_prefix = entries_where(
            "idempotency_key >= ?1 AND idempotency_key < ?2 ORDER BY +position LIMIT ?3",
        );
        let end = format!("{prefix}{}", char::MAX);
        self.entries(with(of_prefix.bind(prefix).bind(end), &[limit]))
    }

    fn index_by_fact(&self, fact_id: &Hash) -> Result<Option<u64>, DatabaseError> {
        self.position(
            "SELECT position FROM entries WHERE fact_id = ?1",
            &fact_id.to_string(),
        )
    }

    fn commit(&mut self, commit: &Commit) -> Result<(), DatabaseError> {
        let node = |node: &super::tree::NewNode| json!([node.level, node.index, node.hash]);
        let entry = |row: &EntryRow| {
            json!([
                row.index,
                row.fact_id,
                row.idempotency_key,
                row.logged_at_ms,
                row.content
            ])
        };
        let RoundRow { size, checkpoint } = &commit.round;
        let round = Statement::new("INSERT INTO rounds (size, checkpoint) VALUES (?1, ?2)");
        let mut statements = inserts(NODES, commit.nodes.iter().map(node));
        statements.extend(inserts(ENTRIES, commit.entries.iter().map(entry)));
        statements.push(with(round, &[*size]).bind(checkpoint.as_str()));
        self.sql.batch(&statements).map(drop)
    }

    fn erase_content(&mut self, index: u64) -> Result<(), DatabaseError> {
        let erase = Statement::new("UPDATE entries SET content = NULL WHERE position = ?1");
        self.sql.query(with(erase, &[index])).map(drop)
    }

    fn due_rows(&self, size: u64, limit: u64) -> Result<Vec<EntryRow>, DatabaseError> {
        let due = entries_where("projected = 0 AND position < ?1 ORDER BY position LIMIT ?2");
        self.entries(with(due, &[size, limit]))
    }

    fn rows_written(&mut self, index: u64) -> Result<(), DatabaseError> {
        let mark = "UPDATE entries SET projected = 1 WHERE projected = 0 AND position <= ?1";
        self.sql
            .query(with(Statement::new(mark), &[index]))
            .map(drop)
    }
}

fn entries_where(rest: &str) -> Statement {
    Statement::new(format!(
        "SELECT position, fact_id, idempotency_key, logged_at_ms, content FROM entries WHERE {rest}"
    ))
}

/// What no log reaches is as good as the most that JavaScript counts to.
fn with(statement: Statement, numbers: &[u64]) -> Statement {
    const MOST: i64 = (1 << 53) - 1;
    let counted = |number: &u64| i64::try_from(*number).map_or(MOST, |number| number.min(MOST));
    numbers.iter().map(counted).fold(statement, Statement::bind)
}

fn number(row: &Row, column: &str) -> Result<u64, DatabaseError> {
    let unreadable = |_| DatabaseError::Statement(format!("{column} is below zero"));
    u64::try_from(row.int(column)?).map_err(unreadable)
}

fn hash(row: &Row, column: &str) -> Result<Hash, DatabaseError> {
    let unreadable = |_| DatabaseError::Statement(format!("{column} is no hash"));
    Hash::from_hex(&row.text(column)?).map_err(unreadable)
}

/// `sql` for all rows, as JSON arrays, each time for as many as one parameter holds.
pub(super) fn inserts(sql: &'static str, rows: impl Iterator<Item = Value>) -> Vec<Statement> {
    let mut parameters: Vec<String> = Vec::new();
    for row in rows {
        let row = row.to_string();
        match parameters.last_mut() {
            Some(last) if last.len() + row.len() < MAX_PARAMETER => {
                last.push(',');
                last.push_str(&row);
            }
            _ => parameters.push(row),
        }
    }
    let statement = |rows: String| Statement::new(sql).bind(format!("[{rows}]"));
    parameters.into_iter().map(statement).collect()
}
