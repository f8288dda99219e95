//! The tables whose rows the log commits to, and how each column is read.

use serde_json::json;

use super::digest::{NULL, short, short_of};
use super::erasure::NO_HASH;
use super::rows::Record;
use crate::execution::ERASED;
use crate::sql::Row;
use crate::{execution, fortress};

/// How a column is compared, whatever engine stores it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Text,
    Int,
    Bool,
    /// Milliseconds since 1970.
    Time,
    Json,
    /// By the SHA-256 of the text that it opens to. With the purpose of the seal.
    Sealed(&'static str),
    /// Set to null when what it names is deleted.
    Link,
}

#[derive(Debug)]
pub(super) struct Table {
    pub name: &'static str,
    /// SQL: the row has reached a state that lasts.
    pub lasting: &'static str,
    /// When that was.
    pub since: &'static str,
    pub change: Change,
    /// What an erasure leaves; first what tells that there was one.
    pub emptied: &'static [(&'static str, &'static [Left])],
    /// The columns with the execution and the run that a row is erased with.
    pub erased_with: &'static [&'static str],
    /// The execution that a row belongs to.
    pub execution: &'static str,
    pub columns: &'static [(&'static str, Form)],
}

/// What a final row may still say anew. Erasure is beside it: the record before it is erased too.
#[derive(Debug)]
pub(super) struct Change {
    /// What its record before says.
    pub from: &'static [(&'static str, &'static str)],
    /// What the record after says.
    pub to: &'static [(&'static str, &'static str)],
    pub columns: &'static [&'static str],
}

/// What a column may say once its content is erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Left {
    Null,
    Nothing,
    No,
    Says(&'static str),
}

use Left::{No, Nothing, Null, Says};

use Form::{Bool, Int, Json, Link, Sealed, Text, Time};

pub(super) const TABLES: [Table; 4] = [
    Table {
        name: "secure_executions",
        lasting: "status IN ('completed', 'failed')",
        since: "updated_at",
        // A worker that was slow and not gone says more of an execution that counts as interrupted.
        change: Change {
            from: &[
                ("status", "failed"),
                ("error_message", execution::INTERRUPTED),
            ],
            to: &[("status", "failed")],
            columns: &[
                "error_message",
                "chatgpt_response",
                "fortress_output",
                "verification_status",
                "verification",
                "fortress_job_id",
                "chain_facts",
                "prompt_tokens",
                "completion_tokens",
                "cost_nanos",
                "cost_status",
                "chat_session_id",
                "completed_at",
                "updated_at",
                "metadata",
            ],
        },
        emptied: &[
            ("prompt", &[Null]),
            ("prompt_hash", &[Says(NO_HASH)]),
            ("chatgpt_response", &[Null]),
            ("fortress_output", &[Null]),
            ("fortress_signature", &[Null]),
            ("label", &[Null]),
            ("metadata", &[Nothing]),
            ("verification_status", &[Null]),
            ("verification", &[Null, Nothing]),
            ("error_message", &[Null, Says(ERASED)]),
        ],
        erased_with: &["id"],
        execution: "id",
        columns: &[
            ("id", Text),
            ("user_id", Text),
            ("prompt", Sealed("prompt")),
            ("prompt_hash", Text),
            ("security_level", Text),
            ("execution_method", Text),
            ("chat_session_id", Link),
            ("fortress_job_id", Text),
            ("evidence_id", Text),
            ("case_id", Text),
            ("request_id", Text),
            ("idempotency_key", Text),
            ("created_at", Time),
            ("started_at", Time),
            ("completed_at", Time),
            ("updated_at", Time),
            ("deadline_at", Time),
            ("status", Text),
            ("chatgpt_response", Sealed("response")),
            ("fortress_output", Sealed("output")),
            ("fortress_signature", Text),
            ("verification_status", Bool),
            ("verification", Json),
            ("model", Text),
            ("label", Text),
            ("prompt_tokens", Int),
            ("completion_tokens", Int),
            ("cost_nanos", Int),
            ("cost_status", Text),
            ("metadata", Json),
            ("error_message", Text),
            ("chain_facts", Json),
        ],
    },
    Table {
        name: "fortress_jobs",
        // A completed one is final once it is logged.
        lasting: "(status = 'failed' OR (status = 'completed' AND assertion_id IS NOT NULL))",
        since: "updated_at",
        change: Change {
            from: &[
                ("status", "failed"),
                ("error_message", fortress::INTERRUPTED),
            ],
            to: &[("status", "failed")],
            columns: &[
                "error_message",
                "cost_nanos",
                "cost_status",
                "completed_at",
                "updated_at",
            ],
        },
        emptied: &[
            ("sealed_prompt", &[Null]),
            ("prompt_hash", &[Says(NO_HASH)]),
            ("label", &[Says("")]),
            ("sealed_output", &[Null]),
            ("output_hash", &[Null, Says(NO_HASH)]),
            ("manifest", &[Null, Says("")]),
            ("signature", &[Null, Says("")]),
            ("error_message", &[Null, Says(ERASED)]),
        ],
        erased_with: &["execution_id", "id"],
        execution: "execution_id",
        columns: &[
            ("id", Text),
            ("user_id", Text),
            ("label", Text),
            ("status", Text),
            ("evidence_id", Text),
            ("execution_id", Text),
            ("idempotency_key", Text),
            ("request_id", Text),
            ("sealed_prompt", Sealed("prompt")),
            ("sealed_output", Sealed("output")),
            ("prompt_hash", Text),
            ("output_hash", Text),
            ("output_file", Text),
            ("manifest", Text),
            ("signature", Text),
            ("key_fingerprint", Text),
            ("assertion_id", Text),
            ("policy", Json),
            ("model_requested", Text),
            ("model_answered", Text),
            ("provider_request_id", Text),
            ("prompt_tokens", Int),
            ("completion_tokens", Int),
            ("cost_nanos", Int),
            ("cost_status", Text),
            ("error_message", Text),
            ("created_at", Time),
            ("started_at", Time),
            ("completed_at", Time),
            ("updated_at", Time),
            ("deadline_at", Time),
        ],
    },
    Table {
        name: "evidence_records",
        lasting: "TRUE",
        since: "updated_at",
        // Its newest package.
        change: Change {
            from: &[],
            to: &[],
            columns: &["evidence_package_id", "package_format", "updated_at"],
        },
        emptied: &[
            ("description", &[Null]),
            ("input_hash", &[Null]),
            ("output_hash", &[Null]),
            ("pgp_signature", &[Null]),
            ("metadata", &[Nothing]),
            ("signature_verified", &[No]),
            ("signature_verified_at", &[Null]),
        ],
        erased_with: &["execution_id", "fortress_job_id"],
        execution: "execution_id",
        columns: &[
            ("id", Text),
            ("user_id", Text),
            ("execution_id", Text),
            ("case_id", Text),
            ("evidence_type", Text),
            ("description", Text),
            ("fortress_job_id", Text),
            ("input_hash", Text),
            ("output_hash", Text),
            ("pgp_signature", Text),
            ("signature_verified", Bool),
            ("signature_verified_at", Time),
            ("chain_facts", Json),
            ("status", Text),
            ("created_at", Time),
            ("updated_at", Time),
            ("completed_at", Time),
            ("evidence_package_id", Text),
            ("package_format", Text),
            ("metadata", Json),
        ],
    },
    Table {
        name: "evidence_packages",
        lasting: "TRUE",
        since: "updated_at",
        change: Change {
            from: &[],
            to: &[("status", "delivered")],
            columns: &["status", "updated_at"],
        },
        emptied: &[
            ("package_hash", &[Null]),
            ("package_text", &[Null]),
            ("package_data", &[Nothing]),
            ("package_signature", &[Null]),
            ("legal_metadata", &[Nothing]),
            ("package_file_path", &[Null]),
            ("verified", &[No]),
            ("verified_at", &[Null]),
            ("status", &[Says("created")]),
        ],
        erased_with: &["execution_id"],
        execution: "execution_id",
        columns: &[
            ("id", Text),
            ("user_id", Text),
            ("case_id", Text),
            ("execution_id", Link),
            ("package_format", Text),
            ("package_data", Json),
            ("package_text", Sealed("package")),
            ("package_file_path", Text),
            ("include_chain_facts", Bool),
            ("chain_facts_included", Json),
            ("package_hash", Text),
            ("package_signature", Text),
            ("verified", Bool),
            ("verified_at", Time),
            ("status", Text),
            ("created_at", Time),
            ("updated_at", Time),
            ("legal_metadata", Json),
        ],
    },
];

