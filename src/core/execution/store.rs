use std::rc::Rc;

use serde_json::json;

use super::gathered::Totals;
use super::types::{ExecuteInput, Results, Verification};
use crate::auth::Principal;
use crate::ports::Database;
use crate::sql::{DatabaseError, Row, Statement};

/// Why an execution failed that was still executing at its deadline.
pub const INTERRUPTED: &str = "interrupted: the worker ended before the execution did";

/// The executions, in the table `secure_executions`, and their evidence.
pub struct Executions {
    db: Rc<dyn Database>,
}

/// An execution as it is first written.
pub(super) struct NewExecution<'a> {
    pub id: &'a str,
    pub owner: &'a str,
    pub request_id: &'a str,
    pub input: &'a ExecuteInput,
    pub sealed_prompt: &'a str,
    pub prompt_hash: &'a str,
    pub now_ms: i64,
    pub deadline_ms: i64,
    pub part: Option<Part<'a>>,
}

/// The comparison that an execution is part of, and its column there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part<'a> {
    pub comparison: &'a str,
    pub column: &'static str,
}

/// How an execution ended. Texts are sealed.
pub(super) struct Ending<'a> {
    /// Why it failed; none if it completed.
    pub failure: Option<&'a str>,
    pub sealed_response: Option<String>,
    pub sealed_output: Option<String>,
    pub results: &'a Results,
    pub verification: &'a Verification,
    pub fortress_job_id: Option<&'a str>,
    pub totals: Totals,
    pub now_ms: i64,
    pub evidence: Option<NewEvidence<'a>>,
}

pub(super) struct NewEvidence<'a> {
    pub id: &'a str,
    pub description: &'a str,
    pub input_hash: &'a str,
    pub output_hash: &'a str,
}

/// A stored execution.
#[derive(Debug, Clone)]
pub(super) struct Stored {
    pub id: String,
    pub user_id: String,
    pub sealed_prompt: String,
    pub security_level: String,
    pub execution_method: String,
    pub chat_session_id: Option<String>,
    pub fortress_job_id: Option<String>,
    pub evidence_id: Option<String>,
    pub case_id: Option<String>,
    pub created_at_ms: i64,
    pub completed_at_ms: Option<i64>,
    pub status: String,
    pub sealed_response: Option<String>,
    pub sealed_output: Option<String>,
    pub fortress_signature: Option<String>,
    pub verification_status: Option<bool>,
    pub verification: Option<serde_json::Value>,
    pub metadata: Option<serde_json::Value>,
    pub cost_nanos: Option<i64>,
    pub error_message: Option<String>,
    pub chain_facts: Vec<String>,
    pub manifest: Option<String>,
    pub label: Option<String>,
    pub model: Option<String>,
}

impl Executions {
    pub fn new(db: Rc<dyn Database>) -> Self {
        Self { db }
    }

    /// False, and nothing is written, if it is part of a comparison whose content was erased: what
    /// it asks may quote that.
    pub(super) async fn open(&self, new: &NewExecution<'_>) -> Result<bool, DatabaseError> {
        let condition = match new.part {
            None => "",
            Some(_) => {
                " WHERE EXISTS \
                 (SELECT 1 FROM ai_response_comparisons WHERE id = ?13 AND prompt <> '')"
            }
        };
        let mut insert = Statement::new(format!(
            "INSERT INTO secure_executions (id, user_id, prompt, prompt_hash, security_level, \
             execution_method, case_id, request_id, created_at, started_at, updated_at, \
             deadline_at, status, model, label) \
             SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?9, ?9, ?10, 'executing', ?11, ?12{condition}"
        ))
        .bind(new.id)
        .bind(new.owner)
        .bind(new.sealed_prompt)
        .bind(new.prompt_hash)
        .bind(new.input.security_level.as_str())
        .bind(new.input.security_level.method())
        .bind(new.input.case_id.clone())
        .bind(new.request_id)
        .timestamp(new.now_ms)
        .timestamp(new.deadline_ms)
        .bind(new.input.model.as_str())
        .bind(new.input.label.clone());
        let Some(part) = new.part else {
            return self.db.run(insert).await.map(|_| true);
        };
        insert = insert.bind(part.comparison);
        // From the beginning, so that an erasure finds all parts.
        let link = Statement::new(format!(
            "UPDATE ai_response_comparisons SET {} = ?2 WHERE id = ?1 AND prompt <> ''",
            part.column
        ));
        let link = link.bind(part.comparison).bind(new.id);
        let outcomes = self.db.batch(vec![insert, link]).await?;
        Ok(outcomes.first().is_some_and(|insert| insert.changes > 0))
    }

