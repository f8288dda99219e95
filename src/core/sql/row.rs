use std::rc::Rc;

use super::{DatabaseError, Value};

/// What a statement gave back.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    pub rows: Vec<Row>,
    /// Rows written. On SQLite, rows that triggers write count too: compare with 0, or
    /// use `RETURNING`, to learn whether a guard held.
    pub changes: u64,
}

impl Outcome {
    pub fn first(&self) -> Option<&Row> {
        self.rows.first()
    }

    /// What a query counted: the number in its only row, 0 where there is none.
    pub fn count(&self, column: &str) -> Result<u64, DatabaseError> {
        let counted = self.first().map_or(Ok(0), |row| row.int(column))?;
        Ok(u64::try_from(counted).unwrap_or_default())
    }
}

/// A row, read by column name. Columns of one result share their names.
#[derive(Debug, Clone)]
pub struct Row {
    columns: Rc<[String]>,
    values: Vec<Value>,
}

/// Integers that a double holds exactly, which is what D1 carries.
const MAX_EXACT: f64 = 9_007_199_254_740_992.0;

impl Row {
    /// `values` are in the order of `columns`.
    pub fn new(columns: Rc<[String]>, values: Vec<Value>) -> Self {
        Self { columns, values }
    }

    pub fn value(&self, column: &str) -> Option<&Value> {
        let index = self.columns.iter().position(|name| name == column)?;
        self.values.get(index)
    }

    #[cfg(test)]
    pub(crate) fn columns(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.columns.iter().map(String::as_str).zip(&self.values)
    }

    pub fn text(&self, column: &str) -> Result<String, DatabaseError> {
        self.required(column, "text", as_text)
    }

    pub fn opt_text(&self, column: &str) -> Result<Option<String>, DatabaseError> {
        self.optional(column, "text", as_text)
    }

    pub fn int(&self, column: &str) -> Result<i64, DatabaseError> {
        self.required(column, "integer", as_int)
    }

    pub fn opt_int(&self, column: &str) -> Result<Option<i64>, DatabaseError> {
        self.optional(column, "integer", as_int)
    }

    pub fn real(&self, column: &str) -> Result<f64, DatabaseError> {
        self.required(column, "real", as_real)
    }

    pub fn opt_real(&self, column: &str) -> Result<Option<f64>, DatabaseError> {
        self.optional(column, "real", as_real)
    }

    pub fn boolean(&self, column: &str) -> Result<bool, DatabaseError> {
        self.required(column, "boolean", as_boolean)
    }

    pub fn opt_boolean(&self, column: &str) -> Result<Option<bool>, DatabaseError> {
        self.optional(column, "boolean", as_boolean)
    }

    /// Milliseconds since the epoch.
    pub fn timestamp(&self, column: &str) -> Result<i64, DatabaseError> {
        self.required(column, "timestamp", as_timestamp)
    }

    pub fn opt_timestamp(&self, column: &str) -> Result<Option<i64>, DatabaseError> {
        self.optional(column, "timestamp", as_timestamp)
    }

    pub fn json(&self, column: &str) -> Result<serde_json::Value, DatabaseError> {
        self.required(column, "json", as_json)
    }

    pub fn opt_json(&self, column: &str) -> Result<Option<serde_json::Value>, DatabaseError> {
        self.optional(column, "json", as_json)
    }

    fn required<T>(
        &self,
        column: &str,
        expected: &'static str,
        read: fn(&Value) -> Option<T>,
    ) -> Result<T, DatabaseError> {
        let value = self.value(column);
        value
            .and_then(read)
            .ok_or_else(|| decode_error(column, expected, value))
    }

    fn optional<T>(
        &self,
        column: &str,
        expected: &'static str,
        read: fn(&Value) -> Option<T>,
    ) -> Result<Option<T>, DatabaseError> {
        match self.value(column) {
            Some(Value::Null) => Ok(None),
            _ => self.required(column, expected, read).map(Some),
        }
    }
}

fn decode_error(column: &str, expected: &'static str, value: Option<&Value>) -> DatabaseError {
    DatabaseError::Decode {
        column: column.to_owned(),
        expected,
        found: value.map_or("no such column", Value::kind),
    }
}

fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::Text(text) => Some(text.clone()),
        _ => None,
    }
}

fn as_int(value: &Value) -> Option<i64> {
    match value {
        Value::Int(int) => Some(*int),
        #[expect(clippy::cast_possible_truncation, reason = "whole and in range")]
        Value::Real(real) if real.fract() == 0.0 && real.abs() <= MAX_EXACT => Some(*real as i64),
        _ => None,
    }
}

fn as_real(value: &Value) -> Option<f64> {
    match value {
        Value::Real(real) => Some(*real),
        #[expect(clippy::cast_precision_loss, reason = "asked for as a real")]
        Value::Int(int) => Some(*int as f64),
        _ => None,
    }
}

fn as_boolean(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(flag) => Some(*flag),
        _ => match as_int(value)? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        },
    }
}

fn as_timestamp(value: &Value) -> Option<i64> {
    match value {
        Value::Timestamp(ms) => Some(*ms),
        _ => as_int(value),
    }
}

fn as_json(value: &Value) -> Option<serde_json::Value> {
    match value {
        Value::Json(json) => Some(json.clone()),
        Value::Text(text) => serde_json::from_str(text).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(value: Value) -> Row {
        Row::new(Rc::from(["c".to_owned()]), vec![value])
    }

    #[test]
    fn a_wrong_type_names_the_column_and_what_was_there() {
        let error = row(Value::Text("x".into())).int("c").unwrap_err();
        assert_eq!(
            error.to_string(),
            "column `c` should be integer and is text"
        );
        let error = row(Value::Null).text("c").unwrap_err();
        assert_eq!(error.to_string(), "column `c` should be text and is null");
        let error = row(Value::Null).opt_text("d").unwrap_err();
        assert_eq!(
            error.to_string(),
            "column `d` should be text and is no such column"
        );
    }

    #[test]
    fn numbers_from_a_double_only_engine_read_as_integers_where_whole() {
        assert_eq!(row(Value::Real(3.0)).int("c").unwrap(), 3);
        assert!(row(Value::Real(3.5)).int("c").is_err());
        assert!(row(Value::Real(1e300)).int("c").is_err());
        assert!((row(Value::Int(3)).real("c").unwrap() - 3.0).abs() < f64::EPSILON);
    }

    #[test]
    fn booleans_are_flags_or_0_and_1() {
        assert!(row(Value::Bool(true)).boolean("c").unwrap());
        assert!(!row(Value::Int(0)).boolean("c").unwrap());
        assert!(row(Value::Int(2)).boolean("c").is_err());
        assert_eq!(row(Value::Null).opt_boolean("c").unwrap(), None);
    }

    #[test]
    fn json_reads_from_text_too() {
        let json = serde_json::json!({"a": [1]});
        assert_eq!(row(Value::Json(json.clone())).json("c").unwrap(), json);
        assert_eq!(row(Value::Text(json.to_string())).json("c").unwrap(), json);
        assert!(row(Value::Text("{".into())).json("c").is_err());
    }
}
