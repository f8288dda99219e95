use std::rc::Rc;

use super::arriving::Arriving;
use super::exchange::{Exchange, Failure, Live, Outgoing};
use super::stop::Wish;
use super::{
    Attempt, Breakers, Called, Delta, Ended, Limits, ModelAnswer, ModelError, ModelRequest, Stop,
    Target,
};
use crate::ports::{Clock, Entropy, Http};

/// Times a request is repeated at one provider.
const MAX_RETRIES: u32 = 2;

/// Asks models, one after the other until one answers.
pub struct Models {
    pub http: Rc<dyn Http>,
    pub clock: Rc<dyn Clock>,
    pub entropy: Rc<dyn Entropy>,
    /// One for the whole isolate.
    pub breakers: Rc<Breakers>,
}

/// A call under way.
struct Call<'a> {
    request: &'a ModelRequest,
    limits: Limits,
    live: Option<Live<'a>>,
    started_ms: i64,
    attempts: Vec<Attempt>,
}

impl Models {
    /// Asks the models of `route` in order, and waits for the whole answer.
    pub async fn complete(
        &self,
        request: &ModelRequest,
        route: &[Target],
        limits: Limits,
    ) -> Called {
        self.call(request, route, limits, None).await
    }

    /// Asks the models of `route` in order, and hands each piece to `on_delta` as it arrives.
    /// The next one is asked only as long as nothing has arrived. The answer of a stream that
    /// was stopped holds what there was.
    pub async fn stream(
        &self,
        request: &ModelRequest,
        route: &[Target],
        limits: Limits,
        stop: &Stop,
        on_delta: &mut dyn FnMut(&Delta),
    ) -> Called {
        let live = Live { stop, on_delta };
        self.call(request, route, limits, Some(live)).await
    }

    async fn call<'a>(
        &self,
        request: &'a ModelRequest,
        route: &[Target],
        limits: Limits,
        live: Option<Live<'a>>,
    ) -> Called {
        let mut call = Call {
            request,
            limits,
            live,
            started_ms: self.clock.now_ms(),
            attempts: Vec::new(),
        };
        let mut result = Err(ModelError::NotConfigured {
            key_name: "OPENAI_API_KEY".to_owned(),
        });
        for target in route {
            result = self.ask(&mut call, target).await;
            if !call.may_ask_the_next(&result) || self.left_ms(&call) == 0 {
                break;
            }
        }
        Called {
            result,
            attempts: call.attempts,
        }
    }

    /// Asks one model, again where the provider says that it was too busy to begin.
    async fn ask(&self, call: &mut Call<'_>, target: &Target) -> Result<ModelAnswer, ModelError> {
        let streamed = call.live.is_some();
        let outgoing = match Outgoing::new(call.request, target, streamed, &call.limits) {
            Ok(outgoing) => outgoing,
            Err(error) => return Err(self.skip(call, target, error)),
        };
        let mut retries = 0;
        loop {
            let (result, pause_ms) = self.attempt(call, target, &outgoing, retries).await;
            let Some(pause_ms) = pause_ms.filter(|_| retries < MAX_RETRIES) else {
                return result;
            };
            let pause_ms = self.jittered(pause_ms);
            if pause_ms >= self.left_ms(call) {
                return result;
            }
            self.clock.sleep(pause_ms).await;
            if call.is_abandoned() {
                return result;
            }
            retries += 1;
        }
    }

    async fn attempt(
        &self,
        call: &mut Call<'_>,
        target: &Target,
        outgoing: &Outgoing,
        retries: u32,
    ) -> (Result<ModelAnswer, ModelError>, Option<u64>) {
        let started_ms = self.clock.now_ms();
        let base_url = target.provider.base_url.as_str();
        let permit = match self.breakers.admit(base_url, started_ms) {
            Ok(permit) => permit,
            Err(wait_ms) => {
                let error = left_alone(target, wait_ms);
                return (Err(self.skip(call, target, error)), None);
            }
        };
        let mut arriving = Arriving::new(target.provider.dialect.protocol(), call.limits);
        let exchange = Exchange {
            http: &*self.http,
            clock: &*self.clock,
            target,
            limits: call.limits,
            retries,
        };
        let left_ms = self.left_ms(call);
        let live = call.live.as_mut();
        let ended = exchange.run(outgoing, left_ms, &mut arriving, live).await;
        let (ended, pause_ms) = call.judge(ended, &mut arriving);
        let now_ms = self.clock.now_ms();
        let healthy = ended.as_ref().err().is_none_or(|error| !error.is_fault());
        self.breakers.report(base_url, permit, healthy, now_ms);
        let attempt = describe(target, &arriving, &ended, started_ms, now_ms);
        let times = (call.started_ms, now_ms);
        call.attempts.push(attempt);
        let result = ended.map(|ended| answer(target, outgoing, arriving, ended, times));
        (result, pause_ms)
    }

    /// Notes that nothing was sent.
    fn skip(&self, call: &mut Call<'_>, target: &Target, error: ModelError) -> ModelError {
        let now_ms = self.clock.now_ms();
        let arriving = Arriving::new(target.provider.dialect.protocol(), call.limits);
        let attempt = describe(target, &arriving, &Err(error.clone()), now_ms, now_ms);
        call.attempts.push(Attempt {
            sent: false,
            ..attempt
        });
        error
    }

    fn left_ms(&self, call: &Call<'_>) -> u64 {
        let elapsed_ms = u64::try_from(self.clock.now_ms() - call.started_ms).unwrap_or(0);
        call.limits.total_ms.saturating_sub(elapsed_ms)
    }

    /// Up to a quarter more, so that callers turned away together do not return together.
    fn jittered(&self, ms: u64) -> u64 {
        let mut random = [0];
        let [random] = match self.entropy.fill(&mut random) {
            Ok(()) => random,
            Err(_) => [0],
        };
        ms + ms * u64::from(random) / 1_024
    }
}

