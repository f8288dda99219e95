//! A completion: asked in the background, so that what is paid for is put on the books though
//! its caller leaves.

use std::rc::Rc;

use futures::channel::mpsc::UnboundedSender;
use futures::future::join;
use serde_json::Value;

use super::Door;
use super::error::ApiError;
use super::once::{self, Claimed, Sent, Ticket};
use super::read::{Asked, read};
use super::stream::{self, Hearing, Soon, Writer};
use super::wire::{Heading, completion};
use crate::auth::Principal;
use crate::gateway::{Gateway, GatewayError, Listener, Live, Order, Outcome, Served};
use crate::http::{HeaderFields, HttpReply};
use crate::ids;
use crate::llm::{Delta, Ended, Stop};
use crate::oauth::WebRequest;
use crate::ports::Clock;
use crate::usage::dollars;

/// What is heard of a call.
pub(super) enum Heard {
    /// With what the reply says of the caller's limits.
    Admitted(HeaderFields),
    Delta(Delta),
    Done(Box<Result<Served, GatewayError>>),
}

impl Door<'_> {
    pub(super) async fn complete(
        &self,
        caller: &Principal,
        web: &WebRequest<'_>,
    ) -> Result<HttpReply, ApiError> {
        let asked = read(web.body)?;
        let order = self.order(caller, &asked)?;
        let heading = Heading {
            id: format!("chatcmpl-{}", order.id),
            created: self.platform.clock.now_ms().div_euclid(1_000),
            model: order.request.model.clone(),
        };
        let ticket = match self.claim(web, &order).await? {
            None => None,
            Some(Claimed::New(ticket)) => Some(ticket),
            Some(Claimed::Before(status, body)) => return Ok(again(status, &body, &asked)),
        };
        let listener = self.begin(order, &heading, asked.streamed, ticket);
        self.heard(listener, heading, &asked).await
    }

    /// Until something arrives, a failure has a status of its own. A stream begins without, where
    /// the model thinks for long.
    async fn heard(
        &self,
        mut listener: Listener<Heard>,
        heading: Heading,
        asked: &Asked,
    ) -> Result<HttpReply, ApiError> {
        let mut heard = Soon::from(listener.next().await);
        let mut standing = HeaderFields::new();
        let mut listening = None;
        if let Soon::Heard(Heard::Admitted(headers)) = heard {
            standing = headers;
            heard = if asked.streamed {
                let words = listening.insert(Hearing::new(listener, &self.platform.clock));
                words.next().await
            } else {
                Soon::from(listener.next().await)
            };
        }
        let reply = match (heard, listening) {
            (Soon::Heard(Heard::Done(result)), _) => {
                let failed = |error| ApiError::from(error).headers(&standing);
                whole(&heading, &(*result).map_err(failed)?, asked)
            }
            (Soon::Heard(Heard::Delta(delta)), Some(words)) => {
                let writer = Writer::new(heading, asked.with_usage);
                stream::reply(writer, Some(&delta), words)
            }
            (Soon::Silence, Some(words)) => {
                stream::reply(Writer::new(heading, asked.with_usage), None, words)
            }
            _ => return Err(ApiError::server("the call ended without an answer")),
        };
        Ok(reply.with_headers(standing))
    }

    fn order(&self, caller: &Principal, asked: &Asked) -> Result<Order, ApiError> {
        let platform = self.platform;
        let id = ids::plain(&*platform.clock, &*platform.entropy)
            .map_err(|error| ApiError::server(error.to_string()))?;
        Ok(Order {
            id,
            user_id: caller.user_id.clone(),
            key_id: Some(caller.token_id.clone()),
            session_id: None,
            case_id: None,
            request: asked.request.clone(),
        })
    }

    async fn claim(
        &self,
        web: &WebRequest<'_>,
        order: &Order,
    ) -> Result<Option<Claimed>, ApiError> {
        let Some(key) = web.headers.get(once::HEADER) else {
            return Ok(None);
        };
        let sent = Sent {
            user_id: &order.user_id,
            key: &key,
            body: web.body,
            call_id: &order.id,
            lasts_ms: self.gateway.lasts_ms(),
        };
        once::claim(self.platform, &sent).await.map(Some)
    }

    fn begin(
        &self,
        order: Order,
        heading: &Heading,
        streamed: bool,
        ticket: Option<Ticket>,
    ) -> Listener<Heard> {
        let (listener, tell, stop) = Listener::new();
        let call = Call {
            gateway: Rc::clone(self.gateway),
            clock: Rc::clone(&self.platform.clock),
            order,
            heading: heading.clone(),
            ticket,
            stop,
            tell,
        };
        let background = &self.platform.background;
        background.spawn(Box::pin(call.run(streamed)));
        listener
    }
}

