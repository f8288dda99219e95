//! Where an audit is, and what came of it so far.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::finding::Finding;
use super::frontier::Frontier;
use super::published::Position;
use crate::chain::checkpoint::Checkpoint;
use crate::chain::hash::Hash;

/// Findings that a report has; what is more is counted.
const MOST_FINDINGS: usize = 500;
/// Bytes of them as JSON. A report has them twice in its row, of at most 2 MB.
const MOST_BYTES: usize = 400_000;
/// Erased facts that an audit keeps in mind until it meets what tells of them.
const MOST_ERASED: usize = 5_000;

/// What an audit does next.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    #[default]
    Rows,
    Signatures,
    Head,
    Published,
    Facts,
    Done,
}

/// Where an audit is; it can be put aside after each slice.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Progress {
    #[serde(default)]
    pub(super) phase: Phase,
    pub(super) table: usize,
    /// Of the row that was read last.
    pub(super) after: String,
    /// The head when the audit came to the log.
    pub(super) head: Option<String>,
    #[serde(default)]
    pub(super) published: Position,
    pub(super) next: u64,
    pub(super) frontier: Frontier,
    pub(super) before_ms: u64,
    /// Facts whose content is gone, and whose erasure has not been met; and how many more.
    pub(super) erased: BTreeSet<Hash>,
    #[serde(default)]
    pub(super) more_erased: u64,
    pub executions: u64,
    pub rows: u64,
    pub facts: u64,
    pub signatures: u64,
    #[serde(default)]
    pub spent: Spent,
    pub findings: Vec<Finding>,
    #[serde(default)]
    pub(super) bytes: usize,
    pub more_findings: u64,
}

/// Milliseconds that the parts of an audit took, by the platform's clock, which moves with input
/// and output.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Spent {
    pub rows_ms: u64,
    pub signatures_ms: u64,
    pub published_ms: u64,
    pub facts_ms: u64,
}

impl Progress {
    /// The log's signed head that everything was held against.
    pub fn checkpoint(&self) -> Option<&str> {
        self.head.as_deref()
    }

    /// The same, read. Whether the log's key signed it was looked at when it was taken.
    pub(super) fn head(&self) -> Option<Checkpoint> {
        Checkpoint::parse_unverified(self.checkpoint()?).ok()
    }

    pub fn is_done(&self) -> bool {
        self.phase == Phase::Done
    }

    pub(super) fn add(&mut self, findings: impl IntoIterator<Item = Finding>) {
        for finding in findings {
            if self.findings.contains(&finding) {
                continue;
            }
            if self.is_full() {
                self.more_findings += 1;
            } else {
                self.bytes += serde_json::to_string(&finding).map_or(0, |text| text.len());
                self.findings.push(finding);
            }
        }
    }

    /// Whether further findings are counted only.
    pub(super) fn is_full(&self) -> bool {
        self.findings.len() >= MOST_FINDINGS || self.bytes >= MOST_BYTES
    }

    pub(super) fn add_erased(&mut self, facts: Vec<Hash>) {
        for fact in facts {
            if self.erased.len() < MOST_ERASED {
                self.erased.insert(fact);
            } else {
                self.more_erased += 1;
            }
        }
    }

    /// `phase` took that long.
    pub(super) fn spend(&mut self, phase: Phase, ms: i64) {
        let ms = u64::try_from(ms).unwrap_or_default();
        match phase {
            Phase::Rows => self.spent.rows_ms += ms,
            Phase::Signatures => self.spent.signatures_ms += ms,
            Phase::Published => self.spent.published_ms += ms,
            Phase::Head | Phase::Facts => self.spent.facts_ms += ms,
            Phase::Done => (),
        }
    }
}
