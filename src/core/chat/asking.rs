//! The call itself. It runs in the background, so that an answer that is paid for is put on
//! file though its caller has left.

use std::rc::Rc;

use futures::channel::mpsc::UnboundedSender;
use serde_json::{Value, json};

use super::ChatError;
use super::exchange::{Answer, Charge, Exchange, QuestionState, Settlement};
use super::history::HistoryView;
use super::output::{CompletionOutput, CostStatus};
use super::sessions::Sessions;
use crate::analytics::{EventCost, UsageEvent, record};
use crate::gateway::{Gateway, GatewayError, Listener, Live, Order, Outcome, Served};
use crate::llm::{Delta, Stop};
use crate::ports::{Background, Clock, Level, Log};
use crate::sql::{DatabaseError, Statement};
use crate::usage::dollars;

/// What is heard of a call.
pub enum Heard {
    Text(String),
    Done(Box<Result<CompletionOutput, ChatError>>),
}

/// A call that is to be made, with all that it needs when nobody waits for it.
pub(super) struct Asking {
    pub gateway: Rc<Gateway>,
    pub sessions: Sessions,
    pub clock: Rc<dyn Clock>,
    pub log: Rc<dyn Log>,
    pub order: Order,
    pub history: Option<HistoryView>,
}

impl Asking {
    pub fn begin(self, background: &dyn Background, streamed: bool) -> Listener<Heard> {
        let (listener, tell, stop) = Listener::new();
        background.spawn(Box::pin(async move {
            self.run(streamed.then_some(&stop), &tell).await;
        }));
        listener
    }

    async fn run(&self, stop: Option<&Stop>, tell: &UnboundedSender<Heard>) {
        // Nobody may be there any more to hear it.
        let mut on_delta = |delta: &Delta| {
            if let Some(text) = delta.said() {
                let _gone = tell.unbounded_send(Heard::Text(text.to_owned()));
            }
        };
        let live = stop.map(|stop| Live {
            stop,
            on_delta: &mut on_delta,
        });
        let outcome = self.gateway.serve(&self.order, live).await;
        let actual = outcome.actual;
        let done = self.put_on_file(outcome).await;
        let _gone = tell.unbounded_send(Heard::Done(Box::new(done)));
        self.gateway.settle(&self.order, actual).await;
    }

    async fn put_on_file(&self, outcome: Outcome) -> Result<CompletionOutput, ChatError> {
        let books: Vec<Statement> = outcome.events.iter().flat_map(record).collect();
        let model = match &outcome.result {
            Ok(served) => served.answer.model.clone(),
            Err(_) => self.order.request.model.clone(),
        };
        let charge = charge(&model, &outcome.events);
        match outcome.result {
            Ok(served) => {
                let answer = Some(self.answer(&served));
                let state = QuestionState::Answered;
                let recorded = self.settle(state, answer, charge, books).await;
                Ok(self.output(served, recorded))
            }
            Err(error) => {
                let message = error.to_string();
                let state = QuestionState::Failed {
                    code: error.code(),
                    message: &message,
                };
                let partial = self.partial(&error);
                self.settle(state, partial, charge, books).await;
                Err(error.into())
            }
        }
    }

    /// False if it could not be written, which the log tells.
    async fn settle(
        &self,
        question_state: QuestionState<'_>,
        answer: Option<Answer<'_>>,
        charge: Charge<'_>,
        books: Vec<Statement>,
    ) -> bool {
        let settlement = Settlement {
            at_ms: self.clock.now_ms(),
            question_state,
            answer,
            charge,
            books,
        };
        let mut recorded = self.write(&settlement).await;
        // A lost reply to a write that may be repeated: an answer is counted with its row.
        let repeatable = settlement.answer.is_some() || self.order.session_id.is_none();
        if repeatable && matches!(recorded, Err(DatabaseError::Unavailable(_))) {
            recorded = self.write(&settlement).await;
        }
        self.logged(recorded)
    }

    async fn write(&self, settlement: &Settlement<'_>) -> Result<bool, DatabaseError> {
        let order = &self.order;
        if let Some(session_id) = &order.session_id {
            let exchange = Exchange {
                id: &order.id,
                session_id,
                owner: &order.user_id,
            };
            return self.sessions.settle(&exchange, settlement).await;
        }
        let charge = &settlement.charge;
        if settlement.answer.is_none() && charge.nanos.is_none() && !charge.unpriced {
            let events = settlement.books.clone();
            return self.sessions.db.batch(events).await.map(|_| true);
        }
        let books = settlement.books.clone();
        let (id, owner) = (&order.id, &order.user_id);
        let added = self
            .sessions
            .add_usage(id, owner, charge, settlement.at_ms, books);
        added.await.map(|()| true)
    }

