//! A completion as it arrives, in server-sent events (WHATWG HTML section 9.2).

use std::collections::BTreeSet;
use std::rc::Rc;

use bytes::Bytes;
use futures::StreamExt;
use futures::future::{Either, select};
use futures::stream;
use serde_json::Value;

use super::call::Heard;
use super::error::ApiError;
use super::wire::{self, Heading};
use crate::gateway::{GatewayError, Listener, Served};
use crate::http::{Body, HttpReply};
use crate::llm::Delta;
use crate::ports::Clock;

/// Proxies close what is silent for longer.
const KEEP_ALIVE_MS: u64 = 15_000;
const COMMENT: &[u8] = b": keep-alive\n\n";
const DONE: &[u8] = b"data: [DONE]\n\n";

/// Writes the events of one answer.
pub(super) struct Writer {
    heading: Heading,
    with_usage: bool,
    /// Choices that have spoken.
    begun: BTreeSet<usize>,
}

impl Writer {
    pub fn new(heading: Heading, with_usage: bool) -> Self {
        Self {
            heading,
            with_usage,
            begun: BTreeSet::new(),
        }
    }

    fn delta(&mut self, delta: &Delta) -> Bytes {
        let first = self.begun.insert(delta.choice);
        event(&wire::delta(&self.heading, delta, first))
    }

    fn end(&self, result: Result<Served, GatewayError>) -> Bytes {
        match result {
            Ok(served) => self.whole_end(&served),
            Err(error) => event(&ApiError::from(error).body()),
        }
    }

    fn whole_end(&self, served: &Served) -> Bytes {
        let mut chunks = wire::ends(&self.heading, &served.answer);
        if self.with_usage {
            chunks.push(wire::last(&self.heading, &served.answer, &served.cost));
        }
        let mut bytes: Vec<u8> = chunks.iter().flat_map(event).collect();
        bytes.extend_from_slice(DONE);
        bytes.into()
    }
}

fn event(chunk: &Value) -> Bytes {
    format!("data: {chunk}\n\n").into()
}

/// The reply to a call that has begun to speak with `first`, or is silent yet.
pub(super) fn reply(
    writer: Writer,
    first: Option<&Delta>,
    listener: Listener<Heard>,
    clock: &Rc<dyn Clock>,
) -> HttpReply {
    let (mut writer, clock) = (writer, Rc::clone(clock));
    let silence = Bytes::from_static(COMMENT);
    let opening = first.map_or(silence, |first| writer.delta(first));
    let rest = stream::unfold(Some((writer, listener)), move |state| {
        let clock = Rc::clone(&clock);
        async move {
            let (mut writer, mut listener) = state?;
            let bytes = match heard_soon(&mut listener, &*clock).await {
                Soon::Silence => Bytes::from_static(COMMENT),
                Soon::Heard(Heard::Delta(delta)) => writer.delta(&delta),
                Soon::Heard(Heard::Done(result)) => return Some((writer.end(*result), None)),
                Soon::Heard(Heard::Admitted(_)) | Soon::Ended => {
                    return Some((event(&broken_off().body()), None));
                }
            };
            Some((bytes, Some((writer, listener))))
        }
    });
    let opening = stream::once(async move { opening });
    answer(Body::Stream(opening.chain(rest).boxed_local()))
}

pub(super) enum Soon {
    Heard(Heard),
    Silence,
    /// Whoever made the call is no more.
    Ended,
}

impl From<Option<Heard>> for Soon {
    fn from(heard: Option<Heard>) -> Self {
        heard.map_or(Self::Ended, Self::Heard)
    }
}

pub(super) async fn heard_soon(listener: &mut Listener<Heard>, clock: &dyn Clock) -> Soon {
    let next = Box::pin(listener.next());
    match select(next, clock.sleep(KEEP_ALIVE_MS)).await {
        Either::Left((heard, _)) => heard.into(),
        Either::Right(_) => Soon::Silence,
    }
}

fn broken_off() -> ApiError {
    ApiError::server("the answer broke off: what arrived is not all of it")
}

/// A whole completion as a stream: of a call whose answer came at once, or was given before.
pub(super) fn of_whole(completion: &Value, with_usage: bool) -> HttpReply {
    let chunks = wire::chunks(completion, with_usage);
    let mut bytes: Vec<u8> = chunks.iter().flat_map(event).collect();
    bytes.extend_from_slice(DONE);
    answer(Body::Bytes(bytes))
}

fn answer(body: Body) -> HttpReply {
    HttpReply {
        status: 200,
        headers: vec![
            ("content-type", "text/event-stream".to_owned()),
            ("cache-control", "no-store".to_owned()),
        ],
        body,
    }
}
