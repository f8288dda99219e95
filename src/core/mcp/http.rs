//! Streamable HTTP: one POST, one message; the answer is JSON, or an event stream as soon as
//! there is something to say before the result.

use std::rc::Rc;

use bytes::Bytes;
use futures::StreamExt;
use futures::future::{Either, select};
use futures::stream::{self, LocalBoxStream};
use serde_json::{Value, json};

use super::dispatch::{Answer, Request};
use super::envelope::{self, Envelope, Refused};
use super::era::{self, Era};
use super::error::{INVALID_REQUEST, RpcError};
use super::headers::{check_standard, trimmed};
use super::interaction;
use super::run::Event;
use super::server::{Host, Server};
use crate::auth::Principal;
use crate::http::{Body, Headers, HttpReply};

/// Largest body of a request, in bytes.
pub const MAX_BODY: usize = 1_048_576;
/// How long a result may take before the stream is opened without one, and between two
/// comments on a silent stream: proxies close what stays silent.
const KEEP_ALIVE_MS: u64 = 5_000;

/// A POST to the MCP endpoint by an authenticated caller.
pub struct Post<'a> {
    pub headers: &'a dyn Headers,
    pub body: &'a [u8],
    pub principal: Rc<Principal>,
    pub request_id: String,
}

impl<S: Host> Server<S> {
    /// Answers a POST. Every answer is a reply: errors are the protocol's own.
    pub async fn post(self: &Rc<Self>, services: &Rc<S>, post: Post<'_>) -> HttpReply {
        let request_id = post.request_id.clone();
        match self.answer(services, post).await {
            Ok(reply) => reply,
            Err(refused) => refusal(&refused.error, &refused.id, &request_id),
        }
    }

    async fn answer(
        self: &Rc<Self>,
        services: &Rc<S>,
        post: Post<'_>,
    ) -> Result<HttpReply, Refused> {
        check_content_type(post.headers)?;
        match envelope::parse(post.body)? {
            Envelope::Request { id, method, params } => {
                let request = self.request(&post, &id, &method, params);
                let refuse = |error| Refused {
                    id: id.clone(),
                    error,
                };
                let request = request.map_err(refuse)?;
                let streams = accepts(post.headers).map_err(refuse)?;
                let era = request.era;
                let answer = self.dispatch(services, request).await.map_err(refuse)?;
                let outgoing = Outgoing {
                    server: Rc::clone(self),
                    services: Rc::clone(services),
                    era,
                    id: id.clone(),
                    request_id: post.request_id,
                };
                Ok(outgoing.reply(answer, streams).await)
            }
            Envelope::Notification { .. } => Ok(accepted()),
            Envelope::Response { id, outcome } => {
                interaction::deliver(&**services, &post.principal, &id, outcome).await?;
                Ok(accepted())
            }
            Envelope::Plain { tool, arguments } => {
                Ok(self.plain(services, post, &tool, arguments).await)
            }
        }
    }

    fn request<'a>(
        &self,
        post: &Post<'a>,
        id: &'a Value,
        method: &'a str,
        params: serde_json::Map<String, Value>,
    ) -> Result<Request<'a>, RpcError> {
        let version = trimmed(post.headers, "mcp-protocol-version");
        let era = era::detect(version.as_deref(), &params)?;
        if era.is_modern() {
            check_standard(post.headers, method, &params)?;
        }
        Ok(Request {
            era,
            id,
            method,
            params,
            headers: post.headers,
            principal: Rc::clone(&post.principal),
            request_id: post.request_id.clone(),
        })
    }

    /// The older form: the bare tool result is the answer.
    async fn plain(
        self: &Rc<Self>,
        services: &Rc<S>,
        post: Post<'_>,
        tool: &str,
        arguments: Value,
    ) -> HttpReply {
        let params = json!({ "name": tool, "arguments": arguments });
        let id = Value::Null;
        let request = Request {
            era: Era::Legacy,
            id: &id,
            method: "tools/call",
            params: params.as_object().cloned().unwrap_or_default(),
            headers: post.headers,
            principal: post.principal,
            request_id: post.request_id.clone(),
        };
        let result = match self.dispatch(services, request).await {
            Ok(Answer::Run(run)) => last(run).await,
            Ok(_) => Err(RpcError::internal()),
            Err(error) => Err(error),
        };
        match result {
            Ok(result) => json_reply(200, result.to_string(), &post.request_id),
            Err(error) => {
                let status = if error.status == 200 { 400 } else { error.status };
                let body = error.to_response(&id, &post.request_id).to_string();
                json_reply(status, body, &post.request_id)
            }
        }
    }
}

/// Everything needed to put an answer on the wire.
struct Outgoing<S> {
    server: Rc<Server<S>>,
    services: Rc<S>,
    era: Era,
    id: Value,
    request_id: String,
}

