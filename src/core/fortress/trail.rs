//! What happened to a run or to evidence, in order of time, from what is on file.

use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::FortressError;
use super::facts::{self, FactRecord};
use super::service::FortressService;
use crate::sql::{DatabaseError, Outcome, Row, Statement};
use crate::validation::printable_if_some;

/// Rows of one kind in a trail.
const MOST: i64 = 100;

/// Whose trail to show: a run, evidence, or both.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct AuditTrailInput {
    #[garde(length(bytes, min = 1, max = 128), custom(printable_if_some))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_id: Option<String>,
    /// A record of evidence, or what runs were linked to, such as an execution.
    #[garde(length(bytes, min = 1, max = 128), custom(printable_if_some))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence_id: Option<String>,
    /// Also list the facts themselves.
    #[garde(skip)]
    #[serde(default = "yes")]
    pub include_chain_facts: bool,
}

fn yes() -> bool {
    true
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct AuditTrailOutput {
    pub audit_trail: AuditTrail,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct AuditTrail {
    pub job_id: Option<String>,
    pub evidence_id: Option<String>,
    /// The earliest first. At most 100 runs, records and facts each are looked at.
    pub events: Vec<TrailEvent>,
    /// Absent where they were not asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chain_facts: Option<Vec<FactRecord>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TrailEvent {
    /// RFC 3339.
    pub at: String,
    pub event: TrailKind,
    /// The run, record or fact it happened to.
    pub id: String,
    /// What came of it: why it failed, who signed, what the fact says.
    pub detail: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TrailKind {
    Ingested,
    Started,
    Signed,
    Failed,
    FactLogged,
    EvidenceCreated,
    EvidenceCompleted,
    SignatureVerified,
}

impl FortressService {
    /// The trail of what is the owner's.
    pub async fn audit_trail(
        &self,
        owner: &str,
        input: &AuditTrailInput,
    ) -> Result<AuditTrailOutput, FortressError> {
        let (job, evidence) = (input.job_id.as_deref(), input.evidence_id.as_deref());
        if job.is_none() && evidence.is_none() {
            return Err(FortressError::NothingNamed);
        }
        let found = self.db.batch(statements(owner, job, evidence)).await?;
        let rows = |at: usize| {
            found
                .get(at)
                .map_or(&[][..], |outcome: &Outcome| &outcome.rows)
        };
        if rows(0).is_empty() && rows(1).is_empty() {
            return Err(FortressError::TrailNotFound);
        }
        let facts: Vec<FactRecord> = rows(2)
            .iter()
            .map(FactRecord::read)
            .collect::<Result<_, _>>()?;
        let mut events: Vec<(i64, TrailEvent)> = Vec::new();
        for row in rows(0) {
            of_job(row, &mut events)?;
        }
        for row in rows(1) {
            of_evidence(row, &mut events)?;
        }
        for fact in &facts {
            let said = format!("{} {} {}", fact.subject, fact.predicate, fact.object);
            let told = event(
                fact.ingested_at,
                TrailKind::FactLogged,
                &fact.uuid,
                Some(said),
            );
            events.push(told);
        }
        // Stable: what happened within a millisecond stays in the order told.
        events.sort_by_key(|(at, _)| *at);
        Ok(AuditTrailOutput {
            audit_trail: AuditTrail {
                job_id: input.job_id.clone(),
                evidence_id: input.evidence_id.clone(),
                events: events.into_iter().map(|(_, event)| event).collect(),
                chain_facts: input.include_chain_facts.then_some(facts),
            },
        })
    }
}

/// Runs, records and facts of that owner.
fn statements(owner: &str, job: Option<&str>, evidence: Option<&str>) -> Vec<Statement> {
    let (job, evidence) = (job.unwrap_or_default(), evidence.unwrap_or_default());
    let jobs = "SELECT id FROM fortress_jobs WHERE user_id = ?1 AND (id = ?2 OR evidence_id = ?3)";
    let with = |sql: String| {
        let statement = Statement::new(sql);
        statement.bind(owner).bind(job).bind(evidence).bind(MOST)
    };
    vec![
        with(format!(
            "SELECT id, status, created_at, started_at, completed_at, key_fingerprint, label, \
             error_message FROM fortress_jobs WHERE id IN ({jobs}) ORDER BY created_at LIMIT ?4"
        )),
        with(
            "SELECT id, status, evidence_type, created_at, completed_at, signature_verified_at, \
             output_hash FROM evidence_records WHERE user_id = ?1 \
             AND (id = ?3 OR fortress_job_id = ?2 OR execution_id = ?3) \
             ORDER BY created_at LIMIT ?4"
                .to_owned(),
        ),
        with(format!(
            "SELECT {} FROM chitty_chain_facts f WHERE f.user_id = ?1 AND (f.evidence_id = ?3 \
             OR f.execution_id = ?3 OR f.uuid IN (SELECT assertion_id FROM fortress_jobs \
             WHERE id IN ({jobs}))) ORDER BY f.leaf_index LIMIT ?4",
            facts::COLUMNS
        )),
    ]
}

fn of_job(row: &Row, events: &mut Vec<(i64, TrailEvent)>) -> Result<(), DatabaseError> {
    let id = row.text("id")?;
    let mut tell = |at: Option<i64>, kind, detail| {
        events.extend(at.map(|at| event(at, kind, &id, detail)));
    };
    tell(
        Some(row.timestamp("created_at")?),
        TrailKind::Ingested,
        Some(row.text("label")?),
    );
    tell(row.opt_timestamp("started_at")?, TrailKind::Started, None);
    let (end, detail) = if row.text("status")? == "completed" {
        (TrailKind::Signed, row.opt_text("key_fingerprint")?)
    } else {
        (TrailKind::Failed, row.opt_text("error_message")?)
    };
    tell(row.opt_timestamp("completed_at")?, end, detail);
    Ok(())
}

fn of_evidence(row: &Row, events: &mut Vec<(i64, TrailEvent)>) -> Result<(), DatabaseError> {
    let id = row.text("id")?;
    let mut tell = |at: Option<i64>, kind, detail| {
        events.extend(at.map(|at| event(at, kind, &id, detail)));
    };
    let kind = Some(row.text("evidence_type")?);
    tell(
        Some(row.timestamp("created_at")?),
        TrailKind::EvidenceCreated,
        kind,
    );
    let status = Some(row.text("status")?);
    tell(
        row.opt_timestamp("completed_at")?,
        TrailKind::EvidenceCompleted,
        status,
    );
    let of = row.opt_text("output_hash")?;
    tell(
        row.opt_timestamp("signature_verified_at")?,
        TrailKind::SignatureVerified,
        of,
    );
    Ok(())
}

fn event(at_ms: i64, event: TrailKind, id: &str, detail: Option<String>) -> (i64, TrailEvent) {
    let told = TrailEvent {
        at: crate::time::to_rfc3339(at_ms),
        event,
        id: id.to_owned(),
        detail,
    };
    (at_ms, told)
}
