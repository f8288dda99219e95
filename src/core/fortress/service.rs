use std::rc::Rc;

use futures::channel::oneshot;

use super::error::FortressError;
use super::jobs::{Completed, Job, Jobs};
use super::keys::KeyRing;
use super::logging::log_job;
use super::manifest::{Manifest, Parameters, Provider};
use super::policy::Policy;
use super::types::{ChainPosition, ExecuteInput, ExecuteOutput};
use crate::analytics::{EventCost, UsageEvent};
use crate::budget::Actual;
use crate::digest::sha256_hex;
use crate::gateway::{Gateway, Order, Served};
use crate::ledger::Ledger;
use crate::llm::{Limits, Message, ModelAnswer, ModelRequest, Role};
use crate::ports::{Clock, Database, Entropy};
use crate::seal::Sealer;

/// Runs are repeatable questions, not prose.
pub(crate) const TEMPERATURE: f64 = 0.0;
const TEMPERATURE_TEXT: &str = "0";
/// After the policy's own time, for writing down what came of it.
const GRACE_MS: i64 = 30_000;

#[derive(Clone)]
pub struct FortressService {
    pub db: Rc<dyn Database>,
    /// Admits, asks and counts; the policy's limits hold for each call.
    pub gateway: Gateway,
    pub ledger: Rc<dyn Ledger>,
    pub sealer: Rc<Sealer>,
    pub keys: Rc<KeyRing>,
    pub clock: Rc<dyn Clock>,
    pub entropy: Rc<dyn Entropy>,
    pub policy: Rc<Policy>,
}

/// Whose run it is, and in which request.
#[derive(Debug, Clone, Copy)]
pub struct Asker<'a> {
    pub user_id: &'a str,
    /// The key that was shown: its budgets and limits hold beside the user's.
    pub key_id: Option<&'a str>,
    pub request_id: &'a str,
}

impl FortressService {
    /// Runs, signs and logs; or finds the run of the same owner and `evidence_id`.
    pub async fn execute(
        &self,
        asker: Asker<'_>,
        input: &ExecuteInput,
    ) -> Result<ExecuteOutput, FortressError> {
        let (job, fresh) = self.open(asker, input, true).await?;
        let job = match job.status.as_str() {
            "executing" if fresh => self.begin(asker, job, input).await?,
            // It was put in before, and waits.
            "pending" => self.run_waiting(asker, &job.id).await?,
            _ => job.completed()?,
        };
        self.conclude(job).await
    }

    /// Logs a signed run, and tells what came of it.
    pub(super) async fn conclude(&self, job: Job) -> Result<ExecuteOutput, FortressError> {
        let chain = log_job(&*self.ledger, &job)
            .await
            .map_err(FortressError::Unlogged)?;
        // The fact is in the log, which is what counts; a lost note of it is the sweep's.
        let _ = self
            .jobs()
            .logged(&job.id, &chain.fact_id, self.clock.now_ms())
            .await;
        self.output(job, chain)
    }

    /// When a run that begins now counts as interrupted.
    pub(super) fn deadline_ms(&self, now_ms: i64) -> i64 {
        let timeout_ms = i64::try_from(self.policy.timeout_ms).unwrap_or(i64::MAX);
        now_ms.saturating_add(timeout_ms).saturating_add(GRACE_MS)
    }

    /// In the background, so that what is paid for is put on file and settled though the
    /// caller has left.
    pub(super) async fn begin(
        &self,
        asker: Asker<'_>,
        job: Job,
        input: &ExecuteInput,
    ) -> Result<Job, FortressError> {
        let order = self.order(asker, &job, input);
        let (service, input) = (self.clone(), input.clone());
        let (tell, done) = oneshot::channel();
        self.gateway.background.spawn(Box::pin(async move {
            // Nobody may be there any more to hear it.
            let _gone = tell.send(service.run(&order, job, &input).await);
        }));
        done.await.unwrap_or(Err(FortressError::Interrupted))
    }

