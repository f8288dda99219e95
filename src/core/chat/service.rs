use std::rc::Rc;

use garde::Validate;
use serde_json::{Value, json};

use super::exchange::{Answer, Asked, Charge, Exchange, Question, QuestionState, Settlement};
use super::leaving::{Left, UnderWay};
use super::output::{CompletionOutput, CostStatus, StreamOutput, StreamStatus};
use super::sessions::Sessions;
use super::{ChatError, CompletionInput};
use crate::ids;
use crate::llm::{
    Delta, Limits, ModelAnswer, ModelError, ModelRequest, Models, Provider, Stop,
    takes_sampling_parameters,
};
use crate::ports::{Background, Clock, Entropy, Level, Log};
use crate::sql::DatabaseError;
use crate::usage::{Cost, PriceKey, PriceTable, dollars};

const DEFAULT_TEMPERATURE: f64 = 0.7;
/// After the call's own limit, for the writes that follow it.
const SETTLING_MS: i64 = 60_000;

/// Completions and sessions. Owners are user ids that the caller has checked already.
pub struct ChatService {
    pub sessions: Sessions,
    pub models: Rc<Models>,
    pub provider: Rc<Provider>,
    pub prices: Rc<PriceTable>,
    pub clock: Rc<dyn Clock>,
    pub entropy: Rc<dyn Entropy>,
    pub log: Rc<dyn Log>,
    /// Where calls are settled whose callers have left.
    pub background: Rc<dyn Background>,
    pub limits: Limits,
}

/// One call, with what its accounting needs.
struct Call<'a> {
    exchange_id: String,
    owner: &'a str,
    session_id: Option<&'a str>,
    started_ms: i64,
    request: ModelRequest,
}

impl Call<'_> {
    fn exchange(&self) -> Option<Exchange<'_>> {
        let session_id = self.session_id?;
        Some(Exchange {
            id: &self.exchange_id,
            session_id,
            owner: self.owner,
        })
    }
}

impl ChatService {
    /// Asks the model. In a session, asking again under the same `exchange_id` gives the
    /// stored answer; without one, each call is an exchange of its own.
    pub async fn complete(
        &self,
        owner: &str,
        exchange_id: Option<&str>,
        input: &CompletionInput,
    ) -> Result<CompletionOutput, ChatError> {
        let call = self.call(owner, exchange_id, input)?;
        if let Asked::Before(output) = self.put_on_file(&call, input).await? {
            return Ok(*output);
        }
        let under_way = self.under_way(&call);
        let route = [self.provider.serving(&call.request.model)];
        let asked = self.models.complete(&call.request, &route, self.limits);
        let answered = asked.await.result;
        under_way.answered();
        self.settle(&call, answered).await
    }

    /// As [`Self::complete`], with each piece of text handed to `on_delta` as it arrives. A
    /// stored answer is handed over in one piece.
    pub async fn stream(
        &self,
        owner: &str,
        exchange_id: Option<&str>,
        input: &CompletionInput,
        on_delta: &mut dyn FnMut(&str),
    ) -> Result<StreamOutput, ChatError> {
        let call = self.call(owner, exchange_id, input)?;
        let completion = match self.put_on_file(&call, input).await? {
            Asked::Before(output) => {
                on_delta(&output.response);
                *output
            }
            Asked::New => {
                let under_way = self.under_way(&call);
                let route = [self.provider.serving(&call.request.model)];
                let mut hand_on = |delta: &Delta| {
                    if let Some(text) = delta.said() {
                        on_delta(text);
                    }
                };
                let stop = Stop::default();
                let asked =
                    self.models
                        .stream(&call.request, &route, self.limits, &stop, &mut hand_on);
                let answered = asked.await.result;
                under_way.answered();
                self.settle(&call, answered).await?
            }
        };
        Ok(StreamOutput {
            status: StreamStatus::Completed,
            message: "The answer was streamed as progress and is here whole.".to_owned(),
            completion,
        })
    }