struct Call {
    gateway: Rc<Gateway>,
    clock: Rc<dyn Clock>,
    order: Order,
    heading: Heading,
    ticket: Option<Ticket>,
    stop: Stop,
    tell: UnboundedSender<Heard>,
}

impl Call {
    async fn run(self, streamed: bool) {
        let mut on_delta = |delta: &Delta| self.tell(Heard::Delta(delta.clone()));
        let live = Live {
            stop: &self.stop,
            on_delta: &mut on_delta,
        };
        let live = streamed.then_some(live);
        let outcome = match self.gateway.admit(&self.order).await {
            Ok(entry) => {
                self.tell(Heard::Admitted(entry.standing().headers()));
                self.gateway.ask(&self.order, entry, live).await
            }
            Err(error) => Outcome::refused(error),
        };
        // Whoever sends it again after this reply must find it.
        self.keep(&outcome).await;
        self.tell(Heard::Done(Box::new(outcome.result)));
        let settled = self.gateway.settle(&self.order, outcome.actual);
        join(settled, self.gateway.record(outcome.events)).await;
    }

    /// Nobody may be there any more to hear it.
    fn tell(&self, heard: Heard) {
        let _gone = self.tell.unbounded_send(heard);
    }

    async fn keep(&self, outcome: &Outcome) {
        let Some(ticket) = &self.ticket else {
            return;
        };
        let now_ms = self.clock.now_ms();
        match &outcome.result {
            Ok(served) if served.answer.ended != Ended::Stopped => {
                let body = completion(&self.heading, &served.answer, &served.cost);
                ticket.answered(200, &body, now_ms).await;
            }
            Ok(_) => {
                let cut = ApiError::cut_off();
                ticket.answered(cut.status(), &cut.body(), now_ms).await;
            }
            Err(error) if error.may_have_billed() => {
                let error = ApiError::from(error.clone());
                ticket.answered(error.status(), &error.body(), now_ms).await;
            }
            Err(_) => ticket.released().await,
        }
    }
}

/// An answer that came at once, in the form that is asked for.
fn whole(heading: &Heading, served: &Served, asked: &Asked) -> HttpReply {
    let body = completion(heading, &served.answer, &served.cost);
    let reply = in_form(200, &body, asked);
    match served.cost.nanos() {
        Some(nanos) => reply.with_header("x-chitty-cost-usd", dollars(nanos)),
        None => reply,
    }
}

fn in_form(status: u16, body: &Value, asked: &Asked) -> HttpReply {
    if asked.streamed && status == 200 {
        return stream::of_whole(body, asked.with_usage);
    }
    HttpReply::json(status, body.to_string().into_bytes()).with_header("cache-control", "no-store")
}

/// What was answered before, in the form that is asked for now.
fn again(status: u16, body: &Value, asked: &Asked) -> HttpReply {
    let reply = in_form(status, body, asked).with_header("idempotent-replayed", "true");
    if status == 200 {
        return reply;
    }
    reply.with_header("x-should-retry", "false")
}
