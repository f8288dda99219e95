use std::rc::Rc;

use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::jobs::{Completion, Job, Jobs, NewJob, priced};
use super::manifest::{Manifest, Parameters, Provider};
use super::policy::Policy;
use super::sha256_hex;
use crate::chain::fact::Fact;
use crate::ids;
use crate::ledger::{AppendRequest, Ledger, LedgerError};
use crate::llm::{Limits, Message, ModelAnswer, ModelError, ModelRequest, OpenAi, Role};
use crate::openpgp::{PublicKey, SigningKey, verify};
use crate::ports::{Clock, Database, Entropy, EntropyError};
use crate::seal::{SealError, Sealer};
use crate::sql::DatabaseError;
use crate::usage::{Cost, PriceTable};

/// Runs are repeatable questions, not prose.
const TEMPERATURE: f64 = 0.0;
const TEMPERATURE_TEXT: &str = "0";
/// After the policy's own time, for writing down what came of it.
const GRACE_MS: i64 = 30_000;
const SOURCE: &str = "fortress-mcp";

/// A question to be answered inside a sealed, signed and logged run.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct ExecuteInput {
    /// The question. Sent to the model as it stands, under the fortress's own policy.
    #[garde(length(bytes, min = 1, max = 65_536))]
    pub prompt: String,
    /// A name for the run, for people.
    #[garde(length(chars, min = 1, max = 500))]
    pub label: String,
    /// What the run belongs to, such as an execution id. The same one twice gives the same
    /// run, not a second one.
    #[garde(length(bytes, min = 1, max = 128))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence_id: Option<String>,
    /// The model to ask. Default: gpt-4.
    #[garde(length(bytes, min = 1, max = 128))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
}

/// A completed run with everything needed to check it.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ExecuteOutput {
    pub job_id: String,
    /// What the model answered.
    pub output: String,
    /// Armored OpenPGP signature over `manifest`.
    pub signature: String,
    /// Fingerprint of the key that signed.
    pub verified_by: String,
    pub evidence_id: Option<String>,
    /// The fact in the log that records the run.
    pub assertion_id: String,
    pub status: String,
    /// The exact signed text: hashes of prompt and answer, model, policy, times, ids.
    pub manifest: String,
    pub output_file: String,
    pub model: String,
    pub chain: ChainPosition,
    pub prompt_tokens: Option<i64>,
    pub completion_tokens: Option<i64>,
    /// Nano-dollars; absent if no price is known.
    pub cost_nanos: Option<i64>,
    pub cost_status: String,
}

/// Where a fact stands in the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ChainPosition {
    pub fact_id: String,
    pub leaf_index: u64,
    pub tree_size: u64,
    /// The signed checkpoint (C2SP tlog-checkpoint) of that tree.
    pub checkpoint: String,
}

/// A signature to check.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct VerifyInput {
    /// The exact text that was signed, such as a run's manifest.
    #[garde(length(bytes, max = 1_048_576))]
    pub content: String,
    /// The armored OpenPGP signature.
    #[garde(length(bytes, min = 1, max = 8_192))]
    pub signature: String,
    /// Another armored public key to check against. It is reported on, never trusted: the
    /// verdict `signature_valid` is about the fortress's own key.
    #[garde(length(bytes, min = 1, max = 65_536))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_key: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct VerifyOutput {
    /// SHA-256 of the content, lower hex.
    pub content_hash: String,
    /// Whether the fortress's own key signed exactly this content, and may be relied on.
    pub signature_valid: bool,
    /// RFC 3339.
    pub verified_at: String,
    /// Machine-readable reason of the verdict.
    pub reason: String,
    /// The verdict in words.
    pub explanation: String,
    /// Fingerprint of the fortress's key.
    pub key_fingerprint: String,
    /// What the key given by the caller says, if one was given.
    pub caller_key: Option<CallerKey>,
}

/// A verdict under a key that nobody here vouches for.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct CallerKey {
    pub trusted: bool,
    pub signature_valid: bool,
    pub fingerprint: Option<String>,
    pub explanation: String,
}