    /// Ends an execution, with its evidence, all or nothing. False if it had ended in another
    /// way before. A lost reply leaves open whether the end is written, so it is written once
    /// more, which changes nothing if it is.
    pub(super) async fn end(&self, id: &str, ending: &Ending<'_>) -> Result<bool, DatabaseError> {
        let mut statements = vec![end(id, ending)];
        statements.extend(
            ending
                .evidence
                .as_ref()
                .map(|evidence| evidence_row(id, evidence, ending)),
        );
        statements.push(status(id));
        let outcomes = match self.db.batch(statements.clone()).await {
            Err(DatabaseError::Unavailable(_)) => self.db.batch(statements).await?,
            outcomes => outcomes?,
        };
        let row = outcomes.last().and_then(|outcome| outcome.first());
        let on_file = row.map(|row| row.text("status")).transpose()?;
        Ok(on_file.as_deref() == Some(ending.status()))
    }

    /// Fails executions past their deadline: the worker that ran them is gone. What the models
    /// took for their answers, if they were asked, nobody knows.
    pub async fn fail_interrupted(&self, now_ms: i64) -> Result<u64, DatabaseError> {
        let update = Statement::new(INTERRUPT)
            .timestamp(now_ms)
            .bind(INTERRUPTED);
        Ok(self.db.run(update).await?.changes)
    }

    /// The same for one execution.
    pub(super) async fn fail_if_interrupted(
        &self,
        id: &str,
        now_ms: i64,
    ) -> Result<(), DatabaseError> {
        let update = Statement::new(format!("{INTERRUPT} AND id = ?3"))
            .timestamp(now_ms)
            .bind(INTERRUPTED)
            .bind(id);
        self.db.run(update).await.map(drop)
    }

    pub(super) async fn find(&self, id: &str) -> Result<Option<Stored>, DatabaseError> {
        let select = Statement::new(
            "SELECT e.*, j.manifest AS job_manifest FROM secure_executions e \
             LEFT JOIN fortress_jobs j ON j.id = e.fortress_job_id WHERE e.id = ?1",
        )
        .bind(id);
        let found = self.db.run(select).await?;
        found.first().map(Stored::from_row).transpose()
    }

    /// When an execution was last written, for those who may read it and watch.
    pub async fn updated_at_ms(
        &self,
        id: &str,
        caller: &Principal,
    ) -> Result<Option<i64>, DatabaseError> {
        let select =
            Statement::new("SELECT user_id, updated_at FROM secure_executions WHERE id = ?1")
                .bind(id);
        let found = self.db.run(select).await?;
        let Some(row) = found.first() else {
            return Ok(None);
        };
        match caller.resolve_user(Some(&row.text("user_id")?)) {
            Ok(_) => row.timestamp("updated_at").map(Some),
            Err(_) => Ok(None),
        }
    }
}

const INTERRUPT: &str = "UPDATE secure_executions SET status = 'failed', completed_at = ?1, \
     updated_at = ?1, error_message = ?2, cost_status = 'unpriced' \
     WHERE status IN ('pending', 'executing') AND deadline_at < ?1";