impl<S: Host> Outgoing<S> {
    async fn reply(self, answer: Answer, streams: bool) -> HttpReply {
        match answer {
            Answer::Text(result) => {
                let body = format!(r#"{{"jsonrpc":"2.0","id":{},"result":{result}}}"#, self.id);
                json_reply(200, body, &self.request_id)
            }
            Answer::Value(result) => self.finished(Ok(result)),
            Answer::Run(run) if streams => self.json_or_stream(run).await,
            Answer::Run(run) => {
                let result = last(run).await;
                self.finished(result)
            }
        }
    }

    /// JSON if the result comes first and soon, else an event stream.
    async fn json_or_stream(self, mut run: LocalBoxStream<'static, Event>) -> HttpReply {
        let patience = self.services.clock().sleep(KEEP_ALIVE_MS);
        let first = match select(run.next(), patience).await {
            Either::Left((Some(Event::Done(result)), _)) => return self.finished(result),
            Either::Left((Some(message), _)) => Some(message),
            Either::Left((None, _)) => return self.finished(Err(RpcError::internal())),
            Either::Right(_) => None,
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

    fn finished(&self, result: Result<Value, RpcError>) -> HttpReply {
        let status = result.as_ref().map_or_else(|error| error.status, |_| 200);
        json_reply(status, self.message(result).to_string(), &self.request_id)
    }

    fn message(&self, result: Result<Value, RpcError>) -> Value {
        match result {
            Ok(mut result) => {
                if self.era.is_modern() {
                    self.server.stamp(&mut result);
                }
                json!({ "jsonrpc": "2.0", "id": self.id, "result": result })
            }
            Err(error) => error.to_response(&self.id, &self.request_id),
        }
    }
}

type Streaming<S> = (LocalBoxStream<'static, Event>, Outgoing<S>);

/// The next event of a run as a chunk of the stream; a comment if it keeps us waiting.
async fn next_chunk<S: Host>(
    streaming: Option<Streaming<S>>,
) -> Option<(Bytes, Option<Streaming<S>>)> {
    let (mut run, outgoing) = streaming?;
    let patience = outgoing.services.clock().sleep(KEEP_ALIVE_MS);
    match select(run.next(), patience).await {
        Either::Left((Some(Event::Message(message)), _)) => {
            Some((event(&message), Some((run, outgoing))))
        }
        Either::Left((Some(Event::Done(result)), _)) => {
            Some((event(&outgoing.message(result)), None))
        }
        Either::Left((None, _)) => None,
        Either::Right(_) => Some((Bytes::from_static(b":\n\n"), Some((run, outgoing)))),
    }
}

/// A server-sent event. JSON text has no line break, so one data line holds it.
fn event(message: &Value) -> Bytes {
    Bytes::from(format!("event: message\ndata: {message}\n\n"))
}

async fn last(mut run: LocalBoxStream<'static, Event>) -> Result<Value, RpcError> {
    while let Some(event) = run.next().await {
        if let Event::Done(result) = event {
            return result;
        }
    }
    Err(RpcError::internal())
}

fn check_content_type(headers: &dyn Headers) -> Result<(), RpcError> {
    let sent = headers.get("content-type").unwrap_or_default();
    let kind = sent.split(';').next().unwrap_or_default().trim();
    if kind.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    Err(RpcError {
        status: 415,
        ..RpcError::new(
            INVALID_REQUEST,
            format!("the Content-Type is {sent:?}: send application/json"),
        )
    })
}

/// Whether the caller reads event streams. JSON it must read in any case.
fn accepts(headers: &dyn Headers) -> Result<bool, RpcError> {
    let Some(sent) = headers.get("accept") else {
        return Ok(true);
    };
    let kinds: Vec<&str> = sent
        .split(',')
        .map(|kind| kind.split(';').next().unwrap_or_default().trim())
        .collect();
    let has = |wanted: &[&str]| kinds.iter().any(|kind| wanted.contains(kind));
    if !has(&["application/json", "application/*", "*/*"]) {
        return Err(RpcError {
            status: 406,
            ..RpcError::new(
                INVALID_REQUEST,
                format!("Accept is {sent:?}: accept application/json and text/event-stream"),
            )
        });
    }
    Ok(has(&["text/event-stream", "text/*", "*/*"]))
}

/// The error reply to a request that got no further.
pub fn refusal(error: &RpcError, id: &Value, request_id: &str) -> HttpReply {
    let body = error.to_response(id, request_id).to_string();
    json_reply(error.status, body, request_id)
}

fn json_reply(status: u16, body: String, request_id: &str) -> HttpReply {
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

fn accepted() -> HttpReply {
    HttpReply {
        status: 202,
        headers: Vec::new(),
        body: Body::Empty,
    }
}
