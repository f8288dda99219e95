//! An answer on its way out: JSON, or events as they come.

use std::rc::Rc;

use bytes::Bytes;
use futures::StreamExt;
use futures::future::{Either, select};
use futures::stream::{self, LocalBoxStream};
use serde::Serialize;
use serde_json::Value;

use super::dispatch::Answer;
use super::era::Era;
use super::error::RpcError;
use super::run::Event;
use super::server::{Host, Server};
use super::tool::encoded;
use crate::http::{Body, HttpReply};

/// How long a result may take before the stream is opened without one, and between two
/// comments on a silent stream: proxies close what stays silent.
const KEEP_ALIVE_MS: u64 = 5_000;

/// Everything needed to put an answer on the wire.
pub(super) struct Outgoing<S> {
    pub server: Rc<Server<S>>,
    pub services: Rc<S>,
    pub era: Era,
    pub id: Value,
    pub request_id: String,
}

impl<S: Host> Outgoing<S> {
    pub async fn reply(self, answer: Answer, streams: bool) -> HttpReply {
        match answer {
            Answer::Text(result) => {
                let body = format!(r#"{{"jsonrpc":"2.0","id":{},"result":{result}}}"#, self.id);
                json_reply(200, body, &self.request_id)
            }
            Answer::Value(result) => self.finished(Ok(result)),
            Answer::Refused(refusal) => {
                let body = self.message(Ok(refusal.result));
                let reply = json_reply(refusal.status, body, &self.request_id);
                challenged(reply, refusal.challenge)
            }
            Answer::Run(run) if streams => self.json_or_stream(run).await,
            Answer::Run(run) => {
                let result = last(run).await;
                self.finished(result)
            }
        }
    }

    /// JSON if the result comes first and soon, else an event stream.
    async fn json_or_stream(self, mut run: LocalBoxStream<'static, Event>) -> HttpReply {
        let first = match self.next_event(&mut run).await {
            Next::Event(Event::Done(result)) => return self.finished(result),
            Next::Event(message) => Some(message),
            Next::Nothing => return self.finished(Err(RpcError::internal())),
            Next::Silence => None,
        };
        let run = stream::iter(first).chain(run).boxed_local();
        let headers = vec![
            ("content-type", "text/event-stream".to_owned()),
            ("cache-control", "no-store".to_owned()),
            ("x-accel-buffering", "no".to_owned()),
            ("x-request-id", self.request_id.clone()),
        ];
        let body = stream::unfold(Some((run, self)), next_chunk).boxed_local();
        HttpReply {
            status: 200,
            headers,
            body: Body::Stream(body),
        }
    }

    async fn next_event(&self, run: &mut LocalBoxStream<'static, Event>) -> Next {
        // Lazy, so that no timer is made for what is there at once.
        let patience = async { self.services.clock().sleep(KEEP_ALIVE_MS).await };
        match select(run.next(), std::pin::pin!(patience)).await {
            Either::Left((Some(event), _)) => Next::Event(event),
            Either::Left((None, _)) => Next::Nothing,
            Either::Right(_) => Next::Silence,
        }
    }

    fn finished(&self, result: Result<Value, RpcError>) -> HttpReply {
        let status = result.as_ref().map_or_else(|error| error.status, |_| 200);
        json_reply(status, self.message(result), &self.request_id)
    }

    /// The JSON text of the response.
    fn message(&self, result: Result<Value, RpcError>) -> String {
        match result {
            Ok(mut result) => {
                if self.era.is_modern() {
                    self.server.stamp(&mut result);
                }
                encoded(&Success {
                    jsonrpc: "2.0",
                    id: &self.id,
                    result: &result,
                })
            }
            Err(error) => {
                report(&*self.services, &self.request_id, &error);
                encoded(&error.to_response(&self.id, &self.request_id))
            }
        }
    }
}

#[derive(Serialize)]
struct Success<'a> {
    jsonrpc: &'static str,
    id: &'a Value,
    result: &'a Value,
}

enum Next {
    Event(Event),
    Nothing,
    Silence,
}

type Streaming<S> = (LocalBoxStream<'static, Event>, Outgoing<S>);

/// The next event of a run as a chunk of the stream; a comment if it keeps us waiting.
async fn next_chunk<S: Host>(
    streaming: Option<Streaming<S>>,
) -> Option<(Bytes, Option<Streaming<S>>)> {
    let (mut run, outgoing) = streaming?;
    match outgoing.next_event(&mut run).await {
        Next::Event(Event::Message(message)) => {
            Some((event(&encoded(&message)), Some((run, outgoing))))
        }
        Next::Event(Event::Done(result)) => Some((event(&outgoing.message(result)), None)),
        Next::Nothing => None,
        Next::Silence => Some((Bytes::from_static(b":\n\n"), Some((run, outgoing)))),
    }
}

/// A server-sent event. JSON text has no line break, so one data line holds it.
fn event(message: &str) -> Bytes {
    Bytes::from(format!("event: message\ndata: {message}\n\n"))
}

pub(super) async fn last(mut run: LocalBoxStream<'static, Event>) -> Result<Value, RpcError> {
    while let Some(event) = run.next().await {
        if let Event::Done(result) = event {
            return result;
        }
    }
    Err(RpcError::internal())
}

pub(super) fn report<S: Host>(services: &S, request_id: &str, error: &RpcError) {
    if let Some(cause) = &error.cause {
        services.report(request_id, cause);
    }
}

pub(super) fn json_reply(status: u16, body: String, request_id: &str) -> HttpReply {
    HttpReply {
        status,
        headers: vec![
            ("content-type", "application/json".to_owned()),
            ("cache-control", "no-store".to_owned()),
            ("x-request-id", request_id.to_owned()),
        ],
        body: Body::Bytes(body.into_bytes()),
    }
}

pub(super) fn challenged(reply: HttpReply, challenge: Option<String>) -> HttpReply {
    match challenge {
        Some(challenge) => reply.with_header("www-authenticate", challenge),
        None => reply,
    }
}
