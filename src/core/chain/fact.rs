//! Facts, their canonical bytes, and the log's entries.
//!
//! **Canonical bytes** of a fact: the RFC 8785 JSON of its fields plus `v` (1)
//! and `salt` (32 random bytes, lower hex). Fields that are not set, and empty
//! metadata, are left out:
//!
//! ```text
//! {"object":"approved","predicate":"status","salt":"0707…07","source":"review",
//!  "subject":"case/1","timestamp_ms":1700000000000,"v":1}
//! ```
//! (one line, no spaces; broken here for reading). **Fact id** = SHA-256 of
//! these bytes, here `a294fd5e98bf10a048ae59e2facb00a917e74ec6aa8b58d1d0c6e05e1cfe43fd`. The salt makes the id a hiding commitment: once content and
//! salt are deleted, the id tells nothing about them.
//!
//! **Log entry** (what the leaf hash covers), RFC 8785 JSON again:
//!
//! ```text
//! {"fact_id":"<64 hex>","logged_at_ms":1700000000123,"v":1}
//! ```
//! Leaf hash of the fact above, logged at that time:
//! `0f56fc5e23e1980bb481194d2558fd4886c6487331e35fbf4516509e0fe14bda`.
//! The entry holds no content, so content can be erased while every proof holds.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::Value;

use super::hash::{Hash, decode_hex32};

/// Layout version of canonical bytes and entries.
const VERSION: u64 = 1;
/// Largest canonical form in bytes: the entry limit of C2SP tlog-tiles.
pub const MAX_CANONICAL_BYTES: usize = 65_535;
/// Largest time or other number: what JSON carries exactly (2^53 - 1).
pub const MAX_TIMESTAMP_MS: u64 = (1 << 53) - 1;
pub const MAX_SUBJECT_BYTES: usize = 1024;
pub const MAX_PREDICATE_BYTES: usize = 256;
pub const MAX_OBJECT_BYTES: usize = 32 * 1024;
pub const MAX_SOURCE_BYTES: usize = 1024;
pub const MAX_ID_BYTES: usize = 128;
pub const MAX_METADATA_ENTRIES: usize = 64;
pub const MAX_METADATA_KEY_BYTES: usize = 128;
pub const MAX_METADATA_VALUE_BYTES: usize = 4096;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FactError {
    #[error("{field} is empty: give it a value, or leave an optional field out")]
    Empty { field: &'static str },
    #[error("{field} has {bytes} bytes; at most {limit} are allowed")]
    TooLong {
        field: &'static str,
        bytes: usize,
        limit: usize,
    },
    #[error("{field} contains the NUL character, which SQL text cannot hold: remove it")]
    Nul { field: &'static str },
    #[error("metadata has {entries} entries; at most {MAX_METADATA_ENTRIES} are allowed")]
    TooManyEntries { entries: usize },
    #[error("timestamp_ms is over 2^53 - 1: give milliseconds since 1970")]
    Timestamp,
    #[error("the fact has {bytes} bytes in canonical form; at most {MAX_CANONICAL_BYTES} fit")]
    TooLarge { bytes: usize },
    #[error("the stored bytes are not a fact in canonical form")]
    NotCanonical,
}

/// A statement to log. `timestamp_ms` (since 1970) is the caller's claim of
/// when it happened; the log adds its own time. Limits: see the constants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fact {
    pub subject: String,
    pub predicate: String,
    pub object: String,
    pub source: String,
    pub timestamp_ms: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence_id: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
}

impl Fact {
    /// # Errors
    /// The first field out of its limits.
    pub fn validate(&self) -> Result<(), FactError> {
        check("subject", &self.subject, MAX_SUBJECT_BYTES)?;
        check("predicate", &self.predicate, MAX_PREDICATE_BYTES)?;
        check("object", &self.object, MAX_OBJECT_BYTES)?;
        check("source", &self.source, MAX_SOURCE_BYTES)?;
        if let Some(id) = &self.execution_id {
            check("execution_id", id, MAX_ID_BYTES)?;
        }
        if let Some(id) = &self.evidence_id {
            check("evidence_id", id, MAX_ID_BYTES)?;
        }
        if self.timestamp_ms > MAX_TIMESTAMP_MS {
            return Err(FactError::Timestamp);
        }
        let entries = self.metadata.len();
        if entries > MAX_METADATA_ENTRIES {
            return Err(FactError::TooManyEntries { entries });
        }
        for (key, value) in &self.metadata {
            check("metadata key", key, MAX_METADATA_KEY_BYTES)?;
            check_text("metadata value", value, MAX_METADATA_VALUE_BYTES)?;
        }
        Ok(())
    }
}

fn check(field: &'static str, value: &str, limit: usize) -> Result<(), FactError> {
    if value.is_empty() {
        return Err(FactError::Empty { field });
    }
    check_text(field, value, limit)
}

fn check_text(field: &'static str, value: &str, limit: usize) -> Result<(), FactError> {
    let bytes = value.len();
    if bytes > limit {
        return Err(FactError::TooLong {
            field,
            bytes,
            limit,
        });
    }
    if value.contains('\0') {
        return Err(FactError::Nul { field });
    }
    Ok(())
}

/// 32 fresh random bytes for one fact. Part of the content: erased with it,
/// and not printed by `Debug`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Salt([u8; 32]);

impl Salt {
    /// The bytes must come from a secure random source, new for each fact.
    #[must_use]
    pub const fn from_random_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Salt(hidden)")
    }
}

