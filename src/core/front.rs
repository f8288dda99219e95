//! The way into a worker, the same for all three: host and origin, then who is calling,
//! then the body, then the protocol. Nothing is read of a request before it may come in.

mod actions;
mod paths;
mod rest;

use std::cell::RefCell;
use std::rc::Rc;

use async_trait::async_trait;
use serde_json::{Value, json};

use crate::actions::Door;
use crate::auth::assertion::{self, Assertion, AssertionError};
use crate::auth::{AuditEvent, AuthError, Credential, Decision, Domain, Principal, RequestInfo};
use crate::door;
use crate::http::{Body, Headers, HttpReply};
use crate::mcp::Server;
use crate::mcp::error::RpcError;
use crate::mcp::http::{MAX_BODY, Post, body_too_large, method_not_allowed, refusal};
use crate::mcp::origin::OriginPolicy;
use crate::ports::Level;
use crate::rest::Place;
use crate::seal::Sealer;
use crate::services::Services;

pub use paths::{Access, Routes};

/// A request as it comes in.
#[async_trait(?Send)]
pub trait Incoming {
    fn method(&self) -> String;
    /// Host with its port, as in the URL.
    fn host(&self) -> String;
    /// `https://mcp.example.com`, with the port where it is not the scheme's own.
    fn origin(&self) -> String;
    fn path(&self) -> String;
    /// Without the question mark, still encoded.
    fn query(&self) -> String;
    fn headers(&self) -> &dyn Headers;
    async fn body(&self, limit: usize) -> Result<Vec<u8>, BodyFault>;
}

/// Why there is no body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BodyFault {
    TooLarge,
    /// With the cause.
    Interrupted(String),
}

/// What a worker depends on, for its health.
#[async_trait(?Send)]
pub trait Dependencies {
    /// Name of each dependency, and whether it answers.
    async fn check(&self) -> Vec<(&'static str, bool)>;
}

/// What another worker of ours says of a request, judged once. None for callers outside.
pub type Statement = Option<Result<Assertion, AssertionError>>;

/// One request's way in.
pub struct Front<'a, T> {
    /// Name of the server in health answers, such as `cloudflare-fortress-mcp`.
    pub name: &'static str,
    pub origins: &'a OriginPolicy,
    pub statement: Statement,
    pub server: &'a Rc<Server<Services<T>>>,
    pub services: &'a Rc<Services<T>>,
    pub health: &'a HealthCache,
    /// What OpenAI's app directory wants to read here, to see whose server it is.
    pub apps_challenge: Option<&'a str>,
    pub request_id: &'a str,
}

/// The statement that comes with a request to the worker called `audience`.
pub fn statement(headers: &dyn Headers, audience: &str, now_ms: i64, key: &Sealer) -> Statement {
    let text = headers.get(assertion::HEADER)?;
    Some(assertion::verify(&text, audience, now_ms, key))
}

/// The id of the request that a call of another worker of ours is part of. None for callers
/// outside: an id they chose could be another request's.
pub fn parent_request_id(statement: &Statement) -> Option<&str> {
    let said = statement.as_ref()?.as_ref().ok()?;
    Some(&said.request_id)
}

/// What the parts of a worker last said, kept for [`HEALTH_MS`]: anybody may ask, and each
/// check asks all of them. One for an isolate.
#[derive(Default)]
pub struct HealthCache(RefCell<Option<Checked>>);

#[derive(Clone)]
struct Checked {
    at_ms: i64,
    parts: Vec<(&'static str, bool)>,
}

const HEALTH_MS: i64 = 5_000;
/// For browsers that have been here once (RFC 6797).
const ONE_YEAR: &str = "max-age=31536000";

impl HealthCache {
    fn fresh(&self, now_ms: i64) -> Option<Checked> {
        let kept = self.0.borrow();
        let fresh = |checked: &&Checked| (0..HEALTH_MS).contains(&(now_ms - checked.at_ms));
        kept.as_ref().filter(fresh).cloned()
    }
}

const APPS_CHALLENGE: &str = "/.well-known/openai-apps-challenge";

impl<T: Dependencies + Routes + 'static> Front<'_, T> {
    pub async fn answer(&self, incoming: &dyn Incoming) -> HttpReply {
        let origin = incoming.origin();
        let reply = if self.statement.is_none() && self.origins.is_in_the_clear(&origin) {
            self.refuse_in_the_clear(incoming)
        } else {
            self.route(incoming).await
        };
        let reply = reply
            .with_header("x-content-type-options", "nosniff")
            .with_header("referrer-policy", "no-referrer");
        if self.origins.development || !origin.starts_with("https://") {
            return reply;
        }
        reply.with_header("strict-transport-security", ONE_YEAR)
    }

