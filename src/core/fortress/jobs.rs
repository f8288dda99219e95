use std::rc::Rc;

use super::error::FortressError;
use super::policy::Policy;
use crate::analytics::{EventCost, UsageEvent, record_all};
use crate::ports::Database;
use crate::sql::{DatabaseError, Row, Statement};

/// Why a job failed that was still executing at its deadline.
pub const INTERRUPTED: &str = "interrupted: the worker ended before the run did";

/// The jobs of the fortress, in the table `fortress_jobs`.
pub struct Jobs {
    db: Rc<dyn Database>,
}

/// A job as it is first written.
pub(super) struct NewJob<'a> {
    pub id: &'a str,
    pub user_id: &'a str,
    pub label: &'a str,
    pub evidence_id: Option<&'a str>,
    pub idempotency_key: &'a str,
    pub request_id: &'a str,
    pub sealed_prompt: &'a str,
    pub prompt_hash: &'a str,
    pub policy: &'a Policy,
    pub model: &'a str,
    pub now_ms: i64,
    /// Of a job that runs at once. None: it waits until somebody runs it.
    pub deadline_ms: Option<i64>,
}

/// A waiting job that is to be run, and when it counts as interrupted.
pub(super) struct Start<'a> {
    pub id: &'a str,
    pub user_id: &'a str,
    pub request_id: &'a str,
    /// The one it runs under, which may not be that of the day it was put in.
    pub policy: &'a Policy,
    pub now_ms: i64,
    pub deadline_ms: i64,
}

/// The end of a job that went well.
pub(super) struct Completed<'a> {
    pub sealed_output: &'a str,
    pub output_hash: &'a str,
    pub output_file: &'a str,
    pub manifest: &'a str,
    pub signature: &'a str,
    pub fingerprint: &'a str,
    pub model_answered: &'a str,
    pub provider_request_id: Option<&'a str>,
    pub prompt_tokens: Option<i64>,
    pub completion_tokens: Option<i64>,
    pub cost: &'a EventCost,
    /// What was asked of models, written with it.
    pub events: &'a [UsageEvent],
    pub now_ms: i64,
}

/// A stored job.
#[derive(Debug, Clone)]
pub(super) struct Job {
    pub id: String,
    pub user_id: String,
    pub status: String,
    pub evidence_id: Option<String>,
    pub prompt_hash: String,
    pub model_requested: String,
    pub sealed_output: Option<String>,
    pub output_file: Option<String>,
    pub manifest: Option<String>,
    pub signature: Option<String>,
    pub fingerprint: Option<String>,
    pub model_answered: Option<String>,
    pub prompt_tokens: Option<i64>,
    pub completion_tokens: Option<i64>,
    pub cost_nanos: Option<i64>,
    pub cost_status: String,
    pub error_message: Option<String>,
    pub completed_at_ms: Option<i64>,
    /// Of the execution that the run is part of.
    pub case_id: Option<String>,
}

const COLUMNS: &str = "id, user_id, status, evidence_id, prompt_hash, model_requested, \
                       sealed_output, output_file, manifest, signature, key_fingerprint, \
                       model_answered, prompt_tokens, completion_tokens, cost_nanos, cost_status, \
                       error_message, completed_at, (SELECT x.case_id FROM secure_executions x \
                       WHERE x.id = fortress_jobs.execution_id) AS case_id";

const UNLOGGED: &str = "status = 'completed' AND assertion_id IS NULL AND manifest <> ''";

impl Jobs {
    pub fn new(db: Rc<dyn Database>) -> Self {
        Self { db }
    }

    /// Writes a job, or leaves the one that has its key. Returns the job under the key.
    pub(super) async fn open(&self, job: &NewJob<'_>) -> Result<Job, DatabaseError> {
        let insert = Statement::new(
            // A caller may name anything; the job belongs to no execution but its owner's, and to
            // none whose content is erased.
            "INSERT INTO fortress_jobs (id, user_id, label, evidence_id, execution_id, \
             idempotency_key, request_id, sealed_prompt, prompt_hash, policy, model_requested, \
             created_at, updated_at, deadline_at, status, started_at) \
             VALUES (?1, ?2, ?3, ?4, \
             (SELECT id FROM secure_executions WHERE id = ?4 AND user_id = ?2 AND prompt <> ''), \
             ?5, ?6, ?7, ?8, \
             ?9, ?10, ?11, ?11, ?12, ?13, ?14) \
             ON CONFLICT (idempotency_key) DO NOTHING",
        )
        .bind(job.id)
        .bind(job.user_id)
        .bind(job.label)
        .bind(job.evidence_id.map(str::to_owned))
        .bind(job.idempotency_key)
        .bind(job.request_id)
        .bind(job.sealed_prompt)
        .bind(job.prompt_hash)
        .bind(serde_json::json!(job.policy))
        .bind(job.model)
        .timestamp(job.now_ms)
        .timestamp(job.deadline_ms)
        .bind(job.deadline_ms.map_or("pending", |_| "executing"))
        .timestamp(job.deadline_ms.map(|_| job.now_ms));
        let select = Statement::new(format!(
            "SELECT {COLUMNS} FROM fortress_jobs WHERE idempotency_key = ?1"
        ))
        .bind(job.idempotency_key);
        let outcomes = self.db.batch(vec![insert, select]).await?;
        let row = outcomes.last().and_then(|outcome| outcome.first());
        row.map(Job::from_row)
            .transpose()?
            .ok_or_else(|| DatabaseError::Unavailable("the job just written is absent".to_owned()))
    }

