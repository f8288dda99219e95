//! The log's storage in a Durable Object's SQLite. Calls are synchronous; what is written
//! between two awaits becomes durable together, before any reply leaves the object.

use chitty_core::chain::fact::LogEntry;
use chitty_core::chain::hash::Hash;
use chitty_core::chain::store::{Commit, EntryRow, LogStore, RoundRow};
use chitty_core::chain::tree::Nodes;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use wasm_bindgen::JsValue;
use worker::State;

use crate::web::transact;

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

const COLUMNS: &str = "position, fact_id, idempotency_key, logged_at_ms, content";

/// Bytes of one parameter of a statement; SQLite in an object takes 2 MB.
const MAX_PARAMETER: usize = 1_000_000;

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("{0}")]
    Sql(String),
    #[error("unreadable row: {0}")]
    Row(#[from] serde_json::Error),
}

/// The log of one Durable Object.
pub struct SqlLogStore {
    storage: JsValue,
}

#[derive(Deserialize)]
struct Entry {
    position: u64,
    fact_id: Hash,
    idempotency_key: String,
    logged_at_ms: u64,
    content: Option<String>,
}

#[derive(Deserialize)]
struct Round {
    size: u64,
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

type Statement = (String, Vec<Value>);

impl SqlLogStore {
    pub fn open(state: &State) -> Result<Self, StoreError> {
        let storage = state.as_raw().storage();
        let storage = storage.map_err(|thrown| StoreError::Sql(crate::message(&thrown)))?;
        let store = Self {
            storage: storage.into(),
        };
        store.run(&SCHEMA.map(plain))?;
        let old: Vec<Value> = store.rows(OLD_ENTRIES, vec![])?;
        if !old.is_empty() {
            store.run(&FROM_OLD_ENTRIES.map(plain))?;
        }
        Ok(store)
    }

    /// All in one transaction; the rows of each.
    fn run(&self, statements: &[Statement]) -> Result<String, StoreError> {
        transact(&self.storage, &serde_json::to_string(statements)?)
            .map_err(|thrown| StoreError::Sql(crate::message(&thrown)))
    }

    fn rows<T: DeserializeOwned>(
        &self,
        query: &str,
        values: Vec<Value>,
    ) -> Result<Vec<T>, StoreError> {
        let answer = self.run(&[(query.to_owned(), values)])?;
        let [rows]: [Vec<T>; 1] = serde_json::from_str(&answer)?;
        Ok(rows)
    }

    fn entries(&self, rest: &str, values: Vec<Value>) -> Result<Vec<EntryRow>, StoreError> {
        let query = format!("SELECT {COLUMNS} FROM entries WHERE {rest}");
        let found: Vec<Entry> = self.rows(&query, values)?;
        Ok(found.into_iter().map(Entry::into_row).collect())
    }

    fn position(&self, query: &str, value: &str) -> Result<Option<u64>, StoreError> {
        let found: Vec<Position> = self.rows(query, vec![json!(value)])?;
        Ok(found.first().map(|row| row.position))
    }
}

impl Nodes for SqlLogStore {
    type Error = StoreError;

    fn get(&self, level: u8, index: u64) -> Result<Option<Hash>, StoreError> {
        let found = self.level(level, index, index + 1)?;
        Ok(found.first().copied())
    }
}

impl LogStore for SqlLogStore {
    fn size(&self) -> Result<u64, StoreError> {
        let newest = "SELECT size AS position FROM rounds ORDER BY size DESC LIMIT 1";
        let found: Vec<Position> = self.rows(newest, vec![])?;
        Ok(found.first().map_or(0, |row| row.position))
    }

    fn round_from(&self, size: u64) -> Result<Option<RoundRow>, StoreError> {
        let query = "SELECT size, checkpoint FROM rounds WHERE size >= ? ORDER BY size LIMIT 1";
        let found: Vec<Round> = self.rows(query, vec![json!(size)])?;
        let round = |Round { size, checkpoint }| RoundRow { size, checkpoint };
        Ok(found.into_iter().next().map(round))
    }

