//! D1 as the core's database.

use std::collections::BTreeMap;
use std::rc::Rc;

use async_trait::async_trait;
use chitty_core::ports::Database;
use chitty_core::sql::{DatabaseError, Outcome, Row, Statement, Value, sqlite_error};
use serde::Deserialize;
use serde_json::json;
use wasm_bindgen::JsValue;

use crate::clock::within;
use crate::web::{Ticket, Told};

const TIMEOUT_MS: u64 = 10_000;
/// D1 takes JavaScript numbers, which hold integers up to here.
const MAX_INTEGER: i64 = 1 << 53;

/// A D1 database. Statements and results cross as one text each, however many they are.
pub struct D1 {
    database: JsValue,
    timeout_ms: u64,
}

impl D1 {
    pub fn new(database: worker::D1Database) -> Self {
        Self {
            database: JsValue::from(database),
            timeout_ms: TIMEOUT_MS,
        }
    }

    /// For each call, 10 s unless said here.
    #[must_use]
    pub fn with_timeout_ms(self, timeout_ms: u64) -> Self {
        Self { timeout_ms, ..self }
    }

    /// What comes of the statements: of several, a reply for each.
    async fn settle<T: for<'a> Deserialize<'a>>(
        &self,
        statements: &[Statement],
        batch: bool,
    ) -> Result<T, DatabaseError> {
        let text = encode(statements)?;
        let told = within(self.timeout_ms, Ticket::query(&self.database, &text, batch)).await;
        match told {
            Some(Told {
                bytes: Some(result),
                ..
            }) => serde_json::from_slice(&result).map_err(|error| unreadable(&error)),
            Some(Told { fault, .. }) => Err(sqlite_error(&fault.unwrap_or_default())),
            None => Err(DatabaseError::Unavailable(format!(
                "no answer within {} ms",
                self.timeout_ms
            ))),
        }
    }
}

/// Statements as `web.js` takes them.
pub(crate) fn encode(statements: &[Statement]) -> Result<String, DatabaseError> {
    let encoded = statements
        .iter()
        .map(to_json)
        .collect::<Result<Vec<_>, _>>()?;
    serde_json::to_string(&encoded).map_err(|error| unreadable(&error))
}

pub(crate) fn unreadable(error: &serde_json::Error) -> DatabaseError {
    DatabaseError::Statement(format!("unreadable statement or result: {error}"))
}

#[async_trait(?Send)]
impl Database for D1 {
    async fn run(&self, statement: Statement) -> Result<Outcome, DatabaseError> {
        let reply: Reply = self.settle(&[statement], false).await?;
        Ok(reply.outcome())
    }

    async fn batch(&self, statements: Vec<Statement>) -> Result<Vec<Outcome>, DatabaseError> {
        if statements.is_empty() {
            return Ok(Vec::new());
        }
        let replies: Vec<Reply> = self.settle(&statements, true).await?;
        Ok(replies.into_iter().map(Reply::outcome).collect())
    }
}

/// `D1Result`, the parts that matter.
#[derive(Deserialize)]
struct Reply {
    #[serde(default)]
    results: Vec<JsonRow>,
    #[serde(default)]
    meta: Meta,
}

#[derive(Default, Deserialize)]
struct Meta {
    #[serde(default)]
    changes: u64,
}

impl Reply {
    fn outcome(self) -> Outcome {
        Outcome {
            rows: rows(self.results),
            changes: self.meta.changes,
        }
    }
}

/// Values by column.
pub(crate) type JsonRow = BTreeMap<String, serde_json::Value>;

pub(crate) fn rows(results: Vec<JsonRow>) -> Vec<Row> {
    let columns: Rc<[String]> = results
        .first()
        .map(|row| row.keys().cloned().collect())
        .unwrap_or_default();
    let row = |row: JsonRow| {
        let values = row.into_values().map(from_json).collect();
        Row::new(Rc::clone(&columns), values)
    };
    results.into_iter().map(row).collect()
}

fn from_json(value: serde_json::Value) -> Value {
    match value {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::String(text) => Value::Text(text),
        serde_json::Value::Bool(flag) => Value::Bool(flag),
        serde_json::Value::Number(number) => number
            .as_i64()
            .map(Value::Int)
            .or_else(|| number.as_f64().map(Value::Real))
            .unwrap_or(Value::Null),
        other => Value::Json(other),
    }
}

/// The statement with its parameters, as `web.js` takes them.
fn to_json(statement: &Statement) -> Result<serde_json::Value, DatabaseError> {
    let params = statement.params.iter().map(parameter);
    let params = params.collect::<Result<Vec<_>, _>>()?;
    Ok(json!([statement.sql, params]))
}

fn parameter(value: &Value) -> Result<serde_json::Value, DatabaseError> {
    Ok(match value {
        Value::Null => serde_json::Value::Null,
        Value::Int(int) | Value::Timestamp(int) => exact(*int)?,
        Value::Real(real) if real.is_finite() => json!(real),
        Value::Real(real) => {
            return Err(DatabaseError::Statement(format!("{real} cannot be stored")));
        }
        Value::Text(text) => json!(text),
        Value::Bool(flag) => json!(u8::from(*flag)),
        Value::Json(json) => json!(json.to_string()),
    })
}

fn exact(int: i64) -> Result<serde_json::Value, DatabaseError> {
    if int.unsigned_abs() > MAX_INTEGER.unsigned_abs() {
        let error = format!("{int} is beyond 2^53, which D1 cannot store; store it as text");
        return Err(DatabaseError::Statement(error));
    }
    Ok(json!(int))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_becomes_rows_and_changes() {
        let text = r#"{"success":true,"meta":{"changes":2,"duration":0.1},
            "results":[{"id":"a","n":1,"r":1.5,"none":null},{"id":"b","n":2,"r":2,"none":null}]}"#;
        let reply: Reply = serde_json::from_str(text).unwrap();
        let outcome = reply.outcome();
        assert_eq!(outcome.changes, 2);
        assert_eq!(outcome.rows[1].text("id").unwrap(), "b");
        assert_eq!(outcome.rows[0].int("n").unwrap(), 1);
        assert!((outcome.rows[1].real("r").unwrap() - 2.0).abs() < f64::EPSILON);
        assert_eq!(outcome.rows[0].opt_text("none").unwrap(), None);
    }

    #[test]
    fn a_reply_without_results_is_empty() {
        let reply: Reply = serde_json::from_str(r#"{"success":true,"meta":{}}"#).unwrap();
        let outcome = reply.outcome();
        assert_eq!((outcome.rows.len(), outcome.changes), (0, 0));
    }

    #[test]
    fn a_statement_becomes_json_that_keeps_every_value() {
        let statement = Statement::new("INSERT")
            .bind("a\u{1f600}\"")
            .bind(MAX_INTEGER)
            .bind(0.1)
            .bind(true);
        let text = to_json(&statement).unwrap().to_string();
        assert_eq!(text, r#"["INSERT",["a😀\"",9007199254740992,0.1,1]]"#);
        for value in [Value::Int(MAX_INTEGER + 1), Value::Real(f64::NAN)] {
            assert!(matches!(
                parameter(&value),
                Err(DatabaseError::Statement(_))
            ));
        }
    }
}
