//! A run that has its turn: held to its bounds, signed, written down.

use std::fs;
use std::time::Duration;

use chitty_core::digest::sha256_hex;
use chitty_core::fortress::{Manifest, Parameters};
use chitty_core::ports::Clock;
use serde_json::json;
use tokio::time::{self, Instant};

use super::account::Allowance;
use super::asked;
use super::calls::{self, Call};
use super::folders::write;
use super::jobs::Jobs;
use super::log::log;
use super::model::Proxy;
use super::sandbox::{Failure, Task};
use super::store::{Completed, Job, StoreError};
use super::system::System;

/// How often the end of a run is written down, until it is.
const TRIES: usize = 3;
const AGAIN: Duration = Duration::from_secs(1);

/// Why a run has no result: a stable code, and the reason in words.
struct Failed {
    code: &'static str,
    reason: String,
}

struct Signed {
    output_sha256: String,
    manifest: String,
    signature: String,
}

impl Jobs {
    /// To its end, which is written down.
    pub(super) async fn execute(&self, job: &Job) -> Result<(), StoreError> {
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
                insist(|| self.store.complete(&job.id, &end, now_ms)).await?;
                log(
                    "info",
                    "completed",
                    &json!({ "job": job.id, "calls": calls.len(), "ms": now_ms - started_ms }),
                );
            }
            Err(Failed { code, reason }) => {
                insist(|| self.store.fail(&job.id, code, &reason, &written, now_ms)).await?;
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
        let limits = &self.sandbox.limits;
        let policy = &self.sandbox.policy;
        let timeout = Duration::from_millis(policy.timeout_ms);
        let time_left = job.time_left(System.now_ms());
        let allowance = Allowance {
            calls: limits.max_model_calls,
            request_bytes: limits.max_request_bytes,
            until: Instant::now() + time_left.map_or(timeout, |left| left.min(timeout)),
        };
        let tokens = policy.max_output_tokens;
        let proxy = match Proxy::open(&self.upstream, &socket, (&job.model, tokens), allowance) {
            Ok(proxy) => proxy,
            Err(error) => return (Err(sandbox_failed(&error.to_string())), Vec::new()),
        };
        let task = Task {
            command: &limits.agent,
            limits,
            input: &self.folders.inputs.join(&job.id),
            socket: &socket,
            model: &job.model,
            time_left,
            seen: None,
        };
        let ended = self.sandbox.run(&task).await;
        let calls = proxy.end().await;
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
}

async fn insist(mut write: impl FnMut() -> Result<(), StoreError>) -> Result<(), StoreError> {
    for _ in 1..TRIES {
        if write().is_ok() {
            return Ok(());
        }
        time::sleep(AGAIN).await;
    }
    write()
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

/// A name that a socket's path has room for, whatever the id's length.
fn short(id: &str) -> String {
    sha256_hex(id).chars().take(16).collect()
}
