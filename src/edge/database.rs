//! D1 as the core's database.

use std::collections::BTreeMap;
use std::rc::Rc;

use async_trait::async_trait;
use chitty_core::ports::Database;
use chitty_core::sql::{DatabaseError, Outcome, Row, Statement, Value, sqlite_error};
use js_sys::{Array, JSON, Promise};
use serde::Deserialize;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use worker::worker_sys::types::{D1Database as JsDatabase, D1PreparedStatement as JsStatement};

use crate::clock::within;
use crate::message;

const TIMEOUT_MS: u64 = 10_000;
/// D1 takes JavaScript numbers, which hold integers up to here.
const MAX_INTEGER: i64 = 1 << 53;

/// A D1 database. Results cross from JavaScript as one text, whatever their size.
pub struct D1 {
    database: JsDatabase,
    timeout_ms: u64,
}

impl D1 {
    pub fn new(database: worker::D1Database) -> Self {
        Self {
            database: JsValue::from(database).unchecked_into(),
            timeout_ms: TIMEOUT_MS,
        }
    }

    /// For each call, 10 s unless said here.
    #[must_use]
    pub fn with_timeout_ms(self, timeout_ms: u64) -> Self {
        Self { timeout_ms, ..self }
    }

    fn prepare(&self, statement: &Statement) -> Result<JsStatement, DatabaseError> {
        let prepared = self.database.prepare(&statement.sql).map_err(thrown)?;
        if statement.params.is_empty() {
            return Ok(prepared);
        }
        let values = statement
            .params
            .iter()
            .map(to_js)
            .collect::<Result<Array, _>>()?;
        prepared.bind(values).map_err(thrown)
    }

    async fn settle<T: for<'a> Deserialize<'a>>(
        &self,
        promise: Result<Promise, JsValue>,
    ) -> Result<T, DatabaseError> {
        let promise = promise.map_err(thrown)?;
        let settled = within(self.timeout_ms, JsFuture::from(promise)).await;
        let result = settled
            .ok_or_else(|| {
                DatabaseError::Unavailable(format!("no answer within {} ms", self.timeout_ms))
            })?
            .map_err(thrown)?;
        let text = String::from(JSON::stringify(&result).map_err(thrown)?);
        serde_json::from_str(&text)
            .map_err(|error| DatabaseError::Statement(format!("unreadable result: {error}")))
    }
}

#[async_trait(?Send)]
impl Database for D1 {
    async fn run(&self, statement: Statement) -> Result<Outcome, DatabaseError> {
        let prepared = self.prepare(&statement)?;
        let reply: Reply = self.settle(prepared.all()).await?;
        Ok(reply.outcome())
    }

    async fn batch(&self, statements: Vec<Statement>) -> Result<Vec<Outcome>, DatabaseError> {
        if statements.is_empty() {
            return Ok(Vec::new());
        }
        let prepared = statements
            .iter()
            .map(|statement| self.prepare(statement))
            .collect::<Result<Array, _>>()?;
        let replies: Vec<Reply> = self.settle(self.database.batch(prepared)).await?;
        Ok(replies.into_iter().map(Reply::outcome).collect())
    }
}

/// `D1Result`, the parts that matter.
#[derive(Deserialize)]
struct Reply {
    #[serde(default)]
    results: Vec<BTreeMap<String, serde_json::Value>>,
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
        let columns: Rc<[String]> = self
            .results
            .first()
            .map(|row| row.keys().cloned().collect())
            .unwrap_or_default();
        let rows = self
            .results
            .into_iter()
            .map(|row| {
                Row::new(
                    Rc::clone(&columns),
                    row.into_values().map(from_json).collect(),
                )
            })
            .collect();
        Outcome {
            rows,
            changes: self.meta.changes,
        }
    }
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

fn to_js(value: &Value) -> Result<JsValue, DatabaseError> {
    Ok(match value {
        Value::Null => JsValue::NULL,
        Value::Int(int) | Value::Timestamp(int) => exact(*int)?,
        Value::Real(real) if real.is_finite() => JsValue::from_f64(*real),
        Value::Real(real) => {
            return Err(DatabaseError::Statement(format!("{real} cannot be stored")));
        }
        Value::Text(text) => JsValue::from_str(text),
        Value::Bool(flag) => JsValue::from_f64(f64::from(u8::from(*flag))),
        Value::Json(json) => JsValue::from_str(&json.to_string()),
    })
}

fn exact(int: i64) -> Result<JsValue, DatabaseError> {
    if int.unsigned_abs() > MAX_INTEGER.unsigned_abs() {
        let error = format!("{int} is beyond 2^53, which D1 cannot store; store it as text");
        return Err(DatabaseError::Statement(error));
    }
    #[expect(clippy::cast_precision_loss, reason = "exact up to 2^53")]
    let number = int as f64;
    Ok(JsValue::from_f64(number))
}

#[expect(clippy::needless_pass_by_value, reason = "shape of map_err")]
fn thrown(error: JsValue) -> DatabaseError {
    sqlite_error(&message(&error))
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
}
