//! An audit on file, and what it says.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::auditor::Scope;
use super::error::AuditError;
use super::finding::{Finding, Severity};
use super::progress::Progress;
use super::types::Report;
use crate::chain::fact::Fact;
use crate::digest::sha256_hex;
use crate::ledger::AppendRequest;
use crate::sql::Row;
use crate::time::to_rfc3339;

const LIMITS: &str = "This audit reads one copy of the log and of the database. It does not see facts that were \
    cut off the end of the log since the newest checkpoint that was kept outside of it or that \
    others vouched for, nor a log rebuilt with its stolen key since then. Keep the checkpoint of \
    this report elsewhere.";

/// An audit on file.
pub(super) struct OnFile {
    pub id: String,
    pub started_ms: i64,
    pub state: State,
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct State {
    pub scope: Scope,
    pub progress: Progress,
    /// Set before the report is logged, so that it is the same however often it is.
    pub ended_ms: Option<i64>,
}

impl OnFile {
    pub fn of(row: &Row) -> Result<Self, AuditError> {
        let mut metadata = row.json("metadata")?;
        let state = metadata.get_mut("state").map(serde_json::Value::take);
        Ok(Self {
            id: row.text("id")?,
            started_ms: row.opt_timestamp("started_at")?.unwrap_or_default(),
            state: serde_json::from_value(state.unwrap_or_default())?,
        })
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
        audit_started_at: to_rfc3339(audit.started_ms),
        audit_completed_at: ended_ms.map(to_rfc3339),
        fact_id: None,
        limits: LIMITS.to_owned(),
    }
}

/// As it was told when it ended, or as far as it is.
pub(super) fn on_file(row: &Row) -> Result<Report, AuditError> {
    let mut metadata = row.json("metadata")?;
    match metadata.get_mut("report").map(serde_json::Value::take) {
        Some(told) => Ok(serde_json::from_value(told)?),
        None => Ok(report(&OnFile::of(row)?)),
    }
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
        idempotency_key: format!("audit:{}:completed", report.audit_id),
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
