//! The log's storage in a Durable Object's SQLite. Calls are synchronous; what is written
//! between two awaits becomes durable together, before any reply leaves the object.

use chitty_core::chain::hash::Hash;
use chitty_core::chain::store::{Commit, EntryRow, LogStore};
use chitty_core::chain::tree::Nodes;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use worker::{SqlStorage, SqlStorageValue};

const SCHEMA: [&str; 3] = [
    "CREATE TABLE IF NOT EXISTS nodes (level INTEGER NOT NULL, position INTEGER NOT NULL, \
     hash TEXT NOT NULL, PRIMARY KEY (level, position)) WITHOUT ROWID",
    // `projected`: the fact's row for queries is written.
    "CREATE TABLE IF NOT EXISTS entries (position INTEGER PRIMARY KEY, fact_id TEXT NOT NULL \
     UNIQUE, idempotency_key TEXT NOT NULL UNIQUE, logged_at_ms INTEGER NOT NULL, content TEXT, \
     checkpoint TEXT NOT NULL, projected INTEGER NOT NULL DEFAULT 0)",
    "CREATE INDEX IF NOT EXISTS entries_unprojected ON entries (position) WHERE projected = 0",
];

const COLUMNS: &str = "position, fact_id, idempotency_key, logged_at_ms, content, checkpoint";

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("{0}")]
    Sql(String),
    #[error("{0} is past what the storage holds exactly")]
    Range(u64),
}

/// The log of one Durable Object.
pub struct SqlLogStore {
    sql: SqlStorage,
}

#[derive(Deserialize)]
struct Entry {
    position: u64,
    fact_id: Hash,
    idempotency_key: String,
    logged_at_ms: u64,
    content: Option<String>,
    checkpoint: String,
}

#[derive(Deserialize)]
struct Position {
    position: u64,
}

#[derive(Deserialize)]
struct Node {
    hash: Hash,
}

impl SqlLogStore {
    pub fn open(sql: SqlStorage) -> Result<Self, StoreError> {
        let store = Self { sql };
        for statement in SCHEMA {
            store.exec(statement, Vec::new())?;
        }
        Ok(store)
    }

    /// The log of an object that has opened it before: its tables are there.
    pub fn opened(sql: SqlStorage) -> Self {
        Self { sql }
    }

    /// Entries whose rows for queries are due, oldest first.
    pub fn unprojected(&self, limit: u64) -> Result<Vec<EntryRow>, StoreError> {
        let query =
            format!("SELECT {COLUMNS} FROM entries WHERE projected = 0 ORDER BY position LIMIT ?");
        let found: Vec<Entry> = self.rows(&query, vec![integer(limit)?])?;
        Ok(found.into_iter().map(Entry::into_row).collect())
    }

    /// Notes that the rows of all entries up to `position` are written.
    pub fn mark_projected(&self, position: u64) -> Result<(), StoreError> {
        self.exec(
            "UPDATE entries SET projected = 1 WHERE projected = 0 AND position <= ?",
            vec![integer(position)?],
        )
    }

    fn exec(&self, query: &str, values: Vec<SqlStorageValue>) -> Result<(), StoreError> {
        let done = self.sql.exec(query, values);
        done.map(drop).map_err(sql_error)
    }

    fn rows<T: DeserializeOwned>(
        &self,
        query: &str,
        values: Vec<SqlStorageValue>,
    ) -> Result<Vec<T>, StoreError> {
        let cursor = self.sql.exec(query, values).map_err(sql_error)?;
        cursor.to_array().map_err(sql_error)
    }

    fn position(&self, query: &str, value: String) -> Result<Option<u64>, StoreError> {
        let found: Vec<Position> = self.rows(query, vec![SqlStorageValue::String(value)])?;
        Ok(found.first().map(|row| row.position))
    }
}

impl Nodes for SqlLogStore {
    type Error = StoreError;

    fn get(&self, level: u8, index: u64) -> Result<Option<Hash>, StoreError> {
        let found: Vec<Node> = self.rows(
            "SELECT hash FROM nodes WHERE level = ? AND position = ?",
            vec![integer(u64::from(level))?, integer(index)?],
        )?;
        Ok(found.first().map(|node| node.hash))
    }
}

impl LogStore for SqlLogStore {
    fn size(&self) -> Result<u64, StoreError> {
        let last: Vec<Position> = self.rows(
            "SELECT position FROM entries ORDER BY position DESC LIMIT 1",
            Vec::new(),
        )?;
        Ok(last.first().map_or(0, |row| row.position + 1))
    }

    fn entry(&self, index: u64) -> Result<Option<EntryRow>, StoreError> {
        let query = format!("SELECT {COLUMNS} FROM entries WHERE position = ?");
        let found: Vec<Entry> = self.rows(&query, vec![integer(index)?])?;
        Ok(found.into_iter().next().map(Entry::into_row))
    }

    fn index_by_key(&self, idempotency_key: &str) -> Result<Option<u64>, StoreError> {
        self.position(
            "SELECT position FROM entries WHERE idempotency_key = ?",
            idempotency_key.to_owned(),
        )
    }

    fn index_by_fact(&self, fact_id: &Hash) -> Result<Option<u64>, StoreError> {
        self.position(
            "SELECT position FROM entries WHERE fact_id = ?",
            fact_id.to_string(),
        )
    }

    fn commit(&mut self, commit: &Commit) -> Result<(), StoreError> {
        for node in &commit.nodes {
            self.exec(
                "INSERT OR REPLACE INTO nodes (level, position, hash) VALUES (?, ?, ?)",
                vec![
                    integer(u64::from(node.level))?,
                    integer(node.index)?,
                    SqlStorageValue::String(node.hash.to_string()),
                ],
            )?;
        }
        let entry = &commit.entry;
        self.exec(
            "INSERT INTO entries (position, fact_id, idempotency_key, logged_at_ms, content, \
             checkpoint) VALUES (?, ?, ?, ?, ?, ?)",
            vec![
                integer(entry.index)?,
                SqlStorageValue::String(entry.fact_id.to_string()),
                SqlStorageValue::String(entry.idempotency_key.clone()),
                integer(entry.logged_at_ms)?,
                entry
                    .content
                    .clone()
                    .map_or(SqlStorageValue::Null, SqlStorageValue::String),
                SqlStorageValue::String(entry.checkpoint.clone()),
            ],
        )
    }

    fn erase_content(&mut self, index: u64) -> Result<(), StoreError> {
        self.exec(
            "UPDATE entries SET content = NULL WHERE position = ?",
            vec![integer(index)?],
        )
    }
}

impl Entry {
    fn into_row(self) -> EntryRow {
        EntryRow {
            index: self.position,
            fact_id: self.fact_id,
            idempotency_key: self.idempotency_key,
            logged_at_ms: self.logged_at_ms,
            content: self.content,
            checkpoint: self.checkpoint,
        }
    }
}

fn integer(value: u64) -> Result<SqlStorageValue, StoreError> {
    i64::try_from(value)
        .ok()
        .and_then(|value| SqlStorageValue::try_from_i64(value).ok())
        .ok_or(StoreError::Range(value))
}

#[expect(clippy::needless_pass_by_value, reason = "the form map_err wants")]
fn sql_error(error: worker::Error) -> StoreError {
    StoreError::Sql(error.to_string())
}
