use std::cell::Cell;

use async_trait::async_trait;
use futures::future::{Either, select};
use serde_json::json;

use super::api::{ApiCall, ApiOutput, FortressApi};
use super::error::RemoteError;
use super::{Ran, Run, Runner, Signed};
use crate::analytics::{EventCost, UsageEvent};
use crate::fortress::error::FortressError;
use crate::fortress::manifest::Manifest;
use crate::fortress::service::FortressService;
use crate::gateway::Entry;
use crate::llm::{Attempt, Ended, ModelError};
use crate::openpgp::verify;
use crate::usage::{TokenUsage, wire};

/// What is left of a run's time to hear how it ended, when the server is to have ended it.
const ACCOUNT_MS: u64 = 5_000;
/// Manifest and signature, which go into one row of the database.
const MAX_SIGNED_BYTES: usize = 256 << 10;
/// Between a request and the same one again.
const AGAIN_MS: u64 = 1_000;
/// Requests in a row while nothing is paid for yet; afterwards only time ends them.
const TRIES: usize = 3;

/// A Fortress API elsewhere runs an agent, and signs. Nothing of it counts unless it is signed
/// for exactly this run, by the key that signs runs here.
pub(in crate::fortress) struct Remote<'a> {
    pub service: &'a FortressService,
    pub api: &'a FortressApi,
}

#[async_trait(?Send)]
impl Runner for Remote<'_> {
    async fn run(&self, run: &Run<'_>) -> Ran {
        // Asked before a model is paid for what could not be accepted.
        if let Err(error) = self.service.signer().await {
            return Ran::without_cost(error);
        }
        let entry = match run.gateway.admit(run.order).await {
            Ok(entry) => entry,
            Err(error) => return Ran::without_cost(error.into()),
        };
        let started_ms = self.service.clock.now_ms();
        let asked = Cell::new(false);
        let ended = self.in_time(run, started_ms, &asked).await;
        let span = (started_ms, self.service.clock.now_ms());
        let attempts = match &ended {
            Ok(ApiOutput { calls, .. })
            | Err(RemoteError::Failed {
                calls: Some(calls), ..
            }) => calls
                .iter()
                .map(|call| of_call(&entry, call, span))
                .collect(),
            Err(_) if !asked.get() => Vec::new(),
            // Whether it was run, and what that cost, nobody here knows.
            Err(_) => vec![unknown(&entry, span)],
        };
        let (events, actual) = run.gateway.made_elsewhere(run.order, &entry, &attempts);
        let result = match ended {
            Ok(output) => self.checked(run, output, &events).await,
            Err(error) => Err(error.into()),
        };
        Ran {
            events,
            actual: Some(actual),
            result,
        }
    }
}

