//! The life of a job: ingested, run, signed, put on file.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chitty_core::digest::sha256_hex;
use chitty_core::fortress::{Manifest, Parameters};
use chitty_core::ids;
use chitty_core::openpgp::SigningKey;
use chitty_core::ports::Clock;
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::time;

use super::asked;
use super::calls::{self, Call};
use super::error::ApiError;
use super::log::log;
use super::model::{Proxy, Upstream};
use super::sandbox::{Failure, Sandbox, Task};
use super::store::{Completed, Job, Store, StoreError};
use super::system::System;

/// How long a run waits for its turn.
const TURN: Duration = Duration::from_secs(10);
/// Inputs that nobody has run yet.
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
}

/// Where its files are.
#[derive(Debug, Clone)]
pub struct Folders {
    pub inputs: PathBuf,
    pub outputs: PathBuf,
    /// For sockets, which live as long as a run.
    pub sockets: PathBuf,
    /// What agents wrote to their standard output and error, of failed runs.
    pub diagnostics: PathBuf,
}

/// What is to be run.
pub struct Input {
    pub id: Option<String>,
    pub content: String,
    pub label: String,
    pub evidence_id: Option<String>,
    pub model: Option<String>,
}

/// Why a run has no result: a stable code, and the reason in words.
struct Failed {
    code: &'static str,
    reason: String,
}

impl Folders {
    pub fn under(data: &Path) -> io::Result<Self> {
        let made = |name: &str| {
            let folder = data.join(name);
            let builder = fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(&folder);
            builder.map(|()| folder)
        };
        Ok(Self {
            inputs: made("inputs")?,
            outputs: made("outputs")?,
            sockets: made("s")?,
            diagnostics: made("diagnostics")?,
        })
    }
}

impl Jobs {
    /// Puts the content on file. The same `id` again is the same job.
    pub fn ingest(&self, input: &Input) -> Result<Job, ApiError> {
        let id = match &input.id {
            Some(id) => id.clone(),
            None => {
                ids::prefixed("JOB", &System, &System).map_err(|error| broken("ingest", &error))?
            }
        };
        let job = Job {
            id,
            label: input.label.clone(),
            content_sha256: sha256_hex(&input.content),
            evidence_id: input.evidence_id.clone(),
            model: input.model.clone().unwrap_or_else(|| self.model.clone()),
            status: "ingested".to_owned(),
            code: None,
            reason: None,
            output_sha256: None,
            manifest: None,
            signature: None,
            fingerprint: None,
            calls: None,
        };
        if let Some(known) = self.find(&job.id)? {
            let same = known.content_sha256 == job.content_sha256
                && known.label == job.label
                && known.evidence_id == job.evidence_id
                && known.model == job.model;
            return same.then_some(known).ok_or(ApiError::Conflict);
        }
        if self
            .store
            .waiting()
            .map_err(|error| broken("ingest", &error))?
            >= MAX_WAITING
        {
            return Err(ApiError::Full);
        }
        self.write_input(&job.id, &input.content)
            .map_err(|error| broken("ingest", &error))?;
        let stored = self.store.ingest(&job, System.now_ms());
        stored.map_err(|error| broken("ingest", &error))?;
        log("info", "ingested", &json!({ "job": job.id }));
        Ok(job)
    }

