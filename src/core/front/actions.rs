//! The face for GPT Actions, the same for all workers, and what it shares with the REST face.

use std::rc::Rc;

use serde_json::{Map, Value};

use super::paths::with_open_cors;
use super::{BodyFault, Dependencies, Front, Incoming, Routes, plain_error};
use crate::actions::{Asked, Door, MAX_ANSWER, document, error_reply, reply};
use crate::auth::Principal;
use crate::http::HttpReply;
use crate::mcp::http::{Direct, MAX_BODY};
use crate::openapi::{Api, Version};
use crate::rest;

const DOCUMENT_CACHE: &str = "public, max-age=300";

/// What a document describes.
#[derive(Clone, Copy)]
pub(super) enum Face {
    Actions(Version),
    Rest,
}

impl<T: Dependencies + Routes + 'static> Front<'_, T> {
    pub(super) async fn actions(
        &self,
        incoming: &dyn Incoming,
        method: &str,
        door: Door<'_>,
    ) -> HttpReply {
        if let Some(refused) = self.foreign_host(incoming) {
            return refused;
        }
        match (method, door) {
            ("GET" | "HEAD", Door::Document(version)) => {
                self.document(incoming, Face::Actions(version))
            }
            ("POST", Door::Tool(name)) => self.tool(incoming, name).await,
            (_, Door::Document(_)) => self.wrong_method(method).with_header("allow", "GET, HEAD"),
            (_, Door::Tool(_)) => self.wrong_method(method).with_header("allow", "POST"),
        }
    }

    pub(super) fn foreign_host(&self, incoming: &dyn Incoming) -> Option<HttpReply> {
        let checked = self.origins.check_host(&incoming.host(), self.request_id);
        checked.err().map(|_| {
            let message = "this server does not answer under this host";
            plain_error(403, "HOST_REFUSED", message, self.request_id)
        })
    }

    /// A document for everybody.
    pub(super) fn document(&self, incoming: &dyn Incoming, of: Face) -> HttpReply {
        let resource = self.services.platform.resource.as_deref();
        let api = Api {
            title: self.server.title(),
            origin: &incoming.origin(),
            issuer: resource.and_then(|resource| resource.issuer.as_deref()),
        };
        let tools = self.server.tools();
        let document = match of {
            Face::Actions(version) => document(tools, &api, version),
            Face::Rest => rest::document(tools, &api, self.services.domain.described()),
        };
        let reply = HttpReply::json(200, document.to_string().into_bytes());
        with_open_cors(reply.with_header("cache-control", DOCUMENT_CACHE))
    }

    async fn tool(&self, incoming: &dyn Incoming, name: &str) -> HttpReply {
        let headers = incoming.headers();
        let host = incoming.host();
        if self.statement.is_none() && self.origins.check(&host, headers, self.request_id).is_err()
        {
            let message = "pages of this origin may not call this server";
            return plain_error(403, "ORIGIN_REFUSED", message, self.request_id);
        }
        let principal = match self.identify(incoming).await {
            Ok(principal) => principal,
            Err(refused) => return self.refused_entry(&refused),
        };
        if !self.server.tools().abouts().any(|about| about.name == name) {
            let message = format!("there is no tool {name:?}: /gpt/openapi.json names them");
            return error_reply(404, "TOOL_NOT_FOUND", &message, self.request_id);
        }
        let arguments = match self.arguments(incoming).await {
            Ok(arguments) => arguments,
            Err(refused) => return refused,
        };
        let asked = Asked {
            tool: name,
            request_id: self.request_id,
            status: 200,
            max_bytes: MAX_ANSWER,
        };
        self.called(incoming, principal, arguments, asked).await
    }

    pub(super) async fn called(
        &self,
        incoming: &dyn Incoming,
        principal: Rc<Principal>,
        arguments: Map<String, Value>,
        asked: Asked<'_>,
    ) -> HttpReply {
        let direct = Direct {
            headers: incoming.headers(),
            principal,
            request_id: self.request_id.to_owned(),
            tool: asked.tool,
            arguments: Value::Object(arguments),
        };
        reply(&self.server.call_tool(self.services, direct).await, &asked)
    }

    /// The body: a JSON object, or nothing for a tool that takes none.
    pub(super) async fn arguments(
        &self,
        incoming: &dyn Incoming,
    ) -> Result<Map<String, Value>, HttpReply> {
        let refuse =
            |status, code, message: &str| Err(error_reply(status, code, message, self.request_id));
        let body = match incoming.body(MAX_BODY).await {
            Ok(body) => body,
            Err(BodyFault::TooLarge) => {
                let message = format!("the body is larger than {MAX_BODY} bytes: send less");
                return refuse(413, "BODY_TOO_LARGE", &message);
            }
            Err(BodyFault::Interrupted(cause)) => {
                let message = format!("the body did not arrive whole ({cause}): send it again");
                return refuse(400, "BODY_INCOMPLETE", &message);
            }
        };
        if body.is_empty() {
            return Ok(Map::new());
        }
        let stated = incoming.headers().get("content-type").unwrap_or_default();
        let essence = stated.split(';').next().unwrap_or_default().trim();
        if !essence.eq_ignore_ascii_case("application/json") {
            let message = format!("the Content-Type is {stated:?}: send application/json");
            return refuse(415, "CONTENT_TYPE", &message);
        }
        match serde_json::from_slice(&body) {
            Ok(Value::Object(fields)) => Ok(fields),
            Ok(_) => refuse(400, "INVALID_JSON", "the body must be one JSON object"),
            Err(error) => refuse(
                400,
                "INVALID_JSON",
                &format!("the body is no JSON: {error}"),
            ),
        }
    }
}