    /// Takes a waiting job up. Returns the job, and whether it was this call that took it;
    /// None where its owner has no such job.
    pub(super) async fn start(
        &self,
        start: &Start<'_>,
    ) -> Result<Option<(Job, bool)>, DatabaseError> {
        let update = Statement::new(
            "UPDATE fortress_jobs SET status = 'executing', policy = ?3, request_id = ?4, \
             started_at = ?5, updated_at = ?5, deadline_at = ?6 \
             WHERE id = ?1 AND user_id = ?2 AND status = 'pending'",
        )
        .bind(start.id)
        .bind(start.user_id)
        .bind(serde_json::json!(start.policy))
        .bind(start.request_id)
        .timestamp(start.now_ms)
        .timestamp(start.deadline_ms);
        let select = of_owner(start.user_id, start.id);
        let outcomes = self.db.batch(vec![update, select]).await?;
        let taken = outcomes.first().is_some_and(|update| update.changes > 0);
        let row = outcomes.last().and_then(|outcome| outcome.first());
        let job = row.map(Job::from_row).transpose()?;
        Ok(job.map(|job| (job, taken)))
    }

    /// The label and the sealed prompt of a job.
    pub(super) async fn question(
        &self,
        id: &str,
    ) -> Result<Option<(String, String)>, DatabaseError> {
        let select =
            Statement::new("SELECT label, sealed_prompt FROM fortress_jobs WHERE id = ?1").bind(id);
        let found = self.db.run(select).await?;
        let read = |row: &Row| Ok((row.text("label")?, row.text("sealed_prompt")?));
        found.first().map(read).transpose()
    }

    /// A job of that owner.
    pub(super) async fn find(&self, owner: &str, id: &str) -> Result<Option<Job>, DatabaseError> {
        let found = self.db.run(of_owner(owner, id)).await?;
        found.first().map(Job::from_row).transpose()
    }

    /// False if somebody else had ended the job before. A lost reply leaves open whether the
    /// end is written, so it is written once more, which changes nothing if it is.
    pub(super) async fn complete(
        &self,
        id: &str,
        end: &Completed<'_>,
    ) -> Result<bool, DatabaseError> {
        let mut statements = record_all(end.events);
        statements.extend([completion(id, end), status(id)]);
        let outcomes = match self.db.batch(statements.clone()).await {
            Err(DatabaseError::Unavailable(_)) => self.db.batch(statements).await?,
            outcomes => outcomes?,
        };
        let row = outcomes.last().and_then(|outcome| outcome.first());
        let on_file = row.map(|row| row.text("status")).transpose()?;
        Ok(on_file.as_deref() == Some("completed"))
    }

    /// Ends a job that is being executed, with the reason; or says more of one that counts as
    /// interrupted, whose worker was slow and not gone.
    pub(super) async fn fail(
        &self,
        id: &str,
        reason: &str,
        events: &[UsageEvent],
        now_ms: i64,
    ) -> Result<(), DatabaseError> {
        let spent = EventCost::of_all(events);
        let update = Statement::new(
            "UPDATE fortress_jobs SET status = 'failed', error_message = ?2, cost_nanos = ?3, \
             cost_status = ?4, completed_at = ?5, updated_at = ?5, recorded_fact = NULL \
             WHERE id = ?1 AND (status = 'executing' \
              OR (status = 'failed' AND error_message = ?6))",
        )
        .bind(id)
        .bind(reason)
        .bind(spent.nanos())
        .bind(spent.status())
        .timestamp(now_ms)
        .bind(INTERRUPTED);
        let mut statements = record_all(events);
        statements.push(update);
        self.db.batch(statements).await.map(drop)
    }

    pub(super) async fn logged(
        &self,
        id: &str,
        fact_id: &str,
        now_ms: i64,
    ) -> Result<(), DatabaseError> {
        let update = Statement::new(
            "UPDATE fortress_jobs SET assertion_id = ?2, updated_at = ?3 WHERE id = ?1 \
             AND assertion_id IS NULL",
        )
        .bind(id)
        .bind(fact_id)
        .timestamp(now_ms);
        self.db.run(update).await.map(drop)
    }

