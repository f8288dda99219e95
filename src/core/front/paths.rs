//! Paths beside `/mcp` and health: the metadata of the protected resource, and what a
//! worker's domain adds.

use async_trait::async_trait;

use super::{BodyFault, Dependencies, Front, Incoming, plain_error};
use crate::auth::protected_resource::{METADATA_PATH, METADATA_ROOT};
use crate::http::HttpReply;
use crate::oauth::{MAX_BODY, OAuthError, WebRequest};
use crate::openapi::Further;
use crate::services::Platform;

/// Request headers that a page may send to an open path.
/// The wildcard, for what clients of models add, leaves `authorization` out (Fetch standard).
const OPEN_HEADERS: &str = "accept, authorization, content-type, dpop, mcp-protocol-version, *";
const OPEN_EXPOSED: &str = "dpop-nonce, retry-after, www-authenticate, x-request-id, *";
const PREFLIGHT_SECONDS: &str = "7200";
const METADATA_CACHE: &str = "public, max-age=300";

/// Who may call a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// As open, under whatever name the worker is called: the same for everybody.
    Public,
    /// Pages of any origin, without cookies.
    Open,
    /// Pages of our own origin, and programs.
    Own,
}

/// Paths that a worker's domain adds.
#[async_trait(?Send)]
pub trait Routes {
    /// Who may call `path`; None where there is nothing.
    fn access(&self, _path: &str) -> Option<Access> {
        None
    }

    /// Bytes that a body sent to `path` may have. 0 where none is read.
    fn body_limit(&self, _path: &str) -> usize {
        MAX_BODY
    }

    /// What is refused at `path` before [`Routes::respond`], in the form that the callers of the
    /// path read; None for the common form.
    fn refusal(&self, _path: &str, _status: u16, _message: &str) -> Option<HttpReply> {
        None
    }

    /// What there is beside tools, for the `OpenAPI` document of the REST face.
    fn described(&self) -> Option<Further> {
        None
    }

    /// The answer; None for a method that the path does not take.
    async fn respond(&self, _platform: &Platform, _web: &WebRequest<'_>) -> Option<HttpReply> {
        None
    }
}

impl<T: Dependencies + Routes + 'static> Front<'_, T> {
    /// Anything but `/mcp` and health.
    pub(super) async fn further(
        &self,
        incoming: &dyn Incoming,
        method: &str,
        path: &str,
    ) -> HttpReply {
        let is_metadata = matches!(path, METADATA_PATH | METADATA_ROOT);
        let access = if is_metadata {
            Some(Access::Open)
        } else {
            self.services.domain.access(path)
        };
        let Some(access) = access else {
            return self.not_found(path);
        };
        if access != Access::Public
            && let Err(refused) = self.origins.check_host(&incoming.host(), self.request_id)
        {
            let message = "this server does not answer under this host";
            return self.refusal(path, 403, message).unwrap_or(refused);
        }
        if access != Access::Own && method == "OPTIONS" {
            return open_preflight("GET, POST, OPTIONS");
        }
        let reply = if is_metadata {
            self.metadata(method)
        } else {
            self.respond(incoming, method, path).await
        };
        match access {
            Access::Public | Access::Open => with_open_cors(reply),
            Access::Own => reply,
        }
    }

    async fn respond(&self, incoming: &dyn Incoming, method: &str, path: &str) -> HttpReply {
        let limit = self.services.domain.body_limit(path);
        let body = match method {
            "GET" | "HEAD" | "OPTIONS" => Vec::new(),
            _ if limit == 0 => Vec::new(),
            _ => match incoming.body(limit).await {
                Ok(body) => body,
                Err(fault) => return self.no_body(path, fault, limit),
            },
        };
        let query = incoming.query();
        let web = WebRequest {
            method,
            path,
            query: &query,
            headers: incoming.headers(),
            body: &body,
            info: self.info(incoming.headers()),
        };
        let platform = &self.services.platform;
        let reply = self.services.domain.respond(platform, &web).await;
        reply.unwrap_or_else(|| self.wrong_method(method))
    }

    fn no_body(&self, path: &str, fault: BodyFault, limit: usize) -> HttpReply {
        let (status, message) = match fault {
            BodyFault::TooLarge => (413, format!("the body is larger than {limit} bytes")),
            BodyFault::Interrupted(cause) => {
                let message = format!("the body did not arrive whole ({cause}): send it again");
                (400, message)
            }
        };
        self.refusal(path, status, &message).unwrap_or_else(|| {
            let error = OAuthError::invalid_request(message).with_status(status);
            error.reply(self.request_id)
        })
    }

    pub(super) fn refusal(&self, path: &str, status: u16, message: &str) -> Option<HttpReply> {
        let reply = self.services.domain.refusal(path, status, message)?;
        Some(reply.with_header("x-request-id", self.request_id))
    }

    fn metadata(&self, method: &str) -> HttpReply {
        if !matches!(method, "GET" | "HEAD") {
            return self
                .wrong_method(method)
                .with_header("allow", "GET, HEAD, OPTIONS");
        }
        let resource = self.services.platform.resource.as_deref();
        match resource.filter(|resource| resource.issuer.is_some()) {
            Some(resource) => HttpReply::json(200, resource.metadata.clone().into_bytes())
                .with_header("cache-control", METADATA_CACHE),
            None => self.not_found(METADATA_PATH),
        }
    }

    pub(super) fn wrong_method(&self, method: &str) -> HttpReply {
        let message = format!("{method} is not served at this path");
        plain_error(405, "METHOD_NOT_ALLOWED", &message, self.request_id)
    }
}

pub(super) fn open_preflight(methods: &str) -> HttpReply {
    let reply = HttpReply::empty(204)
        .with_header("access-control-allow-methods", methods)
        .with_header("access-control-allow-headers", OPEN_HEADERS)
        .with_header("access-control-max-age", PREFLIGHT_SECONDS);
    with_open_cors(reply)
}

pub(super) fn with_open_cors(reply: HttpReply) -> HttpReply {
    reply
        .with_header("access-control-allow-origin", "*")
        .with_header("access-control-expose-headers", OPEN_EXPOSED)
}
