//! What a witness saw of one log, in the SQLite of that log's object.

use serde::de::DeserializeOwned;

use super::store::{Fork, SeenHead, WitnessStore};
use crate::sql::{DatabaseError, Sql, Statement};

const SCHEMA: [&str; 2] = [
    "CREATE TABLE IF NOT EXISTS head (one INTEGER PRIMARY KEY CHECK (one = 1), body TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS forks (position INTEGER PRIMARY KEY, body TEXT NOT NULL)",
];

pub struct SqlWitnessStore<S> {
    sql: S,
}

impl<S: Sql> SqlWitnessStore<S> {
    /// Makes the tables where they are missing.
    ///
    /// # Errors
    /// The storage failed.
    pub fn open(sql: S) -> Result<Self, DatabaseError> {
        sql.batch(&SCHEMA.map(Statement::new))?;
        Ok(Self { sql })
    }

    fn bodies<T: DeserializeOwned>(&self, query: &'static str) -> Result<Vec<T>, DatabaseError> {
        let found = self.sql.query(Statement::new(query))?;
        let bodies = found.rows.iter().map(|row| {
            let body = row.text("body")?;
            serde_json::from_str(&body).map_err(|e| DatabaseError::Statement(e.to_string()))
        });
        bodies.collect()
    }
}

impl<S: Sql> WitnessStore for SqlWitnessStore<S> {
    type Error = DatabaseError;

    fn head(&self) -> Result<Option<SeenHead>, DatabaseError> {
        let found = self.bodies("SELECT body FROM head")?;
        Ok(found.into_iter().next())
    }

    fn set_head(&mut self, head: &SeenHead) -> Result<(), DatabaseError> {
        let statement = Statement::new(
            "INSERT INTO head (one, body) VALUES (1, ?1) \
             ON CONFLICT (one) DO UPDATE SET body = excluded.body",
        );
        let statement = statement.bind(serde_json::json!(head).to_string());
        self.sql.query(statement).map(drop)
    }

    fn forks(&self) -> Result<Vec<Fork>, DatabaseError> {
        self.bodies("SELECT body FROM forks ORDER BY position")
    }

    fn set_forks(&mut self, forks: &[Fork]) -> Result<(), DatabaseError> {
        let insert = |fork: &Fork| {
            let body = serde_json::json!(fork).to_string();
            Statement::new("INSERT INTO forks (body) VALUES (?1)").bind(body)
        };
        let mut all = vec![Statement::new("DELETE FROM forks")];
        all.extend(forks.iter().map(insert));
        self.sql.batch(&all).map(drop)
    }
}
