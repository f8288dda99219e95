//! Facts that callers state themselves.

use std::collections::BTreeMap;

use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::FortressError;
use super::service::{Asker, FortressService};
use super::types::ChainPosition;
use crate::chain::fact::{Fact, FactError, Salt, SaltedFact};
use crate::digest::sha256_hex;
use crate::ids;
use crate::ledger::{AppendRequest, LedgerError};
use crate::sql::{Row, Statement};
use crate::validation::printable_if_some;

/// Sources of facts that our own workers state. Nobody else's fact may pass for one of those.
pub(crate) const OWN_SOURCES: [&str; 3] = ["fortress-mcp", "fortress-keys", "chittyos-coordinator"];
/// What only our own workers say, and of what.
const OWN_PREDICATES: [&str; 3] = ["recorded", "content_erased", "custody_event"];
const OWN_SUBJECTS: [&str; 2] = ["row:", "fortress:"];

/// A fact to log. It is the caller's word: the log proves that it was said, and when.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct AssertionInput {
    #[garde(length(bytes, min = 1, max = 1_024))]
    pub subject: String,
    #[garde(length(bytes, min = 1, max = 256))]
    pub predicate: String,
    /// At most 32 KiB; a whole fact has room for 64 KiB. For more, log its SHA-256.
    #[garde(length(bytes, min = 1, max = 32_768))]
    pub object: String,
    /// Who says so. Names of the service's own sources are taken.
    #[garde(length(bytes, min = 1, max = 1_024))]
    pub source: String,
    /// The execution that it is about.
    #[garde(length(bytes, min = 1, max = 128), custom(printable_if_some))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution_id: Option<String>,
    /// The evidence that it is about.
    #[garde(length(bytes, min = 1, max = 128), custom(printable_if_some))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence_id: Option<String>,
    /// The same key twice logs one fact, not two. Keep it for as long as the call may be
    /// repeated.
    #[garde(length(bytes, min = 1, max = 128), custom(printable_if_some))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct AssertionOutput {
    /// SHA-256 of the fact's canonical bytes, lower hex.
    pub fact_id: String,
    /// When it was said, milliseconds since 1970.
    pub timestamp: i64,
    /// `logged`.
    pub status: String,
    pub chain: ChainPosition,
}

impl FortressService {
    /// Logs a fact of that owner; once for its key, if it has one.
    pub async fn log_assertion(
        &self,
        asker: Asker<'_>,
        input: &AssertionInput,
    ) -> Result<AssertionOutput, FortressError> {
        input.is_free()?;
        let owner = asker.user_id;
        let key = match &input.idempotency_key {
            Some(key) => sha256_hex(serde_json::json!([owner, key]).to_string()),
            None => ids::plain(&*self.clock, &*self.entropy)?,
        };
        let mut request = AppendRequest {
            idempotency_key: format!("assertion:{key}"),
            fact: input.fact(owner, self.clock.now_ms()),
        };
        let bytes = size(&request.fact)?;
        self.count(asker, bytes).await?;
        let receipt = match self.ledger.append(&request).await {
            Err(LedgerError::Refused { code, .. }) if code == "idempotency_conflict" => {
                // Said before, perhaps at another time: the first time counts.
                let said_ms = self.said_at(&request).await?;
                request.fact.timestamp_ms = said_ms;
                self.ledger.append(&request).await?
            }
            receipt => receipt?,
        };
        Ok(AssertionOutput {
            fact_id: receipt.fact_id.to_string(),
            timestamp: i64::try_from(request.fact.timestamp_ms).unwrap_or(i64::MAX),
            status: "logged".to_owned(),
            chain: ChainPosition::from(&receipt),
        })
    }

    /// When the fact under this key was said, if it is the same one.
    async fn said_at(&self, request: &AppendRequest) -> Result<u64, FortressError> {
        let select = Statement::new(
            "SELECT subject, predicate, object, source, timestamp FROM chitty_chain_facts \
             WHERE idempotency_key = ?1",
        )
        .bind(request.idempotency_key.as_str());
        let found = self.db.run(select).await?;
        // Its row follows the fact within a moment.
        let row = found.first().ok_or(FortressError::InProgress)?;
        let fact = &request.fact;
        let said = [
            ("subject", &fact.subject),
            ("predicate", &fact.predicate),
            ("object", &fact.object),
            ("source", &fact.source),
        ];
        for (column, text) in said {
            if row.text(column)? != *text {
                return Err(FortressError::KeyConflict);
            }
        }
        timestamp(row)
    }
}

fn timestamp(row: &Row) -> Result<u64, FortressError> {
    u64::try_from(row.int("timestamp")?).map_err(|_| FactError::Timestamp.into())
}

/// In bytes, as the log keeps it. Checked here rather than by the log, so that the caller learns
/// what to change.
fn size(fact: &Fact) -> Result<usize, FactError> {
    let salted = SaltedFact {
        fact: fact.clone(),
        salt: Salt::from_random_bytes([0; 32]),
    };
    salted.canonical().map(|canonical| canonical.len())
}

impl AssertionInput {
    /// Whether it could pass for a fact of our own.
    fn is_free(&self) -> Result<(), FortressError> {
        let said = |text: &str| text.trim().to_lowercase();
        if OWN_SOURCES.contains(&said(&self.source).as_str()) {
            return Err(FortressError::SourceTaken);
        }
        let subject = said(&self.subject);
        if OWN_PREDICATES.contains(&said(&self.predicate).as_str())
            || OWN_SUBJECTS.iter().any(|own| subject.starts_with(own))
        {
            return Err(FortressError::NameTaken);
        }
        Ok(())
    }

    fn fact(&self, owner: &str, now_ms: i64) -> Fact {
        Fact {
            subject: self.subject.clone(),
            predicate: self.predicate.clone(),
            object: self.object.clone(),
            source: self.source.clone(),
            timestamp_ms: u64::try_from(now_ms).unwrap_or_default(),
            execution_id: self.execution_id.clone(),
            evidence_id: self.evidence_id.clone(),
            metadata: BTreeMap::from([("user_id".to_owned(), owner.to_owned())]),
        }
    }
}
