//! A run in steps: put in, run, read. The same rows and the same pipeline as a run in one call.

use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::FortressError;
use super::jobs::{Job, NewJob, Start};
use super::manifest::Manifest;
use super::service::{Asker, FortressService, bound};
use super::types::{ExecuteInput, ExecuteOutput, VerifyInput};
use crate::digest::sha256_hex;
use crate::ids;
use crate::seal::SealError;
use crate::validation::{printable, printable_if_some};

/// Content for a run, kept sealed until then.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct IngestInput {
    /// What the model will be asked, as it stands.
    #[garde(length(bytes, min = 1, max = 65_536))]
    pub content: String,
    /// A name for it, for people.
    #[garde(length(chars, min = 1, max = 500), custom(printable))]
    pub label: String,
    /// What it belongs to. The same one twice gives the same input, not a second one.
    #[garde(length(bytes, min = 1, max = 128), custom(printable_if_some))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence_id: Option<String>,
    /// The model to ask. Default: gpt-4.
    #[garde(length(bytes, min = 1, max = 128))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct IngestOutput {
    /// Give it to `fortress_run_agent`.
    pub input_id: String,
    /// `pending` until it is run.
    pub status: String,
    /// SHA-256 of the content's UTF-8 bytes, lower hex.
    pub content_hash: String,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct RunInput {
    /// What `fortress_ingest_content` gave.
    #[garde(length(bytes, min = 1, max = 128), custom(printable))]
    pub input_id: String,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct RunOutput {
    /// The same as the input's.
    pub job_id: String,
    /// Give it to `fortress_get_output`.
    pub output_file: String,
    pub status: String,
    /// The fact in the log that records the run.
    pub assertion_id: String,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct OutputInput {
    /// What a run gave as `output_file`.
    #[garde(length(bytes, min = 1, max = 128), custom(printable))]
    pub output_file: String,
    /// Also check the signature, and that it is of this output.
    #[garde(skip)]
    #[serde(default = "yes")]
    pub verify_signature: bool,
}

fn yes() -> bool {
    true
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct OutputOutput {
    pub job_id: String,
    pub output: String,
    /// Armored OpenPGP signature over `manifest`.
    pub signature: String,
    /// Fingerprint of the key that signed.
    pub verified_by: String,
    /// Whether the signature holds for the manifest, and the manifest is of this output. Null
    /// where it was not asked.
    pub signature_valid: Option<bool>,
    /// The verdict in words, where it was asked.
    pub explanation: Option<String>,
    /// The exact signed text.
    pub manifest: String,
}

impl FortressService {
    /// Keeps content for a run; or finds it by the same owner and `evidence_id`.
    pub async fn ingest(
        &self,
        asker: Asker<'_>,
        input: IngestInput,
    ) -> Result<IngestOutput, FortressError> {
        let order = ExecuteInput {
            prompt: input.content,
            label: input.label,
            evidence_id: input.evidence_id,
            model: input.model,
        };
        self.count(asker, order.prompt.len()).await?;
        let (job, _) = self.open(asker, &order, false).await?;
        Ok(IngestOutput {
            input_id: job.id,
            status: job.status,
            content_hash: job.prompt_hash,
        })
    }

    /// Runs what was put in, once however often it is asked.
    pub async fn run_agent(
        &self,
        asker: Asker<'_>,
        input: &RunInput,
    ) -> Result<RunOutput, FortressError> {
        let job = self.run_waiting(asker, &input.input_id).await?;
        let run = self.conclude(job).await?;
        Ok(RunOutput {
            job_id: run.job_id,
            output_file: run.output_file,
            status: run.status,
            assertion_id: run.assertion_id,
        })
    }

    /// What a run of that owner answered.
    pub async fn get_output(
        &self,
        owner: &str,
        input: &OutputInput,
    ) -> Result<OutputOutput, FortressError> {
        let none = || FortressError::OutputNotFound;
        let id = input.output_file.strip_suffix(".txt").ok_or_else(none)?;
        let job = self.jobs().find(owner, id).await?;
        let run = self.conclude(job.ok_or_else(none)?.completed()?).await?;
        let verdict = if input.verify_signature {
            Some(self.check_run(&run).await?)
        } else {
            None
        };
        Ok(OutputOutput {
            signature_valid: verdict.as_ref().map(|(valid, _)| *valid),
            explanation: verdict.map(|(_, words)| words),
            job_id: run.job_id,
            output: run.output,
            signature: run.signature,
            verified_by: run.verified_by,
            manifest: run.manifest,
        })
    }

    /// The job under the caller's key, and whether this call made it.
    pub(super) async fn open(
        &self,
        asker: Asker<'_>,
        input: &ExecuteInput,
        at_once: bool,
    ) -> Result<(Job, bool), FortressError> {
        bound("prompt", input.prompt.len(), self.policy.max_prompt_bytes)?;
        let owner = asker.user_id;
        let id = ids::prefixed("JOB", &*self.clock, &*self.entropy)?;
        // Made of the owner, so that one user's evidence ids never meet another's.
        let key = match &input.evidence_id {
            Some(evidence) => sha256_hex(serde_json::json!([owner, evidence]).to_string()),
            None => id.clone(),
        };
        let prompt_hash = sha256_hex(&input.prompt);
        let sealed = self.sealer.seal(
            "prompt",
            &[owner, &id],
            input.prompt.as_bytes(),
            &*self.entropy,
        )?;
        let now_ms = self.clock.now_ms();
        let job = self
            .jobs()
            .open(&NewJob {
                id: &id,
                user_id: owner,
                label: &input.label,
                evidence_id: input.evidence_id.as_deref(),
                idempotency_key: &key,
                request_id: asker.request_id,
                sealed_prompt: &sealed,
                prompt_hash: &prompt_hash,
                policy: &self.policy,
                model: input.model(),
                now_ms,
                deadline_ms: at_once.then(|| self.deadline_ms(now_ms)),
            })
            .await?;
        if job.prompt_hash != prompt_hash || job.model_requested != input.model() {
            return Err(FortressError::Conflict);
        }
        let fresh = job.id == id;
        Ok((job, fresh))
    }

    /// The job of an input, signed: run now if it waits.
    pub(super) async fn run_waiting(
        &self,
        asker: Asker<'_>,
        id: &str,
    ) -> Result<Job, FortressError> {
        let now_ms = self.clock.now_ms();
        let start = Start {
            id,
            user_id: asker.user_id,
            request_id: asker.request_id,
            policy: &self.policy,
            now_ms,
            deadline_ms: self.deadline_ms(now_ms),
        };
        let found = self.jobs().start(&start).await?;
        let (job, taken) = found.ok_or(FortressError::InputNotFound)?;
        if !taken {
            return job.completed();
        }
        let order = match self.question(&job).await {
            Ok(order) => order,
            Err(error) => {
                // Nothing was asked: it need not wait for its deadline to say so.
                let (jobs, reason) = (self.jobs(), error.reason());
                let _ = jobs.fail(&job.id, &reason, &[], now_ms).await;
                return Err(error);
            }
        };
        self.begin(asker, job, &order).await
    }

    async fn question(&self, job: &Job) -> Result<ExecuteInput, FortressError> {
        let found = self.jobs().question(&job.id).await?;
        let (label, sealed) = found.ok_or(FortressError::InputNotFound)?;
        let prompt = self
            .sealer
            .open("prompt", &[&job.user_id, &job.id], &sealed)?;
        let order = ExecuteInput {
            prompt: String::from_utf8(prompt).map_err(|_| SealError::Malformed)?,
            label,
            evidence_id: job.evidence_id.clone(),
            model: Some(job.model_requested.clone()),
        };
        if sha256_hex(&order.prompt) != job.prompt_hash {
            return Err(SealError::Malformed.into());
        }
        bound("prompt", order.prompt.len(), self.policy.max_prompt_bytes)?;
        Ok(order)
    }

    async fn check_run(&self, run: &ExecuteOutput) -> Result<(bool, String), FortressError> {
        let question = VerifyInput {
            content: run.manifest.clone(),
            signature: run.signature.clone(),
            public_key: None,
            include_keys: false,
        };
        let verdict = self.verify(&question).await?;
        let manifest = Manifest::parse(&run.manifest).ok();
        let is_of_it = manifest.is_some_and(|manifest| {
            manifest.job_id == run.job_id && manifest.output_sha256 == sha256_hex(&run.output)
        });
        Ok(if verdict.signature_valid && !is_of_it {
            let words = "The signature holds for the manifest, which is not of this output: do not rely on it.";
            (false, words.to_owned())
        } else {
            (verdict.signature_valid, verdict.explanation)
        })
    }
}