    fn entry(&self, index: u64) -> Result<Option<EntryRow>, StoreError> {
        let found = self.entries("position = ?", vec![json!(index)])?;
        Ok(found.into_iter().next())
    }

    fn log_entries(&self, from: u64, to: u64) -> Result<Vec<LogEntry>, StoreError> {
        self.rows(
            "SELECT fact_id, logged_at_ms FROM entries WHERE position >= ? AND position < ? \
             ORDER BY position",
            vec![json!(from), json!(to)],
        )
    }

    fn level(&self, level: u8, from: u64, to: u64) -> Result<Vec<Hash>, StoreError> {
        let found: Vec<Node> = self.rows(
            "SELECT hash FROM nodes WHERE level = ? AND position >= ? AND position < ? \
             ORDER BY position",
            vec![json!(level), json!(from), json!(to)],
        )?;
        Ok(found.into_iter().map(|node| node.hash).collect())
    }

    fn index_by_key(&self, idempotency_key: &str) -> Result<Option<u64>, StoreError> {
        self.position(
            "SELECT position FROM entries WHERE idempotency_key = ?",
            idempotency_key,
        )
    }

    fn index_by_fact(&self, fact_id: &Hash) -> Result<Option<u64>, StoreError> {
        self.position(
            "SELECT position FROM entries WHERE fact_id = ?",
            &fact_id.to_string(),
        )
    }

    fn commit(&mut self, commit: &Commit) -> Result<(), StoreError> {
        let nodes = commit
            .nodes
            .iter()
            .map(|node| json!([node.level, node.index, node.hash]));
        let mut statements = inserts(
            "INSERT INTO nodes (level, position, hash) \
             SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each(?)",
            nodes,
        );
        let entries = commit.entries.iter().map(|row| {
            json!([
                row.index,
                row.fact_id,
                row.idempotency_key,
                row.logged_at_ms,
                row.content
            ])
        });
        statements.extend(inserts(
            "INSERT INTO entries (position, fact_id, idempotency_key, logged_at_ms, content) \
             SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4 \
             FROM json_each(?)",
            entries,
        ));
        let round = &commit.round;
        statements.push((
            "INSERT INTO rounds (size, checkpoint) VALUES (?, ?)".to_owned(),
            vec![json!(round.size), json!(round.checkpoint)],
        ));
        self.run(&statements).map(drop)
    }

    fn erase_content(&mut self, index: u64) -> Result<(), StoreError> {
        let erase = "UPDATE entries SET content = NULL WHERE position = ?";
        self.run(&[(erase.to_owned(), vec![json!(index)])])
            .map(drop)
    }

    fn due_rows(&self, size: u64, limit: u64) -> Result<Vec<EntryRow>, StoreError> {
        self.entries(
            "projected = 0 AND position < ? ORDER BY position LIMIT ?",
            vec![json!(size), json!(limit)],
        )
    }

    fn rows_written(&mut self, index: u64) -> Result<(), StoreError> {
        let mark = "UPDATE entries SET projected = 1 WHERE projected = 0 AND position <= ?";
        self.run(&[(mark.to_owned(), vec![json!(index)])]).map(drop)
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
        }
    }
}

fn plain(sql: &str) -> Statement {
    (sql.to_owned(), vec![])
}

/// `sql` for all rows, as JSON arrays, each time for as many as one parameter holds.
fn inserts(sql: &str, rows: impl Iterator<Item = Value>) -> Vec<Statement> {
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
    let statement = |rows: String| (sql.to_owned(), vec![json!(format!("[{rows}]"))]);
    parameters.into_iter().map(statement).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_parted_where_a_parameter_would_be_too_long() {
        let row = |size: usize| json!(["x".repeat(size)]);
        let sizes = [10, 600_000, 600_000, 10];
        let statements = inserts("INSERT", sizes.into_iter().map(row));
        let rows: Vec<Vec<Value>> = statements
            .iter()
            .map(|(_, values)| serde_json::from_str(values[0].as_str().unwrap()).unwrap())
            .collect();
        assert_eq!(rows.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2]);
        assert_eq!(rows.concat(), sizes.map(row));
        assert!(inserts("INSERT", std::iter::empty()).is_empty());
    }
}