    fn call<'a>(
        &self,
        owner: &'a str,
        exchange_id: Option<&str>,
        input: &'a CompletionInput,
    ) -> Result<Call<'a>, ChatError> {
        valid(input)?;
        let exchange_id = match exchange_id {
            Some(id) => id.to_owned(),
            None => ids::plain(&*self.clock, &*self.entropy)?,
        };
        let default = Some(DEFAULT_TEMPERATURE).filter(|_| takes_sampling_parameters(&input.model));
        Ok(Call {
            exchange_id,
            owner,
            session_id: input.session_id.as_deref(),
            started_ms: self.clock.now_ms(),
            request: ModelRequest {
                model: input.model.clone(),
                messages: input.messages.iter().cloned().map(Into::into).collect(),
                max_tokens: Some(input.max_tokens),
                temperature: input.temperature.or(default),
                ..ModelRequest::default()
            },
        })
    }

    fn under_way(&self, call: &Call<'_>) -> UnderWay {
        let left = Left {
            sessions: self.sessions.clone(),
            clock: Rc::clone(&self.clock),
            log: Rc::clone(&self.log),
            exchange_id: call.exchange_id.clone(),
            session_id: call.session_id.map(str::to_owned),
            owner: call.owner.to_owned(),
            model: call.request.model.clone(),
        };
        UnderWay::new(&self.background, left)
    }

    async fn put_on_file(
        &self,
        call: &Call<'_>,
        input: &CompletionInput,
    ) -> Result<Asked, ChatError> {
        let Some(exchange) = call.exchange() else {
            return Ok(Asked::New);
        };
        let user = |message: &&super::ChatMessage| message.role == super::Role::User;
        let last = input.messages.iter().rev().find(user).ok_or_else(|| {
            ChatError::InvalidInput(
                "messages: a session keeps the last message with the role user, and there is none: add one".to_owned(),
            )
        })?;
        let total_ms = i64::try_from(self.limits.total_ms).unwrap_or(i64::MAX);
        let question = Question {
            content: &last.content,
            model: &call.request.model,
            asked_at_ms: call.started_ms,
            settles_by_ms: call
                .started_ms
                .saturating_add(total_ms)
                .saturating_add(SETTLING_MS),
        };
        self.sessions.ask(&exchange, &question).await
    }

    async fn settle(
        &self,
        call: &Call<'_>,
        answered: Result<ModelAnswer, ModelError>,
    ) -> Result<CompletionOutput, ChatError> {
        match answered {
            Ok(answer) => Ok(self.settle_answer(call, answer).await),
            Err(error) => {
                self.settle_failure(call, &error).await;
                Err(error.into())
            }
        }
    }

    async fn settle_answer(&self, call: &Call<'_>, answer: ModelAnswer) -> CompletionOutput {
        let key = PriceKey {
            provider: "openai",
            model: &answer.model,
            tier: answer.service_tier.as_deref(),
            at_ms: call.started_ms,
        };
        let cost = self.prices.cost(key, answer.usage);
        let recorded = match self.record_answer(call, &answer, &cost).await {
            // A lost reply to a write that may be repeated.
            Err(DatabaseError::Unavailable(_)) => self.record_answer(call, &answer, &cost).await,
            outcome => outcome,
        };
        let (cost_status, cost_note) = match &cost {
            Cost::Priced { .. } => (CostStatus::Priced, None),
            Cost::Unpriced { reason } => (CostStatus::Unpriced, Some(reason.to_string())),
        };
        CompletionOutput {
            recorded: self.logged(call, recorded),
            response: answer.choice.said().to_owned(),
            usage: answer.usage.map(Into::into),
            model: answer.model,
            session_id: call.session_id.map(str::to_owned),
            cost_usd: cost.nanos().map(dollars),
            cost_nanos: cost.nanos(),
            cost_status,
            cost_note,
            finish_reason: answer.choice.finish_reason,
            provider_request_id: answer.provider_request_id,
        }
    }

    async fn record_answer(
        &self,
        call: &Call<'_>,
        answer: &ModelAnswer,
        cost: &Cost,
    ) -> Result<bool, DatabaseError> {
        let usage = answer.usage;
        let charge = Charge {
            model: &answer.model,
            tokens: usage.map(|usage| count(usage.total)),
            nanos: cost.nanos(),
            unpriced: cost.nanos().is_none(),
        };
        let now_ms = self.clock.now_ms();
        let Some(exchange) = call.exchange() else {
            let added = self
                .sessions
                .add_usage(&call.exchange_id, call.owner, &charge, now_ms);
            return added.await.map(|()| true);
        };
        let settlement = Settlement {
            at_ms: now_ms,
            question_state: QuestionState::Answered,
            answer: Some(Answer {
                content: answer.choice.said(),
                prompt_tokens: usage.map(|usage| count(usage.prompt)),
                completion_tokens: usage.map(|usage| count(usage.completion)),
                metadata: notes(call, answer, cost),
            }),
            charge,
        };
        self.sessions.settle(&exchange, &settlement).await
    }

    async fn settle_failure(&self, call: &Call<'_>, error: &ModelError) {
        let charge = Charge {
            model: &call.request.model,
            tokens: None,
            nanos: None,
            unpriced: error.may_have_billed(),
        };
        let now_ms = self.clock.now_ms();
        let recorded = match call.exchange() {
            None if charge.unpriced => {
                let added = self
                    .sessions
                    .add_usage(&call.exchange_id, call.owner, &charge, now_ms);
                added.await.map(|()| true)
            }
            None => return,
            Some(exchange) => {
                let message = error.to_string();
                let settlement = Settlement {
                    at_ms: now_ms,
                    question_state: QuestionState::Failed { code: error.code(), message: &message },
                    answer: error.partial().map(|content| Answer {
                        content,
                        prompt_tokens: None,
                        completion_tokens: None,
                        metadata: json!({"exchange_id": call.exchange_id, "partial": true, "code": error.code()}),
                    }),
                    charge,
                };
                self.sessions.settle(&exchange, &settlement).await
            }
        };
        self.logged(call, recorded);
    }

    /// The model has spoken by now: a failed write goes to the log, not to the caller.
    fn logged(&self, call: &Call<'_>, recorded: Result<bool, DatabaseError>) -> bool {
        let cause = match recorded {
            Ok(true) => return true,
            Ok(false) => "the session was deleted meanwhile".to_owned(),
            Err(error) => error.to_string(),
        };
        let fields =
            json!({"exchange_id": call.exchange_id, "session_id": call.session_id, "cause": cause});
        self.log
            .record(Level::Error, "chat_exchange_not_recorded", fields);
        false
    }
}