    /// What only reads is sent on; what may carry secrets must be mended where it comes from.
    fn refuse_in_the_clear(&self, incoming: &dyn Incoming) -> HttpReply {
        if !matches!(incoming.method().as_str(), "GET" | "HEAD") {
            let message = "this server is called over https: change http to https in the address, \
                           and replace any token that was sent";
            let refused = self.refusal(&incoming.path(), 403, message);
            return refused
                .unwrap_or_else(|| plain_error(403, "HTTPS_REQUIRED", message, self.request_id));
        }
        let mut location = format!("https://{}{}", incoming.host(), incoming.path());
        let query = incoming.query();
        if !query.is_empty() {
            location.push('?');
            location.push_str(&query);
        }
        HttpReply::empty(308).with_header("location", location)
    }

    async fn route(&self, incoming: &dyn Incoming) -> HttpReply {
        let (method, path) = (incoming.method(), incoming.path());
        match (method.as_str(), path.as_str()) {
            ("POST", "/mcp") => self.mcp(incoming).await,
            ("OPTIONS", "/mcp") => {
                self.origins
                    .preflight(&incoming.host(), incoming.headers(), self.request_id)
            }
            (_, "/mcp") => method_not_allowed(&method, self.request_id),
            ("GET" | "HEAD", "/health" | "/api/v1/status") => self.health().await,
            ("GET" | "HEAD", "/") => self.welcome(),
            ("GET" | "HEAD", APPS_CHALLENGE) => self.challenge(),
            (_, path) => match Door::of(path) {
                Some(door) => self.actions(incoming, &method, door).await,
                None => match Place::at(self.server.tools(), path) {
                    Some(place) => self.rest(incoming, &method, place).await,
                    None => self.further(incoming, &method, path).await,
                },
            },
        }
    }

    async fn mcp(&self, incoming: &dyn Incoming) -> HttpReply {
        let headers = incoming.headers();
        if self.statement.is_some() {
            // One of our workers: no page can make such a statement, and its host is a name
            // of ours.
            return self.enter(incoming).await;
        }
        match self
            .origins
            .check(&incoming.host(), headers, self.request_id)
        {
            Ok(cors) => cors.apply(self.enter(incoming).await),
            Err(refused) => refused,
        }
    }

    async fn enter(&self, incoming: &dyn Incoming) -> HttpReply {
        match self.identify(incoming).await {
            Ok(principal) => self.post(incoming, principal).await,
            Err(refused) => self.refused_entry(&refused),
        }
    }

    async fn post(&self, incoming: &dyn Incoming, principal: Rc<Principal>) -> HttpReply {
        let body = match incoming.body(MAX_BODY).await {
            Ok(body) => body,
            Err(BodyFault::TooLarge) => return body_too_large(self.request_id),
            Err(BodyFault::Interrupted(cause)) => {
                let message = format!("the body did not arrive whole ({cause}): send it again");
                let error = RpcError::refused(400, message);
                return refusal(&error, &Value::Null, self.request_id);
            }
        };
        let post = Post {
            headers: incoming.headers(),
            body: &body,
            principal,
            request_id: self.request_id.to_owned(),
        };
        self.server.post(self.services, post).await
    }

    /// Yes or no for each dependency; never an address.
    async fn health(&self) -> HttpReply {
        let Checked { at_ms, parts } = self.checked().await;
        let healthy = parts.iter().all(|(_, up)| *up);
        let mut body = json!({
            "status": if healthy { "healthy" } else { "unhealthy" },
            "service": self.name,
            "version": env!("CARGO_PKG_VERSION"),
            "timestamp": crate::time::to_rfc3339(at_ms),
        });
        if let Some(fields) = body.as_object_mut() {
            for (name, up) in parts {
                fields.insert(name.to_owned(), json!(if up { "up" } else { "down" }));
            }
        }
        let status = if healthy { 200 } else { 503 };
        HttpReply::json(status, body.to_string().into_bytes())
            .with_header("cache-control", "no-store")
    }