    /// The trusted input directory of a job, which its agent sees as `/input`.
    fn write_input(&self, id: &str, content: &str) -> io::Result<()> {
        let folder = self.folders.inputs.join(id);
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder)?;
        write(&folder.join("content.txt"), content.as_bytes())?;
        write(
            &folder.join("system.txt"),
            self.sandbox.policy.system_prompt.as_bytes(),
        )
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
            "ingested" => None,
            "completed" => Some(Ok(job)),
            "failed" => Some(Err(ApiError::RunFailed {
                calls: job.calls_made(),
                code: job.code.unwrap_or_default(),
                reason: job.reason.unwrap_or_default(),
            })),
            _ => Some(Err(ApiError::InProgress)),
        })
    }

    /// To its end, which is written down.
    async fn execute(&self, job: &Job) -> Result<(), StoreError> {
        let started_ms = System.now_ms();
        let (answered, calls) = self.answer(job).await;
        let written = json!(calls).to_string();
        let signed = answered.and_then(|answer| {
            let manifest = self.manifest(job, &answer, &calls, started_ms);
            self.sign_and_file(job, &answer, &manifest)
        });
        let now_ms = System.now_ms();
        match signed {
            Ok(signed) => {
                let end = Completed {
                    output_sha256: &signed.output_sha256,
                    manifest: &signed.manifest,
                    signature: &signed.signature,
                    fingerprint: &self.key.fingerprint(),
                    calls: &written,
                };
                self.store.complete(&job.id, &end, now_ms)?;
                log(
                    "info",
                    "completed",
                    &json!({ "job": job.id, "calls": calls.len(), "ms": now_ms - started_ms }),
                );
            }
            Err(Failed { code, reason }) => {
                self.store.fail(&job.id, code, &reason, &written, now_ms)?;
                log(
                    "warn",
                    "failed",
                    &json!({ "job": job.id, "code": code, "reason": reason }),
                );
            }
        }
        Ok(())
    }

    async fn answer(&self, job: &Job) -> (Result<String, Failed>, Vec<Call>) {
        let socket = self.folders.sockets.join(short(&job.id));
        let _stale = fs::remove_file(&socket);
        let limits = self.limits();
        let policy = &self.sandbox.policy;
        let bounds = (policy.max_output_tokens, limits.max_model_calls);
        let proxy = match Proxy::open(&self.upstream, &socket, &job.model, bounds) {
            Ok(proxy) => proxy,
            Err(error) => return (Err(sandbox_failed(&error.to_string())), Vec::new()),
        };
        let task = Task {
            command: &limits.agent,
            limits,
            input: &self.folders.inputs.join(&job.id),
            socket: &socket,
            model: &job.model,
        };
        let ended = self.sandbox.run(&task).await;
        let calls = proxy.calls();
        let _removed = fs::remove_file(&socket);
        let result = ended.result.map_err(|failure| {
            let kept = write(&self.folders.diagnostics.join(&job.id), &ended.diagnostics);
            if let Err(error) = kept {
                log(
                    "error",
                    "diagnostics_lost",
                    &json!({ "job": job.id, "cause": error.to_string() }),
                );
            }
            failed(&failure, &calls)
        });
        (result, calls)
    }

    fn limits(&self) -> &chitty_core::fortress::SandboxPolicy {
        &self.sandbox.limits
    }

    fn manifest(&self, job: &Job, answer: &str, calls: &[Call], started_ms: i64) -> Manifest {
        let policy = self.sandbox.policy.clone();
        Manifest {
            kind: Manifest::kind(),
            job_id: job.id.clone(),
            evidence_id: job.evidence_id.clone(),
            label: job.label.clone(),
            prompt_sha256: job.content_sha256.clone(),
            output_sha256: sha256_hex(answer),
            model_requested: job.model.clone(),
            model_answered: calls::model(calls),
            provider: calls::provider(calls, &policy.allowed_host),
            parameters: Parameters {
                max_tokens: policy.max_output_tokens,
                temperature: asked::temperature(&job.model),
            },
            policy_sha256: policy.sha256().unwrap_or_default(),
            policy,
            usage: calls::usage(calls),
            started_at_ms: started_ms,
            completed_at_ms: System.now_ms(),
            signer_fingerprint: self.key.fingerprint(),
        }
    }

    fn sign_and_file(
        &self,
        job: &Job,
        answer: &str,
        manifest: &Manifest,
    ) -> Result<Signed, Failed> {
        let unsigned = |reason: String| Failed {
            code: "SIGNING_FAILED",
            reason,
        };
        let text = manifest.canonical();
        let text = text.ok_or_else(|| unsigned("the manifest has no canonical form".to_owned()))?;
        let now_secs = u64::try_from(System.now_ms() / 1_000).unwrap_or_default();
        let signature = self.key.sign(text.as_bytes(), now_secs);
        let signature = signature.map_err(|error| unsigned(error.to_string()))?;
        let file = |end: &str| self.folders.outputs.join(format!("{}.{end}", job.id));
        write(&file("txt"), answer.as_bytes())
            .and_then(|()| write(&file("manifest.json"), text.as_bytes()))
            .and_then(|()| write(&file("manifest.json.asc"), signature.as_bytes()))
            .map_err(|error| Failed {
                code: "NOT_STORED",
                reason: format!("the output could not be written: {}", error.kind()),
            })?;
        Ok(Signed {
            output_sha256: manifest.output_sha256.clone(),
            manifest: text,
            signature,
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

struct Signed {
    output_sha256: String,
    manifest: String,
    signature: String,
}

fn failed(failure: &Failure, calls: &[Call]) -> Failed {
    let code = match failure {
        Failure::Bound(_) => "BOUND_EXCEEDED",
        Failure::Exited(_) | Failure::Killed(_) | Failure::NotStarted(_) => "AGENT_FAILED",
        Failure::NoAnswer(_) | Failure::NotText => "NO_ANSWER",
        Failure::Lost(_) => "SANDBOX_FAILED",
    };
    let reason = match calls::last_trouble(calls) {
        Some(trouble) => format!("{failure}; {trouble}"),
        None => failure.to_string(),
    };
    Failed { code, reason }
}

fn sandbox_failed(cause: &str) -> Failed {
    Failed {
        code: "SANDBOX_FAILED",
        reason: format!("the way to the model could not be opened: {cause}"),
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

/// A name that a socket's path has room for, whatever the id's length.
fn short(id: &str) -> String {
    sha256_hex(id).chars().take(16).collect()
}

/// Whole or not at all, and on the disk when this returns.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let partial = path.with_added_extension("partial");
    let mut options = fs::OpenOptions::new();
    let mut file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&partial)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&partial, path)?;
    let folder = path.parent().map(fs::File::open).transpose()?;
    folder.map_or(Ok(()), |folder| folder.sync_all())
}
