use async_trait::async_trait;

use super::{Ran, Run, Runner, Signed};
use crate::digest::sha256_hex;
use crate::fortress::error::FortressError;
use crate::fortress::manifest::{Manifest, Parameters, Provider};
use crate::fortress::service::FortressService;
use crate::gateway::Served;
use crate::llm::ModelAnswer;

const TEMPERATURE_TEXT: &str = "0";

/// The worker itself asks the model, once, and signs.
pub(in crate::fortress) struct Embedded<'a>(pub &'a FortressService);

#[async_trait(?Send)]
impl Runner for Embedded<'_> {
    async fn run(&self, run: &Run<'_>) -> Ran {
        let Self(service) = self;
        if let Err(error) = service.bound_host(run.gateway) {
            return Ran::without_cost(error);
        }
        // Asked before a model is paid for what could not be signed.
        if let Err(error) = service.signer().await {
            return Ran::without_cost(error);
        }
        let started_at_ms = service.clock.now_ms();
        let called = run.gateway.serve(run.order, None).await;
        let result = match called.result {
            Ok(served) => self.sign(run, served, started_at_ms).await,
            Err(error) => Err(error.into()),
        };
        Ran {
            events: called.events,
            actual: called.actual,
            result,
        }
    }
}

impl Embedded<'_> {
    async fn sign(
        &self,
        run: &Run<'_>,
        served: Served,
        started_at_ms: i64,
    ) -> Result<Signed, FortressError> {
        let Self(service) = self;
        let Served { answer, cost, .. } = served;
        let times = (started_at_ms, service.clock.now_ms());
        // Again: the keys may have changed meanwhile.
        let by = service.signer().await?;
        let fingerprint = by.key.fingerprint();
        let manifest = self.manifest(run, &answer, times, &fingerprint);
        let manifest = manifest.canonical().ok_or_else(|| {
            FortressError::Signing("the manifest has no canonical form".to_owned())
        })?;
        Ok(Signed {
            signature: service.sign(&manifest, &by)?,
            output: answer.choice.said().to_owned(),
            model: answer.model,
            provider_request_id: answer.provider_request_id,
            usage: answer.usage,
            cost,
            manifest,
            fingerprint,
        })
    }

    fn manifest(
        &self,
        run: &Run<'_>,
        answer: &ModelAnswer,
        (started_at_ms, completed_at_ms): (i64, i64),
        signer: &str,
    ) -> Manifest {
        let Self(service) = self;
        let Run { job, input, .. } = run;
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
                host: service.policy.allowed_host.clone(),
                request_id: answer.provider_request_id.clone(),
                response_id: answer.response_id.clone(),
                service_tier: answer.service_tier.clone(),
                system_fingerprint: answer.system_fingerprint.clone(),
                finish_reason: answer.choice.finish_reason.clone(),
            },
            parameters: Parameters {
                max_tokens: service.policy.max_output_tokens,
                temperature: TEMPERATURE_TEXT.to_owned(),
            },
            policy: (*service.policy).clone(),
            policy_sha256: service.policy.sha256().unwrap_or_default(),
            usage: answer.usage.map(Into::into),
            started_at_ms,
            completed_at_ms,
            signer_fingerprint: signer.to_owned(),
        }
    }
}
