use std::rc::Rc;

use futures::channel::oneshot;

use super::error::FortressError;
use super::jobs::{Completed, Job, Jobs};
use super::keys::KeyRing;
use super::logging::output_file;
use super::policy::Policy;
use super::runner::{Embedded, FortressApi, Remote, Run, Runner, Signed};
use super::types::{ChainPosition, ExecuteInput, ExecuteOutput};
use crate::analytics::{EventCost, UsageEvent};
use crate::digest::sha256_hex;
use crate::gateway::{Gateway, Order};
use crate::ledger::Ledger;
use crate::llm::{Limits, Message, ModelRequest, Role};
use crate::ports::{Clock, Database, Entropy};
use crate::seal::Sealer;

/// Runs are repeatable questions, not prose.
pub(crate) const TEMPERATURE: f64 = 0.0;
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
    /// The Fortress API that runs are given to, where one is set.
    pub api: Option<Rc<FortressApi>>,
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

    /// Counts text that is kept without a run; or says why there is no room for it.
    pub(super) async fn count(&self, asker: Asker<'_>, bytes: usize) -> Result<(), FortressError> {
        let counted = self.gateway.keep(asker.user_id, asker.key_id, bytes);
        counted.await.map_err(FortressError::Gateway)
    }

    /// Logs a signed run, and tells what came of it.
    pub(super) async fn conclude(&self, job: Job) -> Result<ExecuteOutput, FortressError> {
        let chain = self.log_job(&job).await?;
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
        let run = Run {
            gateway: &gateway,
            order,
            job: &job,
            input,
        };
        let ran = match self.api.as_deref() {
            None => Embedded(self).run(&run).await,
            Some(api) => Remote { service: self, api }.run(&run).await,
        };
        let outcome = match ran.result {
            Ok(signed) => self.keep(&job, &signed, &ran.events).await,
            Err(error) => Err(error),
        };
        if let Err(error) = &outcome {
            let now_ms = self.clock.now_ms();
            let (jobs, reason) = (self.jobs(), error.reason());
            let failed = jobs.fail(&job.id, &reason, &ran.events, now_ms);
            // The error itself matters more than a failure to write it: then the sweep
            // ends the job at its deadline.
            if failed.await.is_err() {
                gateway.record(ran.events.clone()).await;
            }
        }
        gateway.settle(order, ran.actual).await;
        outcome
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

    /// Puts what was signed on file, if it is within the policy.
    async fn keep(
        &self,
        job: &Job,
        signed: &Signed,
        events: &[UsageEvent],
    ) -> Result<Job, FortressError> {
        let said = &signed.output;
        bound("answer", said.len(), self.policy.max_output_bytes)?;
        self.bound_cost(&signed.cost)?;
        let sealed_output = self.sealer.seal(
            "output",
            &[&job.user_id, &job.id],
            said.as_bytes(),
            &*self.entropy,
        )?;
        let output_file = output_file(&job.id);
        let now_ms = self.clock.now_ms();
        let count = |n: u64| i64::try_from(n).ok();
        let prompt_tokens = signed.usage.and_then(|usage| count(usage.prompt));
        let completion_tokens = signed.usage.and_then(|usage| count(usage.completion));
        let end = Completed {
            sealed_output: &sealed_output,
            output_hash: &sha256_hex(said),
            output_file: &output_file,
            manifest: &signed.manifest,
            signature: &signed.signature,
            fingerprint: &signed.fingerprint,
            model_answered: &signed.model,
            provider_request_id: signed.provider_request_id.as_deref(),
            prompt_tokens,
            completion_tokens,
            cost: &signed.cost,
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
            manifest: Some(signed.manifest.clone()),
            signature: Some(signed.signature.clone()),
            fingerprint: Some(signed.fingerprint.clone()),
            model_answered: Some(signed.model.clone()),
            prompt_tokens,
            completion_tokens,
            cost_nanos: signed.cost.nanos(),
            cost_status: signed.cost.status().to_owned(),
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
    pub(super) fn bound_host(&self, gateway: &Gateway) -> Result<(), FortressError> {
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

pub(super) fn bound(what: &str, bytes: usize, limit: usize) -> Result<(), FortressError> {
    if bytes <= limit {
        return Ok(());
    }
    Err(FortressError::Policy(format!(
        "the {what} has {bytes} bytes, at most {limit} are allowed"
    )))
}
