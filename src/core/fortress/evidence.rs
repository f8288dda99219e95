//! Records of evidence made by hand, and the list of all that their owner has.

use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};
use sha2::{Digest, Sha256};
use uuid::Builder;

use super::error::FortressError;
use super::service::{Asker, FortressService};
use crate::cursor;
use crate::ids;
use crate::sql::{DatabaseError, Narrowed, Row, Statement, Value};
use crate::validation::{printable, printable_if_some};

const MAX_METADATA_BYTES: usize = 16_384;

/// What is to be on file as evidence.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct EvidenceCreateInput {
    /// What kind of evidence it is, such as `document` or `ai_execution`.
    #[garde(length(chars, min = 1, max = 100), custom(printable))]
    pub evidence_type: String,
    #[garde(length(chars, min = 1, max = 4_000))]
    pub description: String,
    #[garde(length(bytes, min = 1, max = 128), custom(printable_if_some))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub case_id: Option<String>,
    /// A completed run of yours: its hashes, signature and fact become part of the record.
    #[garde(length(bytes, min = 1, max = 128), custom(printable_if_some))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fortress_job_id: Option<String>,
    /// Whatever else is to stand in the record; at most 16 KiB of JSON.
    #[garde(custom(small_if_some))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Map<String, Json>>,
    /// The same key twice makes one record, not two.
    #[garde(length(bytes, min = 1, max = 128), custom(printable_if_some))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    clippy::ref_option,
    reason = "garde's form"
)]
fn small_if_some(metadata: &Option<Map<String, Json>>, _: &()) -> garde::Result {
    let bytes = metadata
        .as_ref()
        .map_or(0, |map| serde_json::json!(map).to_string().len());
    if bytes <= MAX_METADATA_BYTES {
        return Ok(());
    }
    let said = format!("has {bytes} bytes of JSON, at most {MAX_METADATA_BYTES} are allowed");
    Err(garde::Error::new(said))
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct EvidenceCreateOutput {
    pub evidence: Evidence,
}

/// Which records to list: the newest first.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct EvidenceListInput {
    #[garde(length(bytes, min = 1, max = 128), custom(printable_if_some))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub case_id: Option<String>,
    #[garde(skip)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<EvidenceStatus>,
    #[garde(range(min = 1, max = 100))]
    #[serde(default = "twenty")]
    pub limit: u32,
    /// How many to pass over. For long lists read on with `cursor`.
    #[garde(range(max = 10_000))]
    #[serde(default)]
    pub offset: u32,
    /// Where the page before ended: its `next_cursor`.
    #[garde(length(bytes, min = 1, max = 512))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

fn twenty() -> u32 {
    20
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EvidenceStatus {
    Pending,
    Completed,
    Verified,
    Failed,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct EvidenceListOutput {
    pub evidence: Vec<Evidence>,
    /// How many are in this page.
    pub count: usize,
    /// Absent at the end.
    pub next_cursor: Option<String>,
}

/// A record of evidence as it is on file.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Evidence {
    pub id: String,
    pub execution_id: Option<String>,
    pub fortress_job_id: Option<String>,
    /// SHA-256, lower hex.
    pub input_hash: Option<String>,
    /// SHA-256, lower hex.
    pub output_hash: Option<String>,
    /// Armored OpenPGP signature over the run's manifest.
    pub pgp_signature: Option<String>,
    /// Fact ids.
    pub chain_facts: Vec<String>,
    /// RFC 3339.
    pub created_at: String,
    pub completed_at: Option<String>,
    pub status: String,
    /// Type, description and case, and what its maker added.
    pub metadata: Map<String, Json>,
}

impl FortressService {
    /// Puts evidence on file; once for its key, if it has one.
    pub async fn create_evidence(
        &self,
        asker: Asker<'_>,
        input: &EvidenceCreateInput,
    ) -> Result<EvidenceCreateOutput, FortressError> {
        let owner = asker.user_id;
        self.count(asker, serde_json::json!(input).to_string().len())
            .await?;
        let mut facts = Vec::new();
        if let Some(id) = &input.fortress_job_id {
            let job = self.jobs().find(owner, id).await?;
            let job = job.ok_or(FortressError::JobNotFound)?.completed()?;
            facts.push(self.conclude(job).await?.assertion_id);
        }
        let id = match &input.idempotency_key {
            Some(key) => id_of_key(owner, key),
            None => ids::plain(&*self.clock, &*self.entropy)?,
        };
        let batch = vec![
            insert(&id, owner, input, &facts, self.clock.now_ms()),
            Statement::new("SELECT * FROM evidence_records WHERE id = ?1 AND user_id = ?2")
                .bind(id.as_str())
                .bind(owner),
        ];
        let outcomes = self.db.batch(batch).await?;
        let row = outcomes.last().and_then(|outcome| outcome.first());
        let row = row.ok_or_else(|| DatabaseError::Unavailable("the record is gone".to_owned()))?;
        let same = row.text("evidence_type")? == input.evidence_type
            && row.opt_text("description")?.as_deref() == Some(&input.description)
            && row.opt_text("case_id")? == input.case_id
            && row.opt_text("fortress_job_id")? == input.fortress_job_id;
        if !same {
            return Err(FortressError::KeyConflict);
        }
        Ok(EvidenceCreateOutput {
            evidence: Evidence::read(row)?,
        })
    }

    /// A page of the owner's records.
    pub async fn list_evidence(
        &self,
        owner: &str,
        input: &EvidenceListInput,
    ) -> Result<EvidenceListOutput, FortressError> {
        let after: Option<(i64, String)> = input.cursor.as_deref().map(cursor::read).transpose()?;
        let limit = usize::try_from(input.limit).unwrap_or(usize::MAX);
        let mut rows = self.db.run(page(owner, input, after)).await?.rows;
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next_cursor = match rows.last().filter(|_| more) {
            Some(row) => Some(cursor::write(&(
                row.timestamp("created_at")?,
                row.text("id")?,
            ))),
            None => None,
        };
        let evidence: Vec<Evidence> = rows.iter().map(Evidence::read).collect::<Result<_, _>>()?;
        Ok(EvidenceListOutput {
            count: evidence.len(),
            evidence,
            next_cursor,
        })
    }
}

/// Of a completed run the record has all at once, so it is completed with it.
fn insert(
    id: &str,
    owner: &str,
    input: &EvidenceCreateInput,
    facts: &[String],
    now_ms: i64,
) -> Statement {
    let of_job = "FROM fortress_jobs WHERE id = ?7 AND user_id = ?2";
    let completed = input.fortress_job_id.is_some();
    Statement::new(format!(
        "INSERT INTO evidence_records (id, user_id, evidence_type, description, case_id, \
         metadata, fortress_job_id, input_hash, output_hash, pgp_signature, chain_facts, status, \
         created_at, updated_at, completed_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, \
         (SELECT prompt_hash {of_job}), (SELECT output_hash {of_job}), \
         (SELECT signature {of_job}), ?8, ?9, ?10, ?10, ?11) ON CONFLICT (id) DO NOTHING"
    ))
    .bind(id)
    .bind(owner)
    .bind(input.evidence_type.as_str())
    .bind(input.description.as_str())
    .bind(input.case_id.clone())
    .bind(serde_json::json!(
        input.metadata.clone().unwrap_or_default()
    ))
    .bind(input.fortress_job_id.clone())
    .bind(serde_json::json!(facts))
    .bind(if completed { "completed" } else { "pending" })
    .timestamp(now_ms)
    .timestamp(completed.then_some(now_ms))
}

fn page(owner: &str, input: &EvidenceListInput, after: Option<(i64, String)>) -> Statement {
    let select = "SELECT * FROM evidence_records WHERE user_id = ?";
    let mut query = Narrowed::new(select, [owner.into()]);
    query.and_if("case_id = ?", input.case_id.as_deref());
    query.and_if("status = ?", input.status.map(EvidenceStatus::as_str));
    if let Some((created_at, id)) = after {
        let values = [Value::Timestamp(created_at), id.into()];
        query.and("(created_at, id) < (?, ?)", values);
    }
    let window = [i64::from(input.limit) + 1, i64::from(input.offset)];
    let tail = " ORDER BY created_at DESC, id DESC LIMIT ? OFFSET ?";
    query.finish(tail, window.map(Value::from))
}

/// One id for a key of an owner, in the form of the others: a UUID of version 8 (RFC 9562
/// section 5.8).
fn id_of_key(owner: &str, key: &str) -> String {
    let digest = Sha256::digest(serde_json::json!([owner, key]).to_string());
    let bytes = digest.first_chunk().copied().unwrap_or_default();
    Builder::from_custom_bytes(bytes).into_uuid().to_string()
}

impl EvidenceStatus {
    fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Completed => "completed",
            Self::Verified => "verified",
            Self::Failed => "failed",
        }
    }
}

impl Evidence {
    fn read(row: &Row) -> Result<Self, DatabaseError> {
        let mut metadata: Map<String, Json> =
            serde_json::from_value(row.json("metadata")?).unwrap_or_default();
        for name in ["evidence_type", "description", "case_id"] {
            // The record's own columns, whatever its maker named alike.
            let value = row.opt_text(name)?.map_or(Json::Null, Json::from);
            metadata.insert(name.to_owned(), value);
        }
        let facts = row.opt_json("chain_facts")?.unwrap_or_default();
        Ok(Self {
            id: row.text("id")?,
            execution_id: row.opt_text("execution_id")?,
            fortress_job_id: row.opt_text("fortress_job_id")?,
            input_hash: row.opt_text("input_hash")?,
            output_hash: row.opt_text("output_hash")?,
            pgp_signature: row.opt_text("pgp_signature")?,
            chain_facts: serde_json::from_value(facts).unwrap_or_default(),
            created_at: crate::time::to_rfc3339(row.timestamp("created_at")?),
            completed_at: row
                .opt_timestamp("completed_at")?
                .map(crate::time::to_rfc3339),
            status: row.text("status")?,
            metadata,
        })
    }
}
