//! What an audit finds.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    Low,
    Medium,
    High,
    Critical,
}

impl Severity {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// What is wrong.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// The log records a row that the database does not have.
    RowMissing,
    /// A final row that the log does not record.
    RowUnrecorded,
    /// A column is not as the log records it.
    RowAltered,
    /// A column cannot be read as what it is.
    RowUnreadable,
    /// An earlier state of the row has come back.
    RowRolledBack,
    /// The log holds another record under the row's name.
    RecordRefused,
    /// The row names a record that the log does not have.
    RecordMissing,
    /// A later record of a final row says what such a row does not change to.
    RecordReplaced,
    /// What a row pointed to was deleted.
    LinkGone,
    /// Content is gone, and no erasure of it is on file.
    ContentGone,
    /// A fact of the log has no row in the database.
    FactRowMissing,
    /// A column of a fact's row is not what the log says.
    FactRowAltered,
    /// A row of a fact that the log does not have.
    FactRowExtra,
    /// A fact's content is not what its id commits to.
    FactAltered,
    /// An entry that the checkpoint covers is not in the log's storage.
    FactMissing,
    /// A fact was logged earlier than the one before it.
    TimeWentBack,
    /// The leaves do not have the root that the checkpoint signs.
    TreeAltered,
    /// A published file of the log is not what its head signs, or cannot be read.
    PublishedAltered,
    /// A published file of the log is gone.
    PublishedMissing,
    /// The checkpoint is not signed by the log's key.
    CheckpointUnsigned,
    /// The log has fewer entries than a checkpoint that was kept outside of it.
    LogRolledBack,
    /// The log does not extend a checkpoint that was kept outside of it.
    LogForked,
    /// A cosignature or time stamp that is kept does not hold.
    AnchorInvalid,
    /// A package's file is gone.
    FileMissing,
    /// A package's file is not the one that was made.
    FileAltered,
    /// A run's signature, or what it covers, does not hold.
    SignatureInvalid,
}

impl Code {
    pub const fn severity(self) -> Severity {
        match self {
            Self::LinkGone => Severity::Low,
            Self::RowUnrecorded => Severity::Medium,
            Self::FactRowMissing
            | Self::FactRowExtra
            | Self::TimeWentBack
            | Self::AnchorInvalid => Severity::High,
            _ => Severity::Critical,
        }
    }

    /// What to do about it.
    pub const fn recommendation(self) -> &'static str {
        match self {
            Self::LinkGone => "Nothing, if the session was deleted on purpose.",
            Self::RowUnrecorded => {
                "See why the sweep does not record it (`sweep_failed`, `record_refused` in the log)."
            }
            Self::RowMissing | Self::RowRolledBack => {
                "Restore the row from a backup of the time the record names, and find out who wrote to the database."
            }
            Self::RowAltered | Self::RowUnreadable | Self::ContentGone => {
                "Do not use the row as evidence. Restore it from a backup, and find out who wrote to the database."
            }
            Self::RecordRefused | Self::RecordMissing | Self::RecordReplaced => {
                "Take the log's first record as the truth, and find out who wrote to the database."
            }
            Self::FactRowMissing | Self::FactRowAltered | Self::FactRowExtra => {
                "The log is the truth: write the row again from its entry, and find out who wrote to the database."
            }
            Self::FactAltered | Self::FactMissing | Self::TreeAltered | Self::TimeWentBack => {
                "The log's own storage was changed: stop appending, keep a copy, and restore it to the newest state that its published checkpoints allow."
            }
            Self::PublishedAltered | Self::PublishedMissing => {
                "Find out who wrote to LOG_TILES. Where nothing is found in the log itself, keep that bucket for proof and bind an empty one: the log publishes itself again. Tell who may have read it meanwhile."
            }
            Self::CheckpointUnsigned => {
                "Compare the log's verifier key with a copy from elsewhere, and stop if they differ."
            }
            Self::LogRolledBack | Self::LogForked => {
                "Keep both checkpoints: together they prove it. Stop appending; treat the log's key as stolen, and restore from published tiles."
            }
            Self::AnchorInvalid => {
                "See whether WITNESSES or TSA_TRUST_ANCHORS were changed; if not, the storage of the anchors was."
            }
            Self::FileMissing | Self::FileAltered => {
                "Package the execution again, or restore the file from a copy with the recorded hash, and find out who wrote to EVIDENCE_FILES."
            }
            Self::SignatureInvalid => {
                "Do not use the run as evidence; see the key history for a revoked or expired key."
            }
        }
    }
}

/// Bytes of each text of a finding; honest ones are shorter.
const MOST_BYTES: usize = 600;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    pub severity: Severity,
    pub code: Code,
    /// `table:id`, `fact:index`, `log:` with the path of a published file, or `log`.
    pub subject: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// In words.
    pub what: String,
    /// What it was held against; digests are the first 16 hex digits of a SHA-256.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
    pub recommendation: String,
}

impl Finding {
    pub(super) fn new(code: Code, subject: impl Into<String>, what: impl Into<String>) -> Self {
        Self {
            severity: code.severity(),
            code,
            subject: bounded(subject.into()),
            column: None,
            what: bounded(what.into()),
            expected: None,
            found: None,
            recommendation: code.recommendation().to_owned(),
        }
    }

    pub(super) fn column(mut self, column: impl Into<String>) -> Self {
        self.column = Some(column.into());
        self
    }

    pub(super) fn evidence(
        mut self,
        expected: impl Into<Option<String>>,
        found: impl Into<Option<String>>,
    ) -> Self {
        self.expected = expected.into().map(bounded);
        self.found = found.into().map(bounded);
        self
    }
}

/// A text may be of whoever writes to the database; all findings together must fit into a row.
fn bounded(mut text: String) -> String {
    if text.len() > MOST_BYTES {
        text.truncate(text.floor_char_boundary(MOST_BYTES));
        text.push('…');
    }
    text
}