    /// The model has spoken by now: a failed write goes to the log, not to the caller.
    fn logged(&self, recorded: Result<bool, DatabaseError>) -> bool {
        let cause = match recorded {
            Ok(true) => return true,
            Ok(false) => "the session was deleted meanwhile".to_owned(),
            Err(error) => error.to_string(),
        };
        let (id, session) = (&self.order.id, &self.order.session_id);
        let fields = json!({"exchange_id": id, "session_id": session, "cause": cause});
        self.log
            .record(Level::Error, "chat_exchange_not_recorded", fields);
        false
    }

    fn answer<'a>(&self, served: &'a Served) -> Answer<'a> {
        let usage = served.answer.usage;
        Answer {
            content: served.answer.choice.said(),
            prompt_tokens: usage.map(|usage| count(usage.prompt)),
            completion_tokens: usage.map(|usage| count(usage.completion)),
            metadata: notes(&self.order, served, self.history.as_ref()),
        }
    }

    fn partial<'a>(&self, error: &'a GatewayError) -> Option<Answer<'a>> {
        let GatewayError::Model(failed) = error else {
            return None;
        };
        failed.partial().map(|content| Answer {
            content,
            prompt_tokens: None,
            completion_tokens: None,
            metadata: json!({"exchange_id": self.order.id, "partial": true, "code": error.code()}),
        })
    }

    fn output(&self, served: Served, recorded: bool) -> CompletionOutput {
        let (answer, nanos) = (served.answer, served.cost.nanos());
        let cost_status = match served.cost {
            EventCost::Priced { .. } => CostStatus::Priced,
            EventCost::Estimated { .. } => CostStatus::Estimated,
            EventCost::None | EventCost::Unpriced => CostStatus::Unpriced,
        };
        CompletionOutput {
            recorded,
            response: answer.choice.said().to_owned(),
            usage: answer.usage.map(Into::into),
            model: answer.model,
            session_id: self.order.session_id.clone(),
            history: self.history.clone(),
            cost_usd: nanos.map(dollars),
            cost_nanos: nanos,
            cost_status,
            cost_note: served.cost_note,
            finish_reason: answer.choice.finish_reason,
            provider_request_id: answer.provider_request_id,
        }
    }
}

/// All attempts together.
fn charge<'a>(model: &'a str, events: &[UsageEvent]) -> Charge<'a> {
    let any = |test: fn(&EventCost) -> bool| events.iter().any(|event| test(&event.cost));
    let nanos = events.iter().filter_map(|event| event.cost.nanos());
    let tokens = events.iter().filter_map(|event| event.tokens);
    Charge {
        model,
        tokens: tokens
            .map(|tokens| count(tokens.total))
            .reduce(i64::saturating_add),
        nanos: nanos.reduce(i64::saturating_add),
        unpriced: any(|cost| matches!(cost, EventCost::Unpriced)),
        estimated: any(|cost| matches!(cost, EventCost::Estimated { .. })),
    }
}

/// The database's integers are signed; real counts are far below.
fn count(tokens: u64) -> i64 {
    i64::try_from(tokens).unwrap_or(i64::MAX)
}

/// What is known of an answer beyond its columns.
fn notes(order: &Order, served: &Served, history: Option<&HistoryView>) -> Value {
    let answer = &served.answer;
    let price_id = match &served.cost {
        EventCost::Priced { price_id, .. } | EventCost::Estimated { price_id, .. } => {
            Some(price_id.as_str())
        }
        EventCost::None | EventCost::Unpriced => None,
    };
    json!({
        "exchange_id": order.id,
        "model_asked": order.request.model,
        "finish_reason": answer.choice.finish_reason,
        "refused": answer.choice.refusal.is_some(),
        "provider_request_id": answer.provider_request_id,
        "response_id": answer.response_id,
        "service_tier": answer.service_tier,
        "system_fingerprint": answer.system_fingerprint,
        "usage": answer.usage,
        "price_id": price_id,
        "cost_note": served.cost_note,
        "history": history,
        "first_token_ms": answer.first_token_ms,
        "total_ms": answer.total_ms,
    })
}
