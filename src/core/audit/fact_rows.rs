//! A fact of the log against what commits to it, and its row in the database against the fact.

use std::collections::HashSet;

use super::finding::{Code, Finding};
use crate::chain::fact::{Fact, fact_id};
use crate::chain::receipt::{StoredContent, StoredFact};
use crate::ledger::{held, said};
use crate::sql::{Row, Value};

/// Ids of executions and evidence records, with whose they are.
pub(super) type Owned = HashSet<(String, String)>;

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
    for (column, expected) in said(stored) {
        hold(column, expected, held(row, column));
    }
    for column in ["salt", "fortress_signature"] {
        hold(column, None, held(row, column));
    }
    if let Some(fact) = stored.content.fact() {
        hold("erased_at", None, held(row, "erased_at"));
        for (column, expected) in named(fact, owned) {
            hold(column, expected, held(row, column));
        }
    }
    wrong.extend(check_flags(name, row));
    wrong
}

/// Null where what the fact names is another's, or gone: then the fact itself still says it.
fn named(fact: &Fact, owned: &Owned) -> [(&'static str, Option<String>); 2] {
    let user = fact.metadata.get("user_id").cloned().unwrap_or_default();
    let named = |id: &Option<String>| {
        let id = id.clone()?;
        owned.contains(&(id.clone(), user.clone())).then_some(id)
    };
    [
        ("execution_id", named(&fact.execution_id)),
        ("evidence_id", named(&fact.evidence_id)),
    ]
}

/// A check leaves all its columns or none.
fn check_flags(name: &str, row: &Row) -> Option<Finding> {
    let set = |column: &str| row.value(column).is_some_and(|value| *value != Value::Null);
    let known = matches!(
        held(row, "verification_method").as_deref(),
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

/// Enough to tell two texts apart, and not the content.
fn short(text: String) -> String {
    if text.len() <= 64 {
        return text;
    }
    let digest = crate::digest::sha256_hex(&text);
    format!("sha256 {}", digest.get(..16).unwrap_or_default())
}
