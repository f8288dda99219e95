use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::finding::{Finding, Severity};
use super::progress::Spent;
use super::published::Figures;

/// How deep an audit goes.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Rows against their records, and signatures.
    Basic,
    /// The newest facts of the log too, and the log against checkpoints kept outside of it, or
    /// cosigned or stamped by others.
    #[default]
    Comprehensive,
    /// Every fact of the log, its tree computed anew, its published files, and those of packages.
    Forensic,
}

impl Level {
    pub(super) fn named(name: &str) -> Option<Self> {
        let levels = [Self::Basic, Self::Comprehensive, Self::Forensic];
        levels.into_iter().find(|level| level.as_str() == name)
    }

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Basic => "basic",
            Self::Comprehensive => "comprehensive",
            Self::Forensic => "forensic",
        }
    }
}

/// What to audit, and how deep.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct AuditInput {
    /// The report of this audit, as far as it is, and nothing else; of your own, or of any with
    /// `chain:read_all`. Nothing is audited.
    #[garde(length(bytes, min = 1, max = 128))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit_id: Option<String>,
    /// Left out: the newest 50 of yours; of everybody's for who may read all facts.
    #[garde(length(max = 50), inner(inner(length(bytes, min = 1, max = 128))))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution_ids: Option<Vec<String>>,
    /// basic: rows and signatures. comprehensive: the newest facts and the log's growth too.
    /// forensic: every fact, the tree computed anew, the log's published files and those of
    /// packages; for who may read all facts.
    #[garde(skip)]
    #[serde(default)]
    pub audit_level: Level,
    /// Check the signatures of runs again.
    #[garde(skip)]
    #[serde(default = "yes")]
    pub include_signatures: bool,
    /// The same, under its other name: either being false leaves them out.
    #[garde(skip)]
    #[serde(default = "yes")]
    pub verify_signatures: bool,
    /// Read the log too, at the levels above basic.
    #[garde(skip)]
    #[serde(default = "yes")]
    pub include_chain_verification: bool,
    /// Checkpoints of the log that you kept (C2SP signed notes): the log must extend each.
    #[garde(length(max = 8), inner(length(bytes, min = 1, max = 8_192)))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub known_checkpoints: Vec<String>,
}

impl AuditInput {
    /// What asks for a report on file.
    pub(super) fn of_report(id: &str) -> Self {
        Self {
            audit_id: Some(id.to_owned()),
            execution_ids: None,
            audit_level: Level::default(),
            include_signatures: true,
            verify_signatures: true,
            include_chain_verification: true,
            known_checkpoints: Vec::new(),
        }
    }
}

fn yes() -> bool {
    true
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct AuditOutput {
    pub audit_report: Report,
}

/// What an audit says. `report_sha256` in the log commits to its RFC 8785 form, without `fact_id`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    pub audit_id: String,
    pub level: Level,
    /// completed, or running: a large audit goes on by itself, ask for it again by `audit_id`.
    pub status: String,
    pub executions_audited: u64,
    pub rows_read: u64,
    /// Facts of the log's own storage.
    pub facts_read: u64,
    pub signatures_checked: u64,
    /// What was read of the log's published files, which forensic audits read.
    #[serde(default)]
    pub published: Figures,
    /// What the parts took so far.
    #[serde(default)]
    pub spent: Spent,
    pub findings: Vec<Finding>,
    /// Findings that are not listed.
    pub more_findings: u64,
    /// The worst of the findings; null without.
    pub risk_level: Option<Severity>,
    pub recommendations: Vec<String>,
    /// The log's signed head that it was held against, where the log was read. Keep it: the
    /// next audit is held against it.
    pub checkpoint: Option<String>,
    pub audit_started_at: String,
    pub audit_completed_at: Option<String>,
    /// The fact that commits to this report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fact_id: Option<String>,
    /// What the audit cannot see.
    pub limits: String,
}