impl Serialize for Salt {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(self.0))
    }
}

impl<'de> Deserialize<'de> for Salt {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = decode_hex32(&text);
        bytes
            .map(Self)
            .ok_or_else(|| de::Error::custom("a salt is 64 lower-case hex digits"))
    }
}

/// A fact with its salt: what the fact id commits to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SaltedFact {
    pub fact: Fact,
    pub salt: Salt,
}

impl SaltedFact {
    /// The canonical bytes, which are UTF-8 text.
    ///
    /// # Errors
    /// The fact is out of its limits.
    pub fn canonical(&self) -> Result<String, FactError> {
        self.fact.validate()?;
        let mut value = serde_json::to_value(&self.fact).map_err(|_| FactError::NotCanonical)?;
        let fields = value.as_object_mut().ok_or(FactError::NotCanonical)?;
        fields.insert("salt".to_owned(), Value::from(hex::encode(self.salt.0)));
        fields.insert("v".to_owned(), Value::from(VERSION));
        let text =
            serde_json_canonicalizer::to_string(&value).map_err(|_| FactError::NotCanonical)?;
        if text.len() > MAX_CANONICAL_BYTES {
            return Err(FactError::TooLarge { bytes: text.len() });
        }
        Ok(text)
    }

    /// Reads canonical bytes back; accepts only the one canonical form.
    ///
    /// # Errors
    /// Anything [`SaltedFact::canonical`] would not have written.
    pub fn parse(canonical: &str) -> Result<Self, FactError> {
        let bytes = canonical.len();
        if bytes > MAX_CANONICAL_BYTES {
            return Err(FactError::TooLarge { bytes });
        }
        let salted = Self::parse_loose(canonical).ok_or(FactError::NotCanonical)?;
        if salted.canonical()? == canonical {
            Ok(salted)
        } else {
            Err(FactError::NotCanonical)
        }
    }

    fn parse_loose(text: &str) -> Option<Self> {
        let mut value: Value = serde_json::from_str(text).ok()?;
        let fields = value.as_object_mut()?;
        fields.remove("v")?;
        let salt = serde_json::from_value(fields.remove("salt")?).ok()?;
        let fact = serde_json::from_value(value).ok()?;
        Some(Self { fact, salt })
    }
}

/// The fact id of canonical bytes: their SHA-256.
#[must_use]
pub fn fact_id(canonical: &str) -> Hash {
    Hash::of(canonical.as_bytes())
}

/// One entry of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogEntry {
    pub fact_id: Hash,
    /// The sequencer's clock, milliseconds since 1970; never decreasing.
    pub logged_at_ms: u64,
}

impl LogEntry {
    /// The entry's bytes. Both values are digits, so nothing needs escaping
    /// and the text is RFC 8785 as it stands.
    #[must_use]
    pub fn canonical(&self) -> String {
        let Self {
            fact_id,
            logged_at_ms,
        } = self;
        format!(r#"{{"fact_id":"{fact_id}","logged_at_ms":{logged_at_ms},"v":{VERSION}}}"#)
    }

    #[must_use]
    pub fn leaf_hash(&self) -> Hash {
        Hash::leaf(self.canonical().as_bytes())
    }
}