    /// Ends jobs past their deadline: the worker that ran them is gone. What the model took
    /// for its answer, if it was asked, nobody knows.
    pub async fn fail_interrupted(&self, now_ms: i64) -> Result<u64, DatabaseError> {
        let update = Statement::new(
            "UPDATE fortress_jobs SET status = 'failed', completed_at = ?1, updated_at = ?1, \
             error_message = ?2, cost_status = 'unpriced' \
             WHERE status IN ('pending', 'executing') AND deadline_at < ?1",
        )
        .timestamp(now_ms)
        .bind(INTERRUPTED);
        Ok(self.db.run(update).await?.changes)
    }

    /// How many there are that [`Self::unlogged`] tells of.
    pub(super) async fn unlogged_count(&self) -> Result<usize, DatabaseError> {
        let count = format!("SELECT count(*) AS count FROM fortress_jobs WHERE {UNLOGGED}");
        let count = self.db.run(Statement::new(count)).await?.count("count")?;
        Ok(usize::try_from(count).unwrap_or_default())
    }

    /// Jobs that are signed but not logged, oldest first, without the first `skip`.
    pub(super) async fn unlogged(
        &self,
        limit: usize,
        skip: usize,
    ) -> Result<Vec<Job>, DatabaseError> {
        let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        let select = Statement::new(format!(
            "SELECT {COLUMNS} FROM fortress_jobs WHERE {UNLOGGED} \
             ORDER BY completed_at, id LIMIT ?1 OFFSET ?2"
        ))
        .bind(count(limit))
        .bind(count(skip));
        let found = self.db.run(select).await?;
        found.rows.iter().map(Job::from_row).collect()
    }
}

fn completion(id: &str, end: &Completed<'_>) -> Statement {
    Statement::new(
        "UPDATE fortress_jobs SET status = 'completed', sealed_output = ?2, output_hash = ?3, \
         output_file = ?4, manifest = ?5, signature = ?6, key_fingerprint = ?7, \
         model_answered = ?8, provider_request_id = ?9, prompt_tokens = ?10, \
         completion_tokens = ?11, cost_nanos = ?12, cost_status = ?13, completed_at = ?14, \
         updated_at = ?14 WHERE id = ?1 AND status = 'executing'",
    )
    .bind(id)
    .bind(end.sealed_output)
    .bind(end.output_hash)
    .bind(end.output_file)
    .bind(end.manifest)
    .bind(end.signature)
    .bind(end.fingerprint)
    .bind(end.model_answered)
    .bind(end.provider_request_id.map(str::to_owned))
    .bind(end.prompt_tokens)
    .bind(end.completion_tokens)
    .bind(end.cost.nanos())
    .bind(end.cost.status())
    .timestamp(end.now_ms)
}

fn of_owner(owner: &str, id: &str) -> Statement {
    Statement::new(format!(
        "SELECT {COLUMNS} FROM fortress_jobs WHERE id = ?1 AND user_id = ?2"
    ))
    .bind(id)
    .bind(owner)
}

fn status(id: &str) -> Statement {
    Statement::new("SELECT status FROM fortress_jobs WHERE id = ?1").bind(id)
}

impl Job {
    /// The job, if it is signed.
    pub(super) fn completed(self) -> Result<Self, FortressError> {
        match self.status.as_str() {
            "completed" if self.sealed_output.as_deref() == Some("") => Err(FortressError::Erased),
            "completed" => Ok(self),
            "failed" => Err(FortressError::Failed(
                self.error_message.unwrap_or_default(),
            )),
            _ => Err(FortressError::InProgress),
        }
    }

    fn from_row(row: &Row) -> Result<Self, DatabaseError> {
        Ok(Self {
            id: row.text("id")?,
            user_id: row.text("user_id")?,
            status: row.text("status")?,
            evidence_id: row.opt_text("evidence_id")?,
            prompt_hash: row.text("prompt_hash")?,
            model_requested: row.text("model_requested")?,
            sealed_output: row.opt_text("sealed_output")?,
            output_file: row.opt_text("output_file")?,
            manifest: row.opt_text("manifest")?,
            signature: row.opt_text("signature")?,
            fingerprint: row.opt_text("key_fingerprint")?,
            model_answered: row.opt_text("model_answered")?,
            prompt_tokens: row.opt_int("prompt_tokens")?,
            completion_tokens: row.opt_int("completion_tokens")?,
            cost_nanos: row.opt_int("cost_nanos")?,
            cost_status: row.text("cost_status")?,
            error_message: row.opt_text("error_message")?,
            completed_at_ms: row.opt_timestamp("completed_at")?,
            case_id: row.opt_text("case_id")?,
        })
    }
}
