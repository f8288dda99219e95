//! What the log says of a fact's row: the columns that follow from the log alone.

use serde_json::json;

use crate::chain::receipt::{StoredContent, StoredFact};
use crate::sql::{Row, Value};

/// Columns, each with what it holds; none for null. Of altered content only the place: there is
/// nothing that the rest could be held against.
pub fn said(stored: &StoredFact) -> Vec<(&'static str, Option<String>)> {
    let mut said = vec![
        ("uuid", Some(stored.fact_id.to_string())),
        ("leaf_index", Some(stored.leaf_index.to_string())),
        ("leaf_hash", Some(stored.entry().leaf_hash().to_string())),
        ("ingested_at", Some(stored.logged_at_ms.to_string())),
    ];
    match &stored.content {
        StoredContent::Present { fact, canonical } => said.extend([
            ("fact_json", Some(canonical.clone())),
            ("subject", Some(fact.subject.clone())),
            ("predicate", Some(fact.predicate.clone())),
            ("object", Some(fact.object.clone())),
            ("source", Some(fact.source.clone())),
            ("timestamp", Some(fact.timestamp_ms.to_string())),
            ("user_id", fact.metadata.get("user_id").cloned()),
            ("metadata", Some(json!(fact.metadata).to_string())),
        ]),
        StoredContent::Erased => {
            said.push(("fact_json", None));
            said.extend(["subject", "predicate", "object"].map(|name| (name, Some(String::new()))));
        }
        StoredContent::Altered { .. } => (),
    }
    said
}

/// What a column holds, in the same form, whatever type the engine has for it.
pub fn held(row: &Row, column: &str) -> Option<String> {
    match row.value(column)? {
        Value::Null => None,
        Value::Text(text) => match column {
            // Spelled anew, so that only what it says counts.
            "metadata" => match serde_json::from_str::<serde_json::Value>(text) {
                Ok(json) => Some(json.to_string()),
                Err(_) => Some(text.clone()),
            },
            _ => Some(text.clone()),
        },
        Value::Json(json) => Some(json.to_string()),
        Value::Int(number) | Value::Timestamp(number) => Some(number.to_string()),
        Value::Real(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
    }
}
