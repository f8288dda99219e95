//! An audit on file, and what it says.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use super::auditor::Scope;
use super::error::AuditError;
use super::finding::{Finding, Severity};
use super::progress::Progress;
use super::types::Report;
use crate::chain::fact::Fact;
use crate::chain::receipt::StoredFact;
use crate::digest::sha256_hex;
use crate::ledger::{AppendRequest, Ledger};
use crate::ports::Entropy;
use crate::seal::Sealer;
use crate::sql::Row;
use crate::time::to_rfc3339;

/// Of the seal.
const PURPOSE: &str = "audit";
const LIMITS: &str = "This audit reads one copy of the log and of the database. It does not see facts that were \
    cut off the end of the log since the newest checkpoint that was kept outside of it or that \
    others vouched for, nor a log rebuilt with its stolen key since then. Keep the checkpoint of \
    this report elsewhere.";

/// An audit on file.
pub(super) struct OnFile {
    pub id: String,
    pub state: State,
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct State {
    pub started_ms: i64,
    pub scope: Scope,
    pub progress: Progress,
    /// Set before the report is logged, so that it is the same however often it is.
    pub ended_ms: Option<i64>,
}

impl State {
    /// As it is put on file: sealed, so that nobody else makes one, or moves it to another audit.
    pub fn sealed(
        &self,
        id: &str,
        sealer: &Sealer,
        entropy: &dyn Entropy,
    ) -> Result<Json, AuditError> {
        let text = sealer.seal(PURPOSE, &[id], &serde_json::to_vec(self)?, entropy);
        Ok(json!({ "state": text.map_err(AuditError::Seal)? }))
    }
}

impl OnFile {
    pub fn of(row: &Row, sealer: &Sealer) -> Result<Self, AuditError> {
        let (id, metadata) = (row.text("id")?, row.json("metadata")?);
        let text = metadata.get("state").and_then(Json::as_str);
        let opened = sealer.open(PURPOSE, &[&id], text.unwrap_or_default());
        let opened = opened.map_err(|error| AuditError::Altered(error.to_string()))?;
        let state = serde_json::from_slice(&opened)?;
        Ok(Self { id, state })
    }
}

pub(super) fn report(audit: &OnFile) -> Report {
    let (progress, ended_ms) = (&audit.state.progress, audit.state.ended_ms);
    let mut recommendations: Vec<String> = Vec::new();
    for finding in &progress.findings {
        if !recommendations.contains(&finding.recommendation) {
            recommendations.push(finding.recommendation.clone());
        }
    }
    let status = if ended_ms.is_some() {
        "completed"
    } else {
        "running"
    };
    Report {
        audit_id: audit.id.clone(),
        level: audit.state.scope.level,
        status: status.to_owned(),
        executions_audited: progress.executions,
        rows_read: progress.rows,
        facts_read: progress.facts,
        signatures_checked: progress.signatures,
        published: progress.published.figures,
        spent: progress.spent,
        risk_level: worst(&progress.findings),
        findings: progress.findings.clone(),
        more_findings: progress.more_findings,
        recommendations,
        checkpoint: progress.checkpoint().map(str::to_owned),
        audit_started_at: to_rfc3339(audit.state.started_ms),
        audit_completed_at: ended_ms.map(to_rfc3339),
        fact_id: None,
        limits: LIMITS.to_owned(),
    }
}

/// As it was told when it ended, which the log vouches for; or as far as it is.
pub(super) async fn on_file(
    row: &Row,
    sealer: &Sealer,
    ledger: &dyn Ledger,
) -> Result<Report, AuditError> {
    let mut metadata = row.json("metadata")?;
    let Some(told) = metadata.get_mut("report").map(Json::take) else {
        return Ok(report(&OnFile::of(row, sealer)?));
    };
    let told = Report {
        fact_id: None,
        ..serde_json::from_value(told)?
    };
    let key = completed(&row.text("id")?);
    let found = ledger.keyed(std::slice::from_ref(&key)).await?;
    let mut found = found.into_iter().flat_map(|keyed| keyed.facts);
    let logged = found.find(|fact| fact.key == key).map(|fact| fact.stored);
    let digest = sha256_hex(serde_json_canonicalizer::to_string(&told)?);
    let is_it = |logged: &StoredFact| {
        logged
            .content
            .fact()
            .is_some_and(|fact| fact.object == digest)
    };
    let Some(logged) = logged.filter(is_it) else {
        let why = "the log has another report of it, or none";
        return Err(AuditError::Altered(why.to_owned()));
    };
    Ok(Report {
        fact_id: Some(logged.fact_id.to_string()),
        ..told
    })
}

/// The key of the fact of its report.
fn completed(audit: &str) -> String {
    format!("audit:{audit}:completed")
}

fn worst(findings: &[Finding]) -> Option<Severity> {
    findings.iter().map(|finding| finding.severity).max()
}

pub(super) fn record_of(report: &Report, text: &str, now_ms: i64) -> AppendRequest {
    let risk = report.risk_level.map_or("none", Severity::as_str);
    let metadata = [
        ("level", report.level.as_str().to_owned()),
        ("risk", risk.to_owned()),
        ("findings", report.findings.len().to_string()),
        (
            "checkpoint_sha256",
            sha256_hex(report.checkpoint.as_deref().unwrap_or_default()),
        ),
    ];
    AppendRequest {
        idempotency_key: completed(&report.audit_id),
        fact: Fact {
            subject: format!("audit:{}", report.audit_id),
            predicate: "completed".to_owned(),
            object: sha256_hex(text),
            source: super::recorder::SOURCE.to_owned(),
            timestamp_ms: u64::try_from(now_ms).unwrap_or_default(),
            execution_id: None,
            evidence_id: None,
            metadata: BTreeMap::from(metadata.map(|(key, value)| (key.to_owned(), value))),
        },
    }
}
