//! Anchors in the SQLite of their object.

use super::Anchor;
use crate::sql::{DatabaseError, Row, Sql, Statement};

/// How many anchors are tried from either end, where they do not hold any more.
const TRIED: usize = 8;

const SCHEMA: [&str; 4] = [
    "CREATE TABLE IF NOT EXISTS anchors (size INTEGER PRIMARY KEY, stamped INTEGER NOT NULL, \
     quorum_met INTEGER NOT NULL, body TEXT NOT NULL)",
    "CREATE INDEX IF NOT EXISTS anchors_stamped ON anchors (size) WHERE stamped = 1",
    "CREATE INDEX IF NOT EXISTS anchors_witnessed ON anchors (size) WHERE quorum_met = 1",
    // The size each witness has cosigned, by its verifier key.
    "CREATE TABLE IF NOT EXISTS witnesses (witness TEXT PRIMARY KEY, size INTEGER NOT NULL)",
];

/// What an anchor is looked for by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Having {
    Stamp,
    Quorum,
}

pub struct AnchorStore<S> {
    sql: S,
}

impl<S: Sql> AnchorStore<S> {
    /// Makes the tables where they are missing.
    ///
    /// # Errors
    /// The storage failed.
    pub fn open(sql: S) -> Result<Self, DatabaseError> {
        sql.batch(&SCHEMA.map(Statement::new))?;
        Ok(Self { sql })
    }

    pub(super) fn newest(&self) -> Result<Option<Anchor>, DatabaseError> {
        self.one(Statement::new(
            "SELECT body FROM anchors ORDER BY size DESC LIMIT 1",
        ))
    }

    /// Those of at least `size` that have what is asked for, the smallest first: the smallest
    /// and the newest of them, [`TRIED`] each. Without a size the newest that have it, newest
    /// first.
    pub(super) fn covering(
        &self,
        size: Option<u64>,
        having: Having,
    ) -> Result<Vec<Anchor>, DatabaseError> {
        let has = match having {
            Having::Stamp => "stamped = 1",
            Having::Quorum => "quorum_met = 1",
        };
        let some = |order: &str| {
            format!(
                "SELECT * FROM (SELECT size, body FROM anchors WHERE {has} AND size >= ?1 \
                 ORDER BY size {order} LIMIT {TRIED})"
            )
        };
        let query = match size {
            Some(_) => format!("{} UNION {} ORDER BY size", some("ASC"), some("DESC")),
            None => format!("{} ORDER BY size DESC", some("DESC")),
        };
        let least = integer(size.unwrap_or_default())?;
        let found = self.sql.query(Statement::new(query).bind(least))?;
        found.rows.iter().map(read).collect()
    }

    /// Writes an anchor in place of that of its size.
    pub(super) fn put(&self, anchor: &Anchor) -> Result<(), DatabaseError> {
        let statement = Statement::new(
            "INSERT INTO anchors (size, stamped, quorum_met, body) VALUES (?1, ?2, ?3, ?4) \
             ON CONFLICT (size) DO UPDATE SET stamped = excluded.stamped, \
             quorum_met = excluded.quorum_met, body = excluded.body",
        )
        .bind(integer(anchor.size)?)
        .bind(anchor.stamp.is_some())
        .bind(anchor.quorum_met)
        .bind(serde_json::json!(anchor).to_string());
        self.sql.query(statement).map(drop)
    }

    /// How many there are: authorities take turns by it.
    pub(super) fn count(&self) -> Result<u64, DatabaseError> {
        let found = self
            .sql
            .query(Statement::new("SELECT count(*) AS anchors FROM anchors"))?;
        let count = found.first().map(|row| row.int("anchors")).transpose()?;
        Ok(count.and_then(|count| count.try_into().ok()).unwrap_or(0))
    }

    /// The size that a witness was last seen to have cosigned; 0 if none.
    pub(super) fn witnessed(&self, witness: &str) -> Result<u64, DatabaseError> {
        let query = "SELECT size FROM witnesses WHERE witness = ?1";
        let found = self.sql.query(Statement::new(query).bind(witness))?;
        let size = found.first().map(|row| row.int("size")).transpose()?;
        Ok(size.and_then(|size| size.try_into().ok()).unwrap_or(0))
    }

    pub(super) fn set_witnessed(&self, witness: &str, size: u64) -> Result<(), DatabaseError> {
        let statement = Statement::new(
            "INSERT INTO witnesses (witness, size) VALUES (?1, ?2) \
             ON CONFLICT (witness) DO UPDATE SET size = excluded.size",
        );
        let statement = statement.bind(witness).bind(integer(size)?);
        self.sql.query(statement).map(drop)
    }

    fn one(&self, statement: Statement) -> Result<Option<Anchor>, DatabaseError> {
        let found = self.sql.query(statement)?;
        found.first().map(read).transpose()
    }
}

fn read(row: &Row) -> Result<Anchor, DatabaseError> {
    serde_json::from_str(&row.text("body")?).map_err(|e| DatabaseError::Statement(e.to_string()))
}

fn integer(value: u64) -> Result<i64, DatabaseError> {
    let too_large = |_| DatabaseError::Statement(format!("{value} is too large for a column"));
    value.try_into().map_err(too_large)
}
