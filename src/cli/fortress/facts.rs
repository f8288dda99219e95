//! Facts that callers assert, kept as long as jobs are.

use chitty_core::chain::fact::{Fact, Salt, SaltedFact, fact_id};
use chitty_core::digest::sha256_hex;
use chitty_core::ports::{Clock, Entropy};
use serde::Deserialize;
use serde_json::{Value, json};

use super::error::ApiError;
use super::jobs::broken;
use super::store::Store;
use super::system::System;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assertion {
    subject: String,
    predicate: String,
    object: String,
    source: String,
    /// Milliseconds since 1970.
    timestamp: u64,
}

/// Stores the fact's canonical bytes under their SHA-256. The same assertion again is the same
/// fact, and has its id.
pub fn assert(store: &Store, assertion: Assertion) -> Result<Value, ApiError> {
    let timestamp_ms = assertion.timestamp;
    let fact = Fact {
        subject: assertion.subject,
        predicate: assertion.predicate,
        object: assertion.object,
        source: assertion.source,
        timestamp_ms,
        execution_id: None,
        evidence_id: None,
        metadata: std::collections::BTreeMap::new(),
    };
    let content = sha256_hex(json!(fact).to_string());
    let known = store
        .fact(&content)
        .map_err(|error| broken("assert", &error))?;
    let id = known.map_or_else(|| add(store, fact, &content), Ok)?;
    Ok(json!({ "fact_id": id, "timestamp": timestamp_ms, "status": "stored" }))
}

fn add(store: &Store, fact: Fact, content: &str) -> Result<String, ApiError> {
    let mut salt = [0; 32];
    System
        .fill(&mut salt)
        .map_err(|error| broken("assert", &error))?;
    let timestamp_ms = i64::try_from(fact.timestamp_ms).unwrap_or(i64::MAX);
    let salt = Salt::from_random_bytes(salt);
    let canonical = SaltedFact { fact, salt }.canonical();
    let canonical = canonical.map_err(|error| ApiError::Invalid(error.to_string()))?;
    let id = fact_id(&canonical).to_string();
    let times = (timestamp_ms, System.now_ms());
    store
        .add_fact((&id, &canonical), content, times)
        .map_err(|error| broken("assert", &error))?;
    Ok(id)
}