impl Table {
    pub fn named(name: &str) -> Option<&'static Self> {
        TABLES.iter().find(|table| table.name == name)
    }

    /// The table and the row that a record is about.
    pub fn of_subject(subject: &str) -> Option<(&'static Self, &str)> {
        let (name, id) = subject.strip_prefix("row:")?.split_once(':')?;
        Some((Self::named(name)?, id))
    }

    /// The first column that a later record must not say anew.
    pub fn replaced(&self, earlier: &Record, later: &Record) -> Option<&'static str> {
        let says = |record: &Record, said: &[(&str, &str)]| {
            said.iter()
                .all(|(column, text)| record.columns.get(*column) == Some(&short_of(text)))
        };
        let change = &self.change;
        let allowed = says(earlier, change.from) && says(later, change.to);
        let mut differing = self
            .columns
            .iter()
            .map(|(column, _)| *column)
            .filter(|column| earlier.columns.get(*column) != later.columns.get(*column));
        differing.find(|column| !(allowed && change.columns.contains(column)))
    }

    /// The first column of a record that is not as an erasure leaves it.
    pub fn not_emptied(&self, record: &Record) -> Option<&'static str> {
        let mut full = self
            .emptied
            .iter()
            .filter(|(column, left)| !is_left(record.columns.get(*column), left));
        full.next().map(|(column, _)| *column)
    }

    /// Whether a record tells of an erasure.
    pub fn tells_erased(&self, record: &Record) -> bool {
        let mut first = self.emptied.iter().take(1);
        first.any(|(column, left)| is_left(record.columns.get(*column), left))
    }

    /// The execution and the run that a row is erased with.
    pub fn erased_with(&self, row: &Row) -> Vec<String> {
        let named = |column: &&str| row.opt_text(column).ok().flatten();
        self.erased_with.iter().filter_map(named).collect()
    }
}

fn is_left(digest: Option<&String>, left: &[Left]) -> bool {
    let says = |left: &Left| match left {
        Null => NULL.to_owned(),
        Nothing => short(&json!({})),
        No => short(&json!(false)),
        Says(text) => short_of(text),
    };
    digest.is_some_and(|digest| left.iter().any(|left| says(left) == *digest))
}
