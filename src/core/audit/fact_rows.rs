//! A fact of the log against what commits to it, and its row in the database against the fact.

use std::collections::HashSet;

use serde_json::json;

use super::finding::{Code, Finding};
use crate::chain::fact::{Fact, LogEntry, fact_id};
use crate::chain::hash::Hash;
use crate::chain::receipt::{StoredContent, StoredFact};
use crate::sql::{Row, Value};

/// Ids of executions and evidence records, with whose they are.
pub(super) type Owned = HashSet<(String, String)>;

pub(super) fn leaf_of(stored: &StoredFact) -> Hash {
    let entry = LogEntry {
        fact_id: stored.fact_id,
        logged_at_ms: stored.logged_at_ms,
    };
    entry.leaf_hash()
}

pub(super) fn check_content(name: &str, stored: &StoredFact) -> Option<Finding> {
    let StoredContent::Altered { canonical } = &stored.content else {
        return None;
    };
    let what = "the content is not what the fact id commits to";
    let finding = Finding::new(Code::FactAltered, name, what);
    Some(finding.evidence(stored.fact_id.to_string(), fact_id(canonical).to_string()))
}

/// Column by column. What says whether somebody checked the fact before is not evidence of
/// anything: it is held against nothing but itself.
pub(super) fn check_fact_row(
    name: &str,
    stored: &StoredFact,
    row: Option<&Row>,
    owned: &Owned,
) -> Vec<Finding> {
    let Some(row) = row else {
        let missing = stored.content.fact().map(|_| {
            let what = "the log has a fact whose row the database does not have";
            Finding::new(Code::FactRowMissing, name, what)
        });
        return missing.into_iter().collect();
    };
    let mut wrong = Vec::new();
    let mut hold = |column: &str, expected: Option<String>, found: Option<String>| {
        if expected != found {
            let what = "the column is not what the log says";
            let finding = Finding::new(Code::FactRowAltered, name, what).column(column);
            wrong.push(finding.evidence(expected.map(short), found.map(short)));
        }
    };
    let text = |column: &str| as_text(row, column);
    hold("uuid", Some(stored.fact_id.to_string()), text("uuid"));
    hold(
        "leaf_hash",
        Some(leaf_of(stored).to_string()),
        text("leaf_hash"),
    );
    hold(
        "ingested_at",
        Some(stored.logged_at_ms.to_string()),
        text("ingested_at"),
    );
    hold("salt", None, text("salt"));
    hold("fortress_signature", None, text("fortress_signature"));
    match &stored.content {
        StoredContent::Present { fact, canonical } => {
            hold("fact_json", Some(canonical.clone()), text("fact_json"));
            hold("erased_at", None, text("erased_at"));
            fact_columns(fact, row, owned, &mut hold);
        }
        StoredContent::Erased => {
            hold("fact_json", None, text("fact_json"));
            for column in ["subject", "predicate", "object"] {
                hold(column, Some(String::new()), text(column));
            }
        }
        // Nothing that the row could be held against.
        StoredContent::Altered { .. } => (),
    }
    wrong.extend(check_flags(name, row));
    wrong
}

fn fact_columns(
    fact: &Fact,
    row: &Row,
    owned: &Owned,
    hold: &mut impl FnMut(&str, Option<String>, Option<String>),
) {
    let text = |column: &str| as_text(row, column);
    hold("subject", Some(fact.subject.clone()), text("subject"));
    hold("predicate", Some(fact.predicate.clone()), text("predicate"));
    hold("object", Some(fact.object.clone()), text("object"));
    hold("source", Some(fact.source.clone()), text("source"));
    hold(
        "timestamp",
        Some(fact.timestamp_ms.to_string()),
        text("timestamp"),
    );
    hold(
        "user_id",
        fact.metadata.get("user_id").cloned(),
        text("user_id"),
    );
    hold(
        "metadata",
        Some(json!(fact.metadata).to_string()),
        text("metadata"),
    );
    for (column, said) in [
        ("execution_id", &fact.execution_id),
        ("evidence_id", &fact.evidence_id),
    ] {
        // Null where what the fact names is another's, or gone: then the fact itself still says it.
        let user = fact.metadata.get("user_id").cloned().unwrap_or_default();
        let named = said
            .clone()
            .filter(|id| owned.contains(&(id.clone(), user)));
        hold(column, named, text(column));
    }
}

/// A check leaves all its columns or none.
fn check_flags(name: &str, row: &Row) -> Option<Finding> {
    let set = |column: &str| row.value(column).is_some_and(|value| *value != Value::Null);
    let known = matches!(
        as_text(row, "verification_method").as_deref(),
        None | Some("inclusion_proof")
    );
    let whole = set("verified_at") == set("verification_method");
    let unchecked = !set("verified_at");
    let claims = row.boolean("verified").unwrap_or(true) || set("signature_verified");
    let wrong = !known || !whole || (unchecked && claims);
    wrong.then(|| {
        let what = "the columns of an earlier check contradict each other";
        let column = if known {
            "verified"
        } else {
            "verification_method"
        };
        Finding::new(Code::FactRowAltered, name, what).column(column)
    })
}

/// As text, whatever type the engine has for it; none for null.
fn as_text(row: &Row, column: &str) -> Option<String> {
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

/// Enough to tell two texts apart, and not the content.
fn short(text: String) -> String {
    if text.len() <= 64 {
        return text;
    }
    let digest = crate::digest::sha256_hex(&text);
    format!("sha256 {}", digest.get(..16).unwrap_or_default())
}