pub(super) fn valid<T: Validate<Context = ()>>(input: &T) -> Result<(), ChatError> {
    input.validate().map_err(|report| {
        ChatError::InvalidInput(report.to_string().trim_end().replace('\n', "; "))
    })
}

/// The database's integers are signed; real counts are far below.
fn count(tokens: u64) -> i64 {
    i64::try_from(tokens).unwrap_or(i64::MAX)
}

/// What is known of an answer beyond its columns.
fn notes(call: &Call<'_>, answer: &ModelAnswer, cost: &Cost) -> Value {
    let (price_id, cost_note) = match cost {
        Cost::Priced { price_id, .. } => (Some(price_id.as_str()), None),
        Cost::Unpriced { reason } => (None, Some(reason.to_string())),
    };
    json!({
        "exchange_id": call.exchange_id,
        "model_asked": call.request.model,
        "finish_reason": answer.choice.finish_reason,
        "refused": answer.choice.refusal.is_some(),
        "provider_request_id": answer.provider_request_id,
        "response_id": answer.response_id,
        "service_tier": answer.service_tier,
        "system_fingerprint": answer.system_fingerprint,
        "usage": answer.usage,
        "price_id": price_id,
        "cost_note": cost_note,
        "first_token_ms": answer.first_token_ms,
        "total_ms": answer.total_ms,
    })
}
