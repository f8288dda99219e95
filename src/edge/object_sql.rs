//! A Durable Object's SQLite. Statements and rows cross as one text each, however many they are.

use chitty_core::sql::{DatabaseError, Outcome, Sql, Statement, sqlite_error};
use wasm_bindgen::JsValue;
use worker::State;

use crate::database::{JsonRow, encode, rows, unreadable};
use crate::web::transact;

pub struct ObjectSql {
    storage: JsValue,
}

impl ObjectSql {
    pub fn new(state: &State) -> worker::Result<Self> {
        let storage = state.as_raw().storage()?;
        Ok(Self {
            storage: storage.into(),
        })
    }
}

impl Sql for ObjectSql {
    fn batch(&self, statements: &[Statement]) -> Result<Vec<Outcome>, DatabaseError> {
        let answer = transact(&self.storage, &encode(statements)?)
            .map_err(|thrown| sqlite_error(&crate::message(&thrown)))?;
        let results: Vec<Vec<JsonRow>> =
            serde_json::from_str(&answer).map_err(|error| unreadable(&error))?;
        let outcome = |results| Outcome {
            rows: rows(results),
            changes: 0,
        };
        Ok(results.into_iter().map(outcome).collect())
    }
}