fn end(id: &str, ending: &Ending<'_>) -> Statement {
    let (completed, totals) = (ending.failure.is_none(), &ending.totals);
    Statement::new(
        // The session has the execution's id, where the chatgpt worker made one.
        "UPDATE secure_executions SET status = ?2, error_message = ?3, chatgpt_response = ?4, \
         fortress_output = ?5, fortress_signature = ?6, verification_status = ?7, \
         verification = ?8, fortress_job_id = ?9, chain_facts = ?10, prompt_tokens = ?11, \
         completion_tokens = ?12, cost_nanos = ?13, cost_status = ?14, evidence_id = ?15, \
         chat_session_id = (SELECT id FROM chat_sessions WHERE id = ?1), \
         completed_at = ?16, updated_at = ?16, metadata = ?17, recorded_fact = NULL \
         WHERE id = ?1 \
         AND (status = 'executing' OR (status = 'failed' AND error_message = ?18))",
    )
    .bind(id)
    .bind(ending.status())
    .bind(ending.failure.map(str::to_owned))
    .bind(ending.sealed_response.clone())
    .bind(ending.sealed_output.clone())
    // A failed execution must never read as a signed or verified one; its job has the
    // signature still, and `verification` what was found.
    .bind(
        ending
            .results
            .fortress_signature
            .clone()
            .filter(|_| completed),
    )
    .bind(
        ending
            .results
            .verification_status
            .map(|holds| holds && completed),
    )
    .bind(json!(ending.verification))
    .bind(ending.fortress_job_id.map(str::to_owned))
    .bind(json!(ending.results.chain_facts))
    .bind(totals.prompt_tokens)
    .bind(totals.completion_tokens)
    .bind(totals.cost_nanos)
    .bind(totals.cost_status)
    .bind(
        ending
            .evidence
            .as_ref()
            .map(|evidence| evidence.id.to_owned()),
    )
    .timestamp(ending.now_ms)
    .bind(json!(ending.results.finish_reasons))
    // One that counts as interrupted stays failed; what came in late is still put on file.
    .bind((!completed).then(|| INTERRUPTED.to_owned()))
}

fn status(id: &str) -> Statement {
    Statement::new("SELECT status FROM secure_executions WHERE id = ?1").bind(id)
}

/// Written only with the completion it belongs to.
fn evidence_row(execution_id: &str, evidence: &NewEvidence<'_>, ending: &Ending<'_>) -> Statement {
    let verified = ending.results.verification_status == Some(true);
    Statement::new(
        "INSERT INTO evidence_records (id, user_id, execution_id, case_id, evidence_type, \
         description, fortress_job_id, input_hash, output_hash, pgp_signature, \
         signature_verified, signature_verified_at, chain_facts, status, created_at, \
         updated_at, completed_at) \
         SELECT ?1, user_id, id, case_id, 'ai_execution', ?3, fortress_job_id, ?4, ?5, \
         fortress_signature, ?6, ?7, chain_facts, ?8, ?9, ?9, ?9 \
         FROM secure_executions WHERE id = ?2 AND status = 'completed' AND evidence_id = ?1 \
         ON CONFLICT (execution_id) DO NOTHING",
    )
    .bind(evidence.id)
    .bind(execution_id)
    .bind(evidence.description)
    .bind(evidence.input_hash)
    .bind(evidence.output_hash)
    .bind(verified)
    .timestamp(verified.then_some(ending.now_ms))
    .bind(if verified { "verified" } else { "completed" })
    .timestamp(ending.now_ms)
}

impl Ending<'_> {
    fn status(&self) -> &'static str {
        match self.failure {
            None => "completed",
            Some(_) => "failed",
        }
    }
}

impl Stored {
    fn from_row(row: &Row) -> Result<Self, DatabaseError> {
        let facts = row.opt_json("chain_facts")?.unwrap_or_default();
        Ok(Self {
            id: row.text("id")?,
            user_id: row.text("user_id")?,
            sealed_prompt: row.text("prompt")?,
            security_level: row.text("security_level")?,
            execution_method: row.text("execution_method")?,
            chat_session_id: row.opt_text("chat_session_id")?,
            fortress_job_id: row.opt_text("fortress_job_id")?,
            evidence_id: row.opt_text("evidence_id")?,
            case_id: row.opt_text("case_id")?,
            created_at_ms: row.timestamp("created_at")?,
            completed_at_ms: row.opt_timestamp("completed_at")?,
            status: row.text("status")?,
            sealed_response: row.opt_text("chatgpt_response")?,
            sealed_output: row.opt_text("fortress_output")?,
            fortress_signature: row.opt_text("fortress_signature")?,
            verification_status: row.opt_boolean("verification_status")?,
            verification: row.opt_json("verification")?,
            metadata: row.opt_json("metadata")?,
            cost_nanos: row.opt_int("cost_nanos")?,
            error_message: row.opt_text("error_message")?,
            chain_facts: serde_json::from_value(facts).unwrap_or_default(),
            manifest: row.opt_text("job_manifest")?,
            label: row.opt_text("label")?,
            model: row.opt_text("model")?,
        })
    }
}
