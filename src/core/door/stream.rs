//! A completion as it arrives, in server-sent events (WHATWG HTML section 9.2).

use std::collections::BTreeSet;
use std::rc::Rc;

use bytes::Bytes;
use futures::StreamExt;
use futures::future::{Either, LocalBoxFuture, select};
use futures::stream;
use serde::Serialize;
use serde_json::Value;

use super::call::Heard;
use super::error::ApiError;
use super::wire::{self, Heading};
use crate::gateway::{GatewayError, Listener, Served};
use crate::http::{Body, HttpReply};
use crate::llm::Delta;
use crate::ports::Clock;

/// Proxies close what is silent for thirty seconds.
const KEEP_ALIVE_MS: u64 = 10_000;
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
        event(&wire::piece(&self.heading, delta, first))
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

fn event(chunk: &impl Serialize) -> Bytes {
    let mut bytes = b"data: ".to_vec();
    if let Err(error) = serde_json::to_writer(&mut bytes, chunk) {
        // Never of what is made here: its keys are text and its numbers finite.
        return event(&ApiError::server(error.to_string()).body());
    }
    bytes.extend_from_slice(b"\n\n");
    bytes.into()
}

/// The reply to a call that has begun to speak with `first`, or is silent yet.
pub(super) fn reply(writer: Writer, first: Option<&Delta>, hearing: Hearing) -> HttpReply {
    let mut writer = writer;
    let silence = Bytes::from_static(COMMENT);
    let opening = first.map_or(silence, |first| writer.delta(first));
    let rest = stream::unfold(Some((writer, hearing)), |state| async move {
        let (mut writer, mut hearing) = state?;
        let bytes = match hearing.next().await {
            Soon::Silence => Bytes::from_static(COMMENT),
            Soon::Heard(Heard::Delta(delta)) => writer.delta(&delta),
            Soon::Heard(Heard::Done(result)) => return Some((writer.end(*result), None)),
            Soon::Heard(Heard::Admitted(_)) | Soon::Ended => {
                return Some((event(&broken_off().body()), None));
            }
        };
        Some((bytes, Some((writer, hearing))))
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

/// Hears a call, and its silence: of [`KEEP_ALIVE_MS`] to twice that, since the timer is looked
/// at when it fires, not set anew for each thing heard.
pub(super) struct Hearing {
    listener: Listener<Heard>,
    clock: Rc<dyn Clock>,
    timer: LocalBoxFuture<'static, ()>,
    /// Whether something was since the timer was set.
    heard: bool,
}

impl Hearing {
    pub fn new(listener: Listener<Heard>, clock: &Rc<dyn Clock>) -> Self {
        Self {
            timer: clock.sleep(KEEP_ALIVE_MS),
            clock: Rc::clone(clock),
            listener,
            heard: false,
        }
    }

    pub async fn next(&mut self) -> Soon {
        loop {
            let next = Box::pin(self.listener.next());
            if let Either::Left((heard, _)) = select(next, &mut self.timer).await {
                self.heard = true;
                return heard.into();
            }
            self.timer = self.clock.sleep(KEEP_ALIVE_MS);
            if !std::mem::take(&mut self.heard) {
                return Soon::Silence;
            }
        }
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