    /// Asks the model and signs; what goes wrong is written down before it is told.
    async fn run(
        &self,
        order: &Order,
        job: Job,
        input: &ExecuteInput,
    ) -> Result<Job, FortressError> {
        let gateway = Gateway {
            limits: Limits {
                total_ms: self.policy.timeout_ms,
                max_answer_bytes: self.policy.max_output_bytes * 8,
                ..Limits::default()
            },
            ..self.gateway.clone()
        };
        let mut spent = Spent::default();
        let run = self.answer_and_sign(&gateway, order, &job, input, &mut spent);
        let outcome = run.await;
        if let Err(error) = &outcome {
            let now_ms = self.clock.now_ms();
            let (jobs, reason) = (self.jobs(), error.reason());
            let failed = jobs.fail(&job.id, &reason, &spent.events, now_ms);
            // The error itself matters more than a failure to write it: then the sweep
            // ends the job at its deadline.
            if failed.await.is_err() {
                gateway.record(spent.events.clone()).await;
            }
        }
        gateway.settle(order, spent.actual).await;
        outcome
    }

    /// `spent` is set as soon as the model was asked.
    async fn answer_and_sign(
        &self,
        gateway: &Gateway,
        order: &Order,
        job: &Job,
        input: &ExecuteInput,
        spent: &mut Spent,
    ) -> Result<Job, FortressError> {
        self.bound_host(gateway)?;
        // Asked before a model is paid for what could not be signed.
        self.signer().await?;
        let started_at_ms = self.clock.now_ms();
        let called = gateway.serve(order, None).await;
        *spent = Spent {
            events: called.events,
            actual: called.actual,
        };
        let Served { answer, cost, .. } = called.result?;
        let completed_at_ms = self.clock.now_ms();
        let text_bytes = answer.choice.said().len();
        bound("answer", text_bytes, self.policy.max_output_bytes)?;
        self.bound_cost(&cost)?;
        // Again: the keys may have changed meanwhile.
        let by = self.signer().await?;
        let fingerprint = by.key.fingerprint();
        let times = (started_at_ms, completed_at_ms);
        let manifest = self.manifest(job, input, &answer, times, &fingerprint);
        let manifest = manifest.canonical().ok_or_else(|| {
            FortressError::Signing("the manifest has no canonical form".to_owned())
        })?;
        let signature = self.sign(&manifest, &by)?;
        let signed = Signed {
            answer: &answer,
            cost: &cost,
            manifest,
            signature,
            fingerprint,
        };
        self.store(job, signed, &spent.events).await
    }

    /// The run's own id is the call's: it is made, reserved and counted once.
    fn order(&self, asker: Asker<'_>, job: &Job, input: &ExecuteInput) -> Order {
        Order {
            id: job.id.clone(),
            user_id: job.user_id.clone(),
            key_id: asker.key_id.map(str::to_owned),
            session_id: None,
            case_id: job.case_id.clone(),
            request: ModelRequest {
                model: input.model().to_owned(),
                messages: vec![
                    Message::text(Role::System, &self.policy.system_prompt),
                    Message::text(Role::User, &input.prompt),
                ],
                max_tokens: Some(self.policy.max_output_tokens),
                temperature: Some(TEMPERATURE),
                ..ModelRequest::default()
            },
        }
    }