    async fn checked(&self) -> Checked {
        let now_ms = self.services.platform.clock.now_ms();
        if let Some(checked) = self.health.fresh(now_ms) {
            return checked;
        }
        let parts = self.services.check().await;
        let at_ms = self.services.platform.clock.now_ms();
        let checked = Checked { at_ms, parts };
        self.health.0.replace(Some(checked.clone()));
        checked
    }

    fn welcome(&self) -> HttpReply {
        let text = format!(
            "{} {}\nMCP over Streamable HTTP: POST /mcp with Authorization: Bearer <token>.\nHealth: GET /health.\n",
            self.name,
            env!("CARGO_PKG_VERSION")
        );
        plain_text(text)
    }

    fn challenge(&self) -> HttpReply {
        match self.apps_challenge {
            Some(text) => plain_text(text.to_owned()),
            None => self.not_found(APPS_CHALLENGE),
        }
    }

    fn not_found(&self, path: &str) -> HttpReply {
        let message = format!("there is nothing at {path}: MCP is at /mcp, health at /health");
        plain_error(404, "NOT_FOUND", &message, self.request_id)
    }

    /// What the audit log keeps of the request.
    fn info(&self, headers: &dyn Headers) -> RequestInfo {
        RequestInfo {
            request_id: self.request_id.to_owned(),
            ip: headers.get("cf-connecting-ip"),
            user_agent: headers.get("user-agent"),
            service: self.services.platform.service,
        }
    }

    fn refused_entry(&self, error: &AuthError) -> HttpReply {
        let (status, code) = (error.status(), error.code());
        let mut reply = plain_error(status, code, &error.to_string(), self.request_id);
        if let Some(seconds) = error.retry_after_s() {
            reply = reply.with_header("retry-after", seconds.to_string());
        }
        match error.challenge(self.services.platform.resource.as_deref()) {
            Some(challenge) => reply.with_header("www-authenticate", challenge),
            None => reply,
        }
    }

    /// The caller, by a statement of one of our workers or by its token.
    async fn identify(&self, incoming: &dyn Incoming) -> Result<Rc<Principal>, AuthError> {
        let headers = incoming.headers();
        match &self.statement {
            Some(Ok(said)) => return Ok(Rc::new(said.principal.clone())),
            Some(Err(error)) => return Err(self.refuse_statement(error, headers)),
            None => {}
        }
        let platform = &self.services.platform;
        let authorization = headers.get("authorization");
        let proof = headers.get("dpop");
        let (method, path) = (incoming.method(), incoming.path());
        let credential = Credential {
            authorization: authorization.as_deref(),
            proof: proof.as_deref(),
            method: &method,
            path: &path,
        };
        let domain = platform.resource.as_deref().map(|resource| Domain {
            resource,
            keys: &platform.keys,
        });
        let info = self.info(headers);
        platform
            .authenticator
            .admit(credential, domain, &info)
            .await
    }

    fn refuse_statement(&self, error: &AssertionError, headers: &dyn Headers) -> AuthError {
        let platform = &self.services.platform;
        let fields = json!({ "reason": error.to_string() });
        platform
            .log
            .record(Level::Warn, "assertion_refused", fields.clone());
        let refused = AuthError::Malformed;
        let event = AuditEvent {
            action: "authenticate",
            resource_type: "service",
            resource_id: Some(platform.service),
            decision: Decision::Deny(refused.reason()),
            details: fields,
        };
        let audit = &platform.authenticator.audit;
        audit.record(event, None, &self.info(headers));
        refused
    }
}

fn plain_text(text: String) -> HttpReply {
    HttpReply {
        status: 200,
        headers: vec![("content-type", "text/plain; charset=utf-8".to_owned())],
        body: Body::Bytes(text.into_bytes()),
    }
}

pub fn plain_error(status: u16, code: &str, message: &str, request_id: &str) -> HttpReply {
    let error = json!({ "code": code, "message": message, "request_id": request_id });
    HttpReply::json(status, json!({ "error": error }).to_string().into_bytes())
        .with_header("cache-control", "no-store")
        .with_header("x-request-id", request_id)
}

/// The answer of a worker that is not set up: the log says what is missing.
pub fn unavailable(path: &str, request_id: &str) -> HttpReply {
    let message = "the service is not set up or a part of it is down: its log names the cause";
    if door::knows(path) {
        return door::refusal(503, message).with_header("x-request-id", request_id);
    }
    plain_error(503, "NOT_CONFIGURED", message, request_id)
}

#[cfg(test)]
mod tests;