#[derive(Debug, thiserror::Error)]
pub enum FortressError {
    #[error(transparent)]
    Model(#[from] ModelError),
    #[error("the run is bound by its policy: {0}")]
    Policy(String),
    #[error("the run with this evidence_id failed: {0}")]
    Failed(String),
    #[error("the run with this evidence_id is still under way: ask again in a minute")]
    InProgress,
    #[error("this evidence_id belongs to a run of another prompt: use a new one")]
    Conflict,
    #[error("the run was ended as interrupted before its answer was signed: run it again")]
    Interrupted,
    #[error("the answer could not be signed: the operator must check PGP_PRIVATE_KEY")]
    Signing,
    #[error("the run is signed but not logged yet ({0}): ask again with the same evidence_id")]
    Ledger(#[from] LedgerError),
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error(transparent)]
    Seal(#[from] SealError),
    #[error(transparent)]
    Entropy(#[from] EntropyError),
}

impl FortressError {
    pub fn code(&self) -> &'static str {
        match self {
            Self::Model(error) => error.code(),
            Self::Policy(_) => "POLICY_EXCEEDED",
            Self::Failed(_) => "RUN_FAILED",
            Self::InProgress => "RUN_IN_PROGRESS",
            Self::Conflict => "EVIDENCE_ID_CONFLICT",
            Self::Interrupted => "RUN_INTERRUPTED",
            Self::Signing => "SIGNING_FAILED",
            Self::Ledger(_) => "CHAIN_UNAVAILABLE",
            Self::Database(_) => "DATABASE_UNAVAILABLE",
            Self::Seal(_) | Self::Entropy(_) => "INTERNAL",
        }
    }

    /// Whether the cause is ours and its words are for the log only.
    pub fn is_internal(&self) -> bool {
        matches!(self, Self::Database(_) | Self::Seal(_) | Self::Entropy(_))
    }
}

pub struct FortressService {
    pub db: Rc<dyn Database>,
    pub model: Rc<OpenAi>,
    pub ledger: Rc<dyn Ledger>,
    pub sealer: Rc<Sealer>,
    pub key: Rc<SigningKey>,
    /// The signing key's public part as it is published: it may have been revoked since.
    pub public_key: Rc<PublicKey>,
    pub prices: Rc<PriceTable>,
    pub clock: Rc<dyn Clock>,
    pub entropy: Rc<dyn Entropy>,
    pub policy: Rc<Policy>,
}

impl FortressService {
    /// Runs, signs and logs; or finds the run of the same owner and `evidence_id`.
    pub async fn execute(
        &self,
        owner: &str,
        request_id: &str,
        input: &ExecuteInput,
    ) -> Result<ExecuteOutput, FortressError> {
        self.bound("prompt", input.prompt.len(), self.policy.max_prompt_bytes)?;
        let (job, fresh) = self.open(owner, request_id, input).await?;
        let job = match job.status.as_str() {
            "executing" if fresh => self.run(job, input).await?,
            "completed" => job,
            "failed" => return Err(FortressError::Failed(job.error_message.unwrap_or_default())),
            _ => return Err(FortressError::InProgress),
        };
        let chain = log_job(&*self.ledger, &job).await?;
        Jobs::new(Rc::clone(&self.db))
            .logged(&job.id, &chain.fact_id, self.clock.now_ms())
            .await?;
        self.output(job, chain)
    }

    /// The job under the caller's key, and whether this call made it.
    async fn open(
        &self,
        owner: &str,
        request_id: &str,
        input: &ExecuteInput,
    ) -> Result<(Job, bool), FortressError> {
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
        let timeout_ms = i64::try_from(self.policy.timeout_ms).unwrap_or(i64::MAX);
        let job = Jobs::new(Rc::clone(&self.db))
            .open(&NewJob {
                id: &id,
                user_id: owner,
                label: &input.label,
                evidence_id: input.evidence_id.as_deref(),
                idempotency_key: &key,
                request_id,
                sealed_prompt: &sealed,
                prompt_hash: &prompt_hash,
                policy: &self.policy,
                model: input.model(),
                now_ms,
                deadline_ms: now_ms.saturating_add(timeout_ms).saturating_add(GRACE_MS),
            })
            .await?;
        if job.prompt_hash != prompt_hash {
            return Err(FortressError::Conflict);
        }
        let fresh = job.id == id;
        Ok((job, fresh))
    }

    /// Asks the model and signs; what goes wrong is written down before it is told.
    async fn run(&self, job: Job, input: &ExecuteInput) -> Result<Job, FortressError> {
        match self.answer_and_sign(&job, input).await {
            Ok(done) => Ok(done),
            Err(error) => {
                let jobs = Jobs::new(Rc::clone(&self.db));
                let now_ms = self.clock.now_ms();
                // The error itself matters more than a failure to write it: then the sweep
                // ends the job at its deadline.
                let _ = jobs.fail(&job.id, &error.to_string(), now_ms).await;
                Err(error)
            }
        }
    }

    async fn answer_and_sign(&self, job: &Job, input: &ExecuteInput) -> Result<Job, FortressError> {
        let started_at_ms = self.clock.now_ms();
        let answer = self.ask(input).await?;
        let completed_at_ms = self.clock.now_ms();
        self.bound("answer", answer.text.len(), self.policy.max_output_bytes)?;
        let cost = self.prices.cost_in_tier(
            &answer.model,
            answer.service_tier.as_deref(),
            answer.usage,
            started_at_ms,
        );
        self.bound_cost(&cost)?;
        let manifest = self
            .manifest(job, input, &answer, started_at_ms, completed_at_ms)
            .canonical()
            .ok_or(FortressError::Signing)?;
        let signature = self.sign(&manifest)?;
        self.store(job, &answer, &cost, manifest, signature).await
    }

    async fn ask(&self, input: &ExecuteInput) -> Result<ModelAnswer, FortressError> {
        let message = |role, content: &str| Message {
            role,
            content: content.to_owned(),
        };
        let request = ModelRequest {
            model: input.model().to_owned(),
            messages: vec![
                message(Role::System, &self.policy.system_prompt),
                message(Role::User, &input.prompt),
            ],
            max_tokens: Some(self.policy.max_output_tokens),
            temperature: Some(TEMPERATURE),
        };
        let limits = Limits {
            total_ms: self.policy.timeout_ms,
            max_answer_bytes: self.policy.max_output_bytes * 8,
            ..Limits::default()
        };
        Ok(self.model.complete(&request, limits).await?)
    }

    fn manifest(
        &self,
        job: &Job,
        input: &ExecuteInput,
        answer: &ModelAnswer,
        started_at_ms: i64,
        completed_at_ms: i64,
    ) -> Manifest {
        Manifest {
            kind: Manifest::kind(),
            job_id: job.id.clone(),
            evidence_id: job.evidence_id.clone(),
            label: input.label.clone(),
            prompt_sha256: job.prompt_hash.clone(),
            output_sha256: sha256_hex(&answer.text),
            model_requested: input.model().to_owned(),
            model_answered: answer.model.clone(),
            provider: Provider {
                host: self.policy.allowed_host.clone(),
                request_id: answer.provider_request_id.clone(),
                response_id: answer.response_id.clone(),
                service_tier: answer.service_tier.clone(),
                system_fingerprint: answer.system_fingerprint.clone(),
                finish_reason: answer.finish_reason.clone(),
            },
            parameters: Parameters {
                max_tokens: self.policy.max_output_tokens,
                temperature: TEMPERATURE_TEXT.to_owned(),
            },
            policy: (*self.policy).clone(),
            policy_sha256: self.policy.sha256().unwrap_or_default(),
            usage: answer.usage.map(Into::into),
            started_at_ms,
            completed_at_ms,
            signer_fingerprint: self.key.fingerprint(),
        }
    }

    /// Signs, and checks the signature before anything is built on it.
    fn sign(&self, manifest: &str) -> Result<String, FortressError> {
        let now_secs = self.now_secs();
        let signature = self
            .key
            .sign(manifest.as_bytes(), now_secs)
            .map_err(|_| FortressError::Signing)?;
        let verdict = verify(manifest.as_bytes(), &signature, &self.public_key, now_secs);
        if verdict.valid {
            Ok(signature)
        } else {
            Err(FortressError::Signing)
        }
    }

    async fn store(
        &self,
        job: &Job,
        answer: &ModelAnswer,
        cost: &Cost,
        manifest: String,
        signature: String,
    ) -> Result<Job, FortressError> {
        let sealed_output = self.sealer.seal(
            "output",
            &[&job.user_id, &job.id],
            answer.text.as_bytes(),
            &*self.entropy,
        )?;
        let output_file = format!("{}.txt", job.id);
        let fingerprint = self.key.fingerprint();
        let now_ms = self.clock.now_ms();
        let ended = Jobs::new(Rc::clone(&self.db))
            .complete(
                &job.id,
                &Completion {
                    sealed_output: &sealed_output,
                    output_hash: &sha256_hex(&answer.text),
                    output_file: &output_file,
                    manifest: &manifest,
                    signature: &signature,
                    fingerprint: &fingerprint,
                    model_answered: &answer.model,
                    provider_request_id: answer.provider_request_id.as_deref(),
                    prompt_tokens: answer.usage.map(|usage| usage.prompt),
                    completion_tokens: answer.usage.map(|usage| usage.completion),
                    cost,
                    now_ms,
                },
            )
            .await?;
        if !ended {
            return Err(FortressError::Interrupted);
        }
        let count = |n: Option<u64>| n.and_then(|n| i64::try_from(n).ok());
        let (cost_nanos, cost_status) = priced(cost);
        Ok(Job {
            status: "completed".to_owned(),
            sealed_output: Some(sealed_output),
            output_file: Some(output_file),
            manifest: Some(manifest),
            signature: Some(signature),
            fingerprint: Some(fingerprint),
            model_answered: Some(answer.model.clone()),
            prompt_tokens: count(answer.usage.map(|usage| usage.prompt)),
            completion_tokens: count(answer.usage.map(|usage| usage.completion)),
            cost_nanos,
            cost_status: cost_status.to_owned(),
            completed_at_ms: Some(now_ms),
            ..job.clone()
        })
    }

    fn output(&self, job: Job, chain: ChainPosition) -> Result<ExecuteOutput, FortressError> {
        let sealed = job.sealed_output.unwrap_or_default();
        let output = self
            .sealer
            .open("output", &[&job.user_id, &job.id], &sealed)?;
        Ok(ExecuteOutput {
            output: String::from_utf8_lossy(&output).into_owned(),
            signature: job.signature.unwrap_or_default(),
            verified_by: job.fingerprint.unwrap_or_default(),
            evidence_id: job.evidence_id,
            assertion_id: chain.fact_id.clone(),
            status: job.status,
            manifest: job.manifest.unwrap_or_default(),
            output_file: job.output_file.unwrap_or_default(),
            model: job.model_answered.unwrap_or_default(),
            chain,
            prompt_tokens: job.prompt_tokens,
            completion_tokens: job.completion_tokens,
            cost_nanos: job.cost_nanos,
            cost_status: job.cost_status,
            job_id: job.id,
        })
    }

    /// Checks a signature against the fortress's own key.
    pub fn verify(&self, input: &VerifyInput) -> VerifyOutput {
        let now_secs = self.now_secs();
        let content = input.content.as_bytes();
        let own = verify(content, &input.signature, &self.public_key, now_secs);
        let caller_key = input.public_key.as_deref().map(|armor| {
            let (valid, fingerprint, explanation) = match PublicKey::from_armor(armor) {
                Ok(key) => {
                    let verdict = verify(content, &input.signature, &key, now_secs);
                    (verdict.valid, Some(key.fingerprint()), verdict.sentence)
                }
                Err(error) => (false, None, error.to_string()),
            };
            CallerKey {
                trusted: fingerprint.as_deref() == Some(self.public_key.fingerprint().as_str()),
                signature_valid: valid,
                fingerprint,
                explanation,
            }
        });
        VerifyOutput {
            content_hash: sha256_hex(content),
            signature_valid: own.valid,
            verified_at: crate::time::to_rfc3339(self.clock.now_ms()),
            reason: serde_json::json!(own.reason)
                .as_str()
                .unwrap_or_default()
                .to_owned(),
            explanation: own.sentence,
            key_fingerprint: self.public_key.fingerprint(),
            caller_key,
        }
    }

    fn bound(&self, what: &str, bytes: usize, limit: usize) -> Result<(), FortressError> {
        if bytes <= limit {
            return Ok(());
        }
        Err(FortressError::Policy(format!(
            "the {what} has {bytes} bytes, at most {limit} are allowed"
        )))
    }

    fn bound_cost(&self, cost: &Cost) -> Result<(), FortressError> {
        match cost.nanos() {
            Some(nanos) if nanos > self.policy.max_cost_nanos => {
                Err(FortressError::Policy(format!(
                    "the run cost {nanos} nano-dollars, at most {} are allowed",
                    self.policy.max_cost_nanos
                )))
            }
            _ => Ok(()),
        }
    }

    fn now_secs(&self) -> u64 {
        u64::try_from(self.clock.now_ms() / 1000).unwrap_or_default()
    }
}

impl ExecuteInput {
    fn model(&self) -> &str {
        self.model.as_deref().unwrap_or("gpt-4")
    }
}

/// Logs a completed job, once however often it is called.
async fn log_job(ledger: &dyn Ledger, job: &Job) -> Result<ChainPosition, LedgerError> {
    let hash = |text: &Option<String>| sha256_hex(text.as_deref().unwrap_or_default());
    let metadata = [
        ("user_id", job.user_id.clone()),
        ("manifest_sha256", hash(&job.manifest)),
        // The signature's own bytes, which a signature does not protect.
        ("signature_sha256", hash(&job.signature)),
        ("key_fingerprint", job.fingerprint.clone().unwrap_or_default()),
    ];
    let receipt = ledger
        .append(&AppendRequest {
            idempotency_key: format!("fortress:job:{}:executed", job.id),
            fact: Fact {
                subject: format!("fortress:job:{}", job.id),
                predicate: "executed_securely".to_owned(),
                object: format!("output:{}", job.output_file.as_deref().unwrap_or_default()),
                source: SOURCE.to_owned(),
                timestamp_ms: job
                    .completed_at_ms
                    .and_then(|ms| u64::try_from(ms).ok())
                    .unwrap_or_default(),
                execution_id: job.evidence_id.clone(),
                evidence_id: None,
                metadata: metadata.map(|(key, value)| (key.to_owned(), value)).into(),
            },
        })
        .await?;
    Ok(ChainPosition::from(&receipt))
}

impl From<&crate::chain::receipt::Receipt> for ChainPosition {
    fn from(receipt: &crate::chain::receipt::Receipt) -> Self {
        Self {
            fact_id: receipt.fact_id.to_string(),
            leaf_index: receipt.leaf_index,
            tree_size: receipt.tree_size,
            checkpoint: receipt.checkpoint.clone(),
        }
    }
}

/// Logs signed jobs whose worker ended before it could.
pub async fn log_unlogged(
    db: &Rc<dyn Database>,
    ledger: &dyn Ledger,
    now_ms: i64,
) -> Result<usize, FortressError> {
    let jobs = Jobs::new(Rc::clone(db));
    let unlogged = jobs.unlogged(20).await?;
    for job in &unlogged {
        let position = log_job(ledger, job).await?;
        jobs.logged(&job.id, &position.fact_id, now_ms).await?;
    }
    Ok(unlogged.len())
}