    fn manifest(
        &self,
        job: &Job,
        input: &ExecuteInput,
        answer: &ModelAnswer,
        (started_at_ms, completed_at_ms): (i64, i64),
        signer: &str,
    ) -> Manifest {
        Manifest {
            kind: Manifest::kind(),
            job_id: job.id.clone(),
            evidence_id: job.evidence_id.clone(),
            label: input.label.clone(),
            prompt_sha256: job.prompt_hash.clone(),
            output_sha256: sha256_hex(answer.choice.said()),
            model_requested: input.model().to_owned(),
            model_answered: answer.model.clone(),
            provider: Provider {
                host: self.policy.allowed_host.clone(),
                request_id: answer.provider_request_id.clone(),
                response_id: answer.response_id.clone(),
                service_tier: answer.service_tier.clone(),
                system_fingerprint: answer.system_fingerprint.clone(),
                finish_reason: answer.choice.finish_reason.clone(),
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
            signer_fingerprint: signer.to_owned(),
        }
    }

    async fn store(
        &self,
        job: &Job,
        signed: Signed<'_>,
        events: &[UsageEvent],
    ) -> Result<Job, FortressError> {
        let Signed {
            answer,
            cost,
            manifest,
            signature,
            fingerprint,
        } = signed;
        let sealed_output = self.sealer.seal(
            "output",
            &[&job.user_id, &job.id],
            answer.choice.said().as_bytes(),
            &*self.entropy,
        )?;
        let output_file = format!("{}.txt", job.id);
        let now_ms = self.clock.now_ms();
        let count = |n: u64| i64::try_from(n).ok();
        let prompt_tokens = answer.usage.and_then(|usage| count(usage.prompt));
        let completion_tokens = answer.usage.and_then(|usage| count(usage.completion));
        let end = Completed {
            sealed_output: &sealed_output,
            output_hash: &sha256_hex(answer.choice.said()),
            output_file: &output_file,
            manifest: &manifest,
            signature: &signature,
            fingerprint: &fingerprint,
            model_answered: &answer.model,
            provider_request_id: answer.provider_request_id.as_deref(),
            prompt_tokens,
            completion_tokens,
            cost,
            events,
            now_ms,
        };
        if !self.jobs().complete(&job.id, &end).await? {
            return Err(FortressError::Interrupted);
        }
        Ok(Job {
            status: "completed".to_owned(),
            sealed_output: Some(sealed_output),
            output_file: Some(output_file),
            manifest: Some(manifest),
            signature: Some(signature),
            fingerprint: Some(fingerprint),
            model_answered: Some(answer.model.clone()),
            prompt_tokens,
            completion_tokens,
            cost_nanos: cost.nanos(),
            cost_status: cost.status().to_owned(),
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

    /// Whichever provider the gateway would ask, it is at the one host.
    fn bound_host(&self, gateway: &Gateway) -> Result<(), FortressError> {
        let allowed = &self.policy.allowed_host;
        for provider in &gateway.routes.providers {
            let url = url::Url::parse(provider.base_url.as_str()).ok();
            let host = url
                .as_ref()
                .and_then(url::Url::host_str)
                .unwrap_or_default();
            if host != allowed {
                let words =
                    format!("the model would be asked at {host}, only {allowed} is allowed");
                return Err(FortressError::Policy(words));
            }
        }
        Ok(())
    }

    fn bound_cost(&self, cost: &EventCost) -> Result<(), FortressError> {
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

    pub(super) fn jobs(&self) -> Jobs {
        Jobs::new(Rc::clone(&self.db))
    }

    pub(super) fn now_secs(&self) -> u64 {
        u64::try_from(self.clock.now_ms() / 1000).unwrap_or_default()
    }
}

/// What asking the model came to.
#[derive(Default)]
struct Spent {
    events: Vec<UsageEvent>,
    actual: Option<Actual>,
}

/// What a run that went well is made of.
struct Signed<'a> {
    answer: &'a ModelAnswer,
    cost: &'a EventCost,
    manifest: String,
    signature: String,
    /// Of the key that signed.
    fingerprint: String,
}

pub(super) fn bound(what: &str, bytes: usize, limit: usize) -> Result<(), FortressError> {
    if bytes <= limit {
        return Ok(());
    }
    Err(FortressError::Policy(format!(
        "the {what} has {bytes} bytes, at most {limit} are allowed"
    )))
}