impl Remote<'_> {
    /// All of it within the policy's time. `asked` becomes true where a model may have been.
    async fn in_time(
        &self,
        run: &Run<'_>,
        started_ms: i64,
        asked: &Cell<bool>,
    ) -> Result<ApiOutput, RemoteError> {
        let ms = self.service.policy.timeout_ms;
        let left_ms = i64::try_from(ms.saturating_sub(ACCOUNT_MS)).unwrap_or(i64::MAX);
        let driven = Box::pin(self.drive(run, started_ms.saturating_add(left_ms), asked));
        match select(driven, self.service.clock.sleep(ms)).await {
            Either::Left((ended, _)) => ended,
            Either::Right(_) => Err(self.timeout()),
        }
    }

    fn timeout(&self) -> RemoteError {
        let ms = self.service.policy.timeout_ms;
        RemoteError::Timeout { ms }
    }

    /// Each step names the job, so that it may be taken again: nothing is run twice.
    async fn drive(
        &self,
        run: &Run<'_>,
        not_after_ms: i64,
        asked: &Cell<bool>,
    ) -> Result<ApiOutput, RemoteError> {
        let id = run.job.id.as_str();
        let input = json!({
            "content": run.input.prompt,
            "label": run.input.label,
            "input_id": id,
            "evidence_id": run.job.evidence_id,
            "model": run.input.model(),
            "not_after_ms": not_after_ms,
        });
        if self.patiently(TRIES, || self.api.ingest(&input)).await? != id {
            return Err(RemoteError::Other("input"));
        }
        let file = self
            .patiently(usize::MAX, async || {
                let before = asked.replace(true);
                let ended = self.api.run(id).await;
                if let Err(error) = &ended
                    && error.is_before_the_run()
                {
                    asked.set(before && !error.is_too_late());
                }
                ended
            })
            .await;
        let file = match file {
            Err(error) if error.is_too_late() => Err(self.timeout()),
            other => other,
        }?;
        self.patiently(usize::MAX, || self.api.output(&file)).await
    }

    async fn patiently<T>(
        &self,
        tries: usize,
        step: impl AsyncFn() -> Result<T, RemoteError>,
    ) -> Result<T, RemoteError> {
        for _ in 1..tries {
            match step().await {
                Err(error) if error.may_pass() => self.service.clock.sleep(AGAIN_MS).await,
                ended => return ended,
            }
        }
        step().await
    }

    async fn checked(
        &self,
        run: &Run<'_>,
        output: ApiOutput,
        events: &[UsageEvent],
    ) -> Result<Signed, FortressError> {
        let (text, signature) = (&output.manifest, &output.signature);
        if text.len() + signature.len() > MAX_SIGNED_BYTES {
            return Err(RemoteError::Malformed("/output").into());
        }
        // By the key that signs now, as of a run that is signed here: what is paid for is not lost
        // because the log does not answer. It is asked before the run is logged.
        let signer = self.service.signer().await?;
        let now_secs = self.service.now_secs();
        let verdict = verify(text.as_bytes(), signature, &signer.public, now_secs);
        let Some(fingerprint) = verdict.fingerprint.filter(|_| verdict.valid) else {
            return Err(RemoteError::Signature(verdict.sentence).into());
        };
        let manifest = Manifest::parse(text).map_err(RemoteError::Manifest)?;
        let evidence_id = run.job.evidence_id.as_deref();
        manifest
            .check(&run.job.id, evidence_id, &run.input.prompt, &output.output)
            .map_err(RemoteError::Manifest)?;
        let policy = &manifest.policy;
        let same = [
            (manifest.label == run.input.label, "label"),
            (manifest.model_requested == run.input.model(), "model"),
            (manifest.signer_fingerprint == fingerprint, "signer"),
            (output.verified_by == fingerprint, "signer"),
            (policy.sandbox.is_some(), "sandbox"),
            (
                policy.allowed_host == self.service.policy.allowed_host,
                "allowed host",
            ),
        ];
        if let Some((_, what)) = same.into_iter().find(|(holds, _)| !holds) {
            return Err(RemoteError::Other(what).into());
        }
        Ok(Signed {
            output: output.output,
            model: manifest.model_answered,
            provider_request_id: manifest.provider.request_id,
            usage: manifest.usage.map(|usage| TokenUsage {
                prompt: usage.prompt_tokens,
                completion: usage.completion_tokens,
                total: usage.total_tokens,
                ..TokenUsage::default()
            }),
            cost: EventCost::of_all(events),
            manifest: output.manifest,
            signature: output.signature,
            fingerprint,
        })
    }
}

fn of_call(entry: &Entry, call: &ApiCall, (began_ms, ended_ms): (i64, i64)) -> Attempt {
    let good = call.status == Some(200);
    let cause = match call.status {
        Some(status) => format!("status {status}"),
        None => "no answer".to_owned(),
    };
    let may_have_billed = good || call.status.is_none();
    let error = ModelError::Unavailable {
        cause,
        may_have_billed,
    };
    // The server's clock need not be right.
    let started_ms = call.started_ms.clamp(began_ms, ended_ms.max(began_ms));
    let left_ms = (ended_ms - started_ms).max(0);
    Attempt {
        model_answered: call.model.clone(),
        service_tier: call.service_tier.clone(),
        ended: good.then_some(Ended::Whole),
        error: (!good).then_some(error),
        usage: call.usage.as_ref().and_then(wire::openai_chat),
        request_bytes: call.request_bytes,
        may_have_billed,
        provider_request_id: call.request_id.clone(),
        ..asked(entry, (started_ms, call.total_ms.clamp(0, left_ms)))
    }
}

fn unknown(entry: &Entry, (began_ms, ended_ms): (i64, i64)) -> Attempt {
    Attempt {
        error: Some(ModelError::Unavailable {
            cause: "the Fortress server did not say".to_owned(),
            may_have_billed: true,
        }),
        may_have_billed: true,
        ..asked(entry, (began_ms, ended_ms - began_ms))
    }
}

fn asked(entry: &Entry, (started_ms, total_ms): (i64, i64)) -> Attempt {
    let target = entry.target();
    Attempt {
        provider: target.map_or_else(String::new, |target| target.provider.name.clone()),
        model: target.map_or_else(String::new, |target| target.model.clone()),
        model_answered: None,
        service_tier: None,
        sent: true,
        ended: None,
        error: None,
        usage: None,
        output_bytes: 0,
        request_bytes: None,
        may_have_billed: false,
        provider_request_id: None,
        started_ms,
        first_token_ms: None,
        total_ms,
    }
}
