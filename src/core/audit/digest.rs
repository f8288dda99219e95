//! The digest of a row: of each column, and of all together.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::tables::{Form, Table};
use crate::digest::sha256_hex;
use crate::seal::Sealer;
use crate::sql::{DatabaseError, Row};

/// Hex digits kept of a column's digest: they name what differs; the row's own is whole.
const SHORT: usize = 16;
pub(super) const NULL: &str = "null";

/// What a row says, so that another one differs from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RowDigest {
    /// SHA-256 of the RFC 8785 form of table name and columns.
    pub whole: String,
    /// Of each column the first 16 hex digits, or `null`.
    pub columns: BTreeMap<String, String>,
}

/// A column that cannot be read as what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unreadable {
    pub column: &'static str,
    pub why: String,
}

pub(super) fn of_row(table: &Table, row: &Row, sealer: &Sealer) -> Result<RowDigest, Unreadable> {
    let mut values = serde_json::Map::new();
    let mut columns = BTreeMap::new();
    for (column, form) in table.columns {
        let value = value(row, column, *form, sealer)?;
        let digest = if value.is_null() {
            NULL.to_owned()
        } else {
            short(&value)
        };
        columns.insert((*column).to_owned(), digest);
        values.insert((*column).to_owned(), value);
    }
    let all = json!({ "table": table.name, "columns": values });
    Ok(RowDigest {
        whole: sha256_hex(canonical(&all)),
        columns,
    })
}

/// As a column of text has it that says this.
pub(super) fn short_of(text: &str) -> String {
    short(&Value::from(text))
}

pub(super) fn short(value: &Value) -> String {
    sha256_hex(canonical(value)).chars().take(SHORT).collect()
}

impl RowDigest {
    /// Columns that are not as `recorded` has them.
    pub fn differences(&self, recorded: &BTreeMap<String, String>) -> Vec<String> {
        let differs = |(name, digest): &(&String, &String)| recorded.get(*name) != Some(*digest);
        let differing = self.columns.iter().filter(differs);
        differing.map(|(name, _)| name.clone()).collect()
    }

    pub fn is_null(&self, column: &str) -> bool {
        self.columns
            .get(column)
            .is_some_and(|digest| digest == NULL)
    }
}

fn canonical(value: &Value) -> String {
    // Fails for numbers that are not finite, which JSON has not.
    serde_json_canonicalizer::to_string(value).unwrap_or_default()
}

fn value(
    row: &Row,
    column: &'static str,
    form: Form,
    sealer: &Sealer,
) -> Result<Value, Unreadable> {
    let read = match form {
        Form::Text | Form::Link => row.opt_text(column).map(Value::from),
        // As text: RFC 8785 numbers are doubles, and a sum may have more digits.
        Form::Int => row.opt_int(column).map(|n| n.map(|n| n.to_string()).into()),
        Form::Bool => row.opt_boolean(column).map(Value::from),
        Form::Time => row.opt_timestamp(column).map(Value::from),
        Form::Json => row.opt_json(column).map(|json| json.unwrap_or(Value::Null)),
        Form::Sealed(purpose) => return sealed(row, column, purpose, sealer),
    };
    read.map_err(|error| unreadable(column, &error))
}

/// An empty text is one that was erased.
fn sealed(
    row: &Row,
    column: &'static str,
    purpose: &str,
    sealer: &Sealer,
) -> Result<Value, Unreadable> {
    let text = row.opt_text(column);
    let text = text.map_err(|error| unreadable(column, &error))?;
    let Some(text) = text.filter(|text| !text.is_empty()) else {
        return Ok(Value::Null);
    };
    let of = |name: &'static str| row.text(name).map_err(|error| unreadable(name, &error));
    let opened = sealer.open(purpose, &[&of("user_id")?, &of("id")?], &text);
    opened
        .map(|opened| Value::from(sha256_hex(opened)))
        .map_err(|error| Unreadable {
            column,
            why: format!("the sealed text does not open: {error}"),
        })
}

fn unreadable(column: &'static str, error: &DatabaseError) -> Unreadable {
    Unreadable {
        column,
        why: error.to_string(),
    }
}