impl Call<'_> {
    fn is_abandoned(&self) -> bool {
        let live = self.live.as_ref();
        live.is_some_and(|live| live.stop.wished() != Wish::GoOn)
    }

    fn may_ask_the_next(&self, result: &Result<ModelAnswer, ModelError>) -> bool {
        let heard = self.attempts.iter().any(|attempt| attempt.output_bytes > 0);
        result.as_ref().err().is_some_and(|error| {
            error.is_passable()
                && !heard
                && !self.is_abandoned()
                && (self.limits.may_bill_twice || !error.may_have_billed())
        })
    }

    /// How it ended, and the pause after which it may be repeated.
    fn judge(
        &self,
        ended: Result<(), Failure>,
        arriving: &mut Arriving,
    ) -> (Result<Ended, ModelError>, Option<u64>) {
        match ended {
            Ok(()) if self.is_abandoned() => (Ok(Ended::Drained), None),
            Ok(()) => (Ok(Ended::Whole), None),
            Err(Failure::Stopped) => {
                arriving.draft.stop();
                (Ok(Ended::Stopped), None)
            }
            Err(Failure::Error(error, pause_ms)) => {
                (Err(error.with_partial(arriving.draft.text())), pause_ms)
            }
        }
    }
}

fn left_alone(target: &Target, wait_ms: i64) -> ModelError {
    let title = target.provider.title();
    let seconds = wait_ms.max(0).unsigned_abs().div_ceil(1_000);
    ModelError::Unavailable {
        cause: format!("{title} failed several times in a row and is left alone for {seconds} s"),
        may_have_billed: false,
    }
}

fn describe(
    target: &Target,
    arriving: &Arriving,
    ended: &Result<Ended, ModelError>,
    started_ms: i64,
    now_ms: i64,
) -> Attempt {
    let draft = &arriving.draft;
    let error = ended.as_ref().err().cloned();
    Attempt {
        provider: target.provider.name.clone(),
        model: target.model.clone(),
        model_answered: draft.about.model.clone(),
        service_tier: draft.about.service_tier.clone(),
        sent: true,
        ended: match ended {
            Ok(ended) => Some(*ended),
            Err(_) => arriving.begun.then_some(Ended::Interrupted),
        },
        usage: draft.usage.or(draft.early_usage),
        output_bytes: draft.bytes,
        request_bytes: None,
        may_have_billed: error.as_ref().is_none_or(ModelError::may_have_billed),
        error,
        provider_request_id: arriving.provider_request_id.clone(),
        started_ms,
        first_token_ms: arriving.first_token_at_ms.map(|at| at - started_ms),
        total_ms: now_ms - started_ms,
    }
}

fn answer(
    target: &Target,
    outgoing: &Outgoing,
    arriving: Arriving,
    ended: Ended,
    times: (i64, i64),
) -> ModelAnswer {
    let draft = arriving.draft;
    let (started_ms, now_ms) = times;
    let mut choices = draft.choices.into_iter();
    ModelAnswer {
        choice: choices.next().unwrap_or_default(),
        others: choices.collect(),
        model: draft.about.model.unwrap_or_else(|| target.model.clone()),
        usage: draft.usage.filter(|_| ended != Ended::Stopped),
        ended,
        provider_request_id: arriving.provider_request_id,
        response_id: draft.about.response_id,
        service_tier: draft.about.service_tier,
        system_fingerprint: draft.about.system_fingerprint,
        dropped: outgoing.dropped.clone(),
        default_max_tokens: outgoing.default_max_tokens,
        first_token_ms: arriving.first_token_at_ms.map(|at| at - started_ms),
        total_ms: now_ms - started_ms,
    }
}
