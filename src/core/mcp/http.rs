//! Streamable HTTP: one POST, one message; the answer is JSON, or an event stream as soon as
//! there is something to say before the result.

use std::rc::Rc;

use serde_json::{Value, json};

use super::dispatch::{Answer, Request};
use super::envelope::{self, Envelope, Refused};
use super::era::{self, Era};
use super::error::RpcError;
use super::headers::{check_standard, trimmed};
use super::interaction;
use super::outgoing::{Outgoing, challenged, json_reply, last, report};
use super::server::{Host, Server};
use crate::auth::Principal;
use crate::http::{Headers, HttpReply};

/// Largest body of a request, in bytes.
pub const MAX_BODY: usize = 1_048_576;

/// A POST to the MCP endpoint by an authenticated caller.
pub struct Post<'a> {
    pub headers: &'a dyn Headers,
    pub body: &'a [u8],
    pub principal: Rc<Principal>,
    pub request_id: String,
}

/// A call of a tool that comes by another way than JSON-RPC.
pub struct Direct<'a> {
    pub headers: &'a dyn Headers,
    pub principal: Rc<Principal>,
    pub request_id: String,
    pub tool: &'a str,
    pub arguments: Value,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Called {
    /// 200, also where the tool failed; else why it was not called, for HTTP.
    pub status: u16,
    /// `WWW-Authenticate`.
    pub challenge: Option<String>,
    /// As `tools/call` has it.
    pub result: Value,
}

impl<S: Host> Server<S> {
    /// Answers a POST. Every answer is a reply: errors are the protocol's own.
    pub async fn post(self: &Rc<Self>, services: &Rc<S>, post: Post<'_>) -> HttpReply {
        let request_id = post.request_id.clone();
        match self.answer(services, post).await {
            Ok(reply) => reply,
            Err(refused) => {
                report(&**services, &request_id, &refused.error);
                refusal(&refused.error, &refused.id, &request_id)
            }
        }
    }

    async fn answer(
        self: &Rc<Self>,
        services: &Rc<S>,
        post: Post<'_>,
    ) -> Result<HttpReply, Refused> {
        check_size(post.body)?;
        check_content_type(post.headers)?;
        match envelope::parse(post.body)? {
            Envelope::Request { id, method, params } => {
                let refuse = |error| Refused {
                    id: id.clone(),
                    error: Box::new(error),
                };
                let streams = accepts(post.headers).map_err(refuse)?;
                let request = request(&post, &id, &method, params, streams);
                let request = request.map_err(refuse)?;
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
            Envelope::Notification { .. } => Ok(accepted(&post.request_id)),
            Envelope::Response { id, outcome } => {
                interaction::deliver(&**services, &post.principal, &id, outcome).await?;
                Ok(accepted(&post.request_id))
            }
            Envelope::Plain { tool, arguments } => {
                Ok(self.plain(services, post, &tool, arguments).await)
            }
        }
    }

    /// The older form: the bare tool result is the answer.
    async fn plain(
        self: &Rc<Self>,
        services: &Rc<S>,
        post: Post<'_>,
        tool: &str,
        arguments: Value,
    ) -> HttpReply {
        let request_id = post.request_id.clone();
        let direct = Direct {
            headers: post.headers,
            principal: post.principal,
            request_id: post.request_id,
            tool,
            arguments,
        };
        match self.call_tool(services, direct).await {
            Ok(called) => {
                let reply = json_reply(called.status, called.result.to_string(), &request_id);
                challenged(reply, called.challenge)
            }
            Err(error) => {
                let status = if error.status == 200 {
                    400
                } else {
                    error.status
                };
                refusal(&RpcError { status, ..error }, &Value::Null, &request_id)
            }
        }
    }

    /// Calls a tool outside of JSON-RPC and gives the result of `tools/call`. Nothing can be
    /// asked of the caller on the way. The cause of an error is in the log already.
    pub async fn call_tool(
        self: &Rc<Self>,
        services: &Rc<S>,
        direct: Direct<'_>,
    ) -> Result<Called, RpcError> {
        let params = json!({ "name": direct.tool, "arguments": direct.arguments });
        let request = Request {
            era: Era::Legacy,
            id: &Value::Null,
            method: "tools/call",
            params: params.as_object().cloned().unwrap_or_default(),
            streams: false,
            headers: direct.headers,
            principal: direct.principal,
            request_id: direct.request_id.clone(),
        };
        let result = match self.dispatch(services, request).await {
            Ok(Answer::Run(run)) => last(run).await.map(|result| Called {
                status: 200,
                challenge: None,
                result,
            }),
            Ok(Answer::Refused(refusal)) => Ok(Called {
                status: refusal.status,
                challenge: refusal.challenge,
                result: refusal.result,
            }),
            Ok(_) => Err(RpcError::internal()),
            Err(error) => Err(error),
        };
        result.inspect_err(|error| report(&**services, &direct.request_id, error))
    }
}

fn request<'a>(
    post: &Post<'a>,
    id: &'a Value,
    method: &'a str,
    params: serde_json::Map<String, Value>,
    streams: bool,
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
        streams,
        headers: post.headers,
        principal: Rc::clone(&post.principal),
        request_id: post.request_id.clone(),
    })
}

fn check_size(body: &[u8]) -> Result<(), RpcError> {
    if body.len() <= MAX_BODY {
        return Ok(());
    }
    Err(too_large())
}

fn too_large() -> RpcError {
    RpcError::refused(
        413,
        format!("the body is larger than {MAX_BODY} bytes: send less at a time"),
    )
}

fn check_content_type(headers: &dyn Headers) -> Result<(), RpcError> {
    let sent = headers.get("content-type").unwrap_or_default();
    let kind = sent.split(';').next().unwrap_or_default().trim();
    if kind.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    Err(RpcError::refused(
        415,
        format!("the Content-Type is {sent:?}: send application/json"),
    ))
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
    let has = |wanted: &[&str]| {
        let mut wanted = wanted.iter();
        wanted.any(|wanted| kinds.iter().any(|kind| kind.eq_ignore_ascii_case(wanted)))
    };
    if !has(&["application/json", "application/*", "*/*"]) {
        return Err(RpcError::refused(
            406,
            format!("Accept is {sent:?}: accept application/json and text/event-stream"),
        ));
    }
    Ok(has(&["text/event-stream", "text/*", "*/*"]))
}

/// The error reply to a request that got no further.
pub fn refusal(error: &RpcError, id: &Value, request_id: &str) -> HttpReply {
    let body = error.to_response(id, request_id).to_string();
    json_reply(error.status, body, request_id)
}

/// The answer to a body past [`MAX_BODY`] of which only the start was read.
pub fn body_too_large(request_id: &str) -> HttpReply {
    refusal(&too_large(), &Value::Null, request_id)
}

/// The answer to GET, DELETE and the like: there are no sessions, and no stream without a
/// request.
pub fn method_not_allowed(method: &str, request_id: &str) -> HttpReply {
    let error = RpcError::refused(
        405,
        format!("{method} is not served here: POST a JSON-RPC message"),
    );
    refusal(&error, &Value::Null, request_id).with_header("allow", "POST, OPTIONS")
}

fn accepted(request_id: &str) -> HttpReply {
    HttpReply::empty(202).with_header("x-request-id", request_id)
}
