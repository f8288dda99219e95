//! The life of a job: ingested, run, on file.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use chitty_core::digest::sha256_hex;
use chitty_core::ids;
use chitty_core::openpgp::SigningKey;
use chitty_core::ports::Clock;
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::time;

use super::error::ApiError;
use super::folders::Folders;
use super::log::log;
use super::model::Upstream;
use super::sandbox::Sandbox;
use super::store::{Job, Store};
use super::system::System;
use super::under_way::UnderWay;

/// How long a run waits for its turn.
const TURN: Duration = Duration::from_secs(10);
/// Inputs that nobody has run yet, and that still may be.
const MAX_WAITING: u32 = 1_000;

/// What all jobs are run with.
pub struct Jobs {
    pub store: Store,
    pub sandbox: Sandbox,
    pub upstream: Arc<Upstream>,
    pub key: SigningKey,
    /// Model of inputs that name none.
    pub model: String,
    pub folders: Folders,
    pub turns: Semaphore,
    pub under_way: UnderWay,
}

/// What is to be run.
pub struct Input {
    pub id: Option<String>,
    pub content: String,
    pub label: String,
    pub evidence_id: Option<String>,
    pub model: Option<String>,
    /// Unix time from which on it is of no use to the caller.
    pub not_after_ms: Option<i64>,
}

impl Jobs {
    /// Puts the content on file. The same `id` again is the same job.
    pub fn ingest(&self, input: &Input) -> Result<Job, ApiError> {
        let job = self.asked(input)?;
        if let Some(known) = self.find(&job.id)? {
            let same = known.content_sha256 == job.content_sha256
                && known.label == job.label
                && known.evidence_id == job.evidence_id
                && known.model == job.model
                && known.not_after_ms == job.not_after_ms;
            return same.then_some(known).ok_or(ApiError::Conflict);
        }
        let now_ms = System.now_ms();
        if job.is_late(now_ms) {
            return Err(ApiError::TooLate);
        }
        let failed = |error: &dyn std::fmt::Display| broken("ingest", error);
        if self.store.waiting(now_ms).map_err(|error| failed(&error))? >= MAX_WAITING {
            return Err(ApiError::Full);
        }
        let system_prompt = &self.sandbox.policy.system_prompt;
        let written = self
            .folders
            .write_input(&job.id, &input.content, system_prompt)
            .map_err(|error| failed(&error))
            .and_then(|()| {
                let stored = self.store.ingest(&job, now_ms);
                stored.map_err(|error| failed(&error))
            });
        if let Err(error) = written {
            // What cannot be removed now is removed at the next start.
            let _tried = self.folders.remove_input(&job.id);
            return Err(error);
        }
        log("info", "ingested", &json!({ "job": job.id }));
        Ok(job)
    }

    fn asked(&self, input: &Input) -> Result<Job, ApiError> {
        let id = match &input.id {
            Some(id) => id.clone(),
            None => {
                ids::prefixed("JOB", &System, &System).map_err(|error| broken("ingest", &error))?
            }
        };
        Ok(Job {
            id,
            label: input.label.clone(),
            content_sha256: sha256_hex(&input.content),
            evidence_id: input.evidence_id.clone(),
            model: input.model.clone().unwrap_or_else(|| self.model.clone()),
            not_after_ms: input.not_after_ms,
            status: "ingested".to_owned(),
            code: None,
            reason: None,
            output_sha256: None,
            manifest: None,
            signature: None,
            fingerprint: None,
            calls: None,
        })
    }

    pub fn find(&self, id: &str) -> Result<Option<Job>, ApiError> {
        self.store.job(id).map_err(|error| broken("find", &error))
    }

    /// Runs a job that is ingested; says of any other how it stands. To be called in a task of
    /// its own, so that it goes on when its caller leaves.
    pub async fn run(&self, id: &str) -> Result<Job, ApiError> {
        if let Some(ended) = self.ended(id)? {
            return ended;
        }
        let turn = time::timeout(TURN, self.turns.acquire()).await;
        let Ok(Ok(_turn)) = turn else {
            return Err(ApiError::Busy);
        };
        let begun = self.store.begin(id, System.now_ms());
        if begun.map_err(|error| broken("run", &error))? {
            let _held = self.under_way.hold(id);
            let job = self.find(id)?.ok_or(ApiError::Unknown("input"))?;
            self.execute(&job)
                .await
                .map_err(|error| broken("run", &error))?;
        }
        self.ended(id)?.unwrap_or(Err(ApiError::InProgress))
    }

    /// None if it waits to be run.
    fn ended(&self, id: &str) -> Result<Option<Result<Job, ApiError>>, ApiError> {
        let job = self.find(id)?.ok_or(ApiError::Unknown("input"))?;
        Ok(match job.status.as_str() {
            "ingested" if job.is_late(System.now_ms()) => Some(Err(ApiError::TooLate)),
            "ingested" => None,
            "completed" => Some(Ok(job)),
            "failed" => Some(Err(ApiError::RunFailed {
                calls: job.calls_made(),
                code: job.code.unwrap_or_default(),
                reason: job.reason.unwrap_or_default(),
            })),
            _ if self.under_way.has(id) => Some(Err(ApiError::InProgress)),
            _ => Some(Err(self.given_up(id)?)),
        })
    }

    /// The task that ran it is gone, and could not write down how it ended.
    fn given_up(&self, id: &str) -> Result<ApiError, ApiError> {
        let (code, reason) = ("INTERRUPTED", "how the run ended could not be written down");
        let failed = self.store.fail(id, code, reason, "null", System.now_ms());
        failed.map_err(|error| broken("run", &error))?;
        Ok(ApiError::RunFailed {
            code: code.to_owned(),
            reason: reason.to_owned(),
            calls: json!(null),
        })
    }

    /// The answer of a completed job, exactly as signed.
    pub fn output(&self, job: &Job) -> Result<String, ApiError> {
        let path = self.folders.outputs.join(format!("{}.txt", job.id));
        let text = fs::read_to_string(path).map_err(|error| broken("output", &error))?;
        if Some(sha256_hex(&text)) == job.output_sha256 {
            return Ok(text);
        }
        Err(broken(
            "output",
            &format!("the file of {} is not the one signed", job.id),
        ))
    }
}

/// Callers learn that it failed; the log learns why.
pub fn broken(what: &str, cause: &dyn std::fmt::Display) -> ApiError {
    log(
        "error",
        "broken",
        &json!({ "what": what, "cause": cause.to_string() }),
    );
    ApiError::Internal
}
