//! Calling a tool of another worker of ours over its service binding.

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::era::{META_CAPABILITIES, META_CLIENT, META_VERSION, MODERN};
use crate::ports::{Http, HttpError, HttpRequest};

/// Largest answer taken from a worker of ours, in bytes.
const MAX_ANSWER: usize = 8_388_608;

/// One worker of ours, as the caller sees it.
pub struct Peer<'a> {
    pub http: &'a dyn Http,
    /// Name in errors, such as `fortress`.
    pub name: &'static str,
    /// Signed statement of who is asking (see [`crate::auth::assertion`]).
    pub assertion: String,
    pub request_id: &'a str,
    pub timeout_ms: u64,
}

#[derive(Debug, Clone, thiserror::Error)]
pub enum PeerError {
    #[error("the {peer} worker did not answer, try again: {cause}")]
    Unreachable {
        peer: &'static str,
        cause: HttpError,
    },
    /// The tool itself said no.
    #[error("{message}")]
    Tool { code: String, message: String },
    #[error("the {peer} worker answered with something else than a tool result: {message}")]
    Protocol { peer: &'static str, message: String },
}

impl PeerError {
    pub fn code(&self) -> &str {
        match self {
            Self::Unreachable { .. } => "PEER_UNREACHABLE",
            Self::Tool { code, .. } => code,
            Self::Protocol { .. } => "PEER_PROTOCOL",
        }
    }
}

impl Peer<'_> {
    /// Calls `tool` and decodes its structured result.
    pub async fn call<O: DeserializeOwned>(
        &self,
        tool: &str,
        arguments: &Value,
    ) -> Result<O, PeerError> {
        let unreachable = |cause| PeerError::Unreachable {
            peer: self.name,
            cause,
        };
        let response = self
            .http
            .send(self.request(tool, arguments))
            .await
            .map_err(unreachable)?;
        let status = response.status;
        let body = response.bytes(MAX_ANSWER).await.map_err(unreachable)?;
        let mut message: Value = serde_json::from_slice(&body)
            .map_err(|_| self.protocol(format!("status {status}, body is not JSON")))?;
        if let Some(error) = message.get("error") {
            let said = error.get("message").and_then(Value::as_str);
            return Err(self.protocol(format!("status {status}, {}", said.unwrap_or("an error"))));
        }
        let mut result = message
            .get_mut("result")
            .map(Value::take)
            .unwrap_or_default();
        if result.get("isError") == Some(&Value::Bool(true)) {
            return Err(tool_error(&result));
        }
        let structured = result
            .get_mut("structuredContent")
            .map(Value::take)
            .unwrap_or_default();
        serde_json::from_value(structured)
            .map_err(|error| self.protocol(format!("its result has another shape: {error}")))
    }

    fn request(&self, tool: &str, arguments: &Value) -> HttpRequest {
        let body = json!({
            "jsonrpc": "2.0",
            "id": self.request_id,
            "method": "tools/call",
            "params": {
                "name": tool,
                "arguments": arguments,
                "_meta": {
                    META_VERSION: MODERN,
                    META_CAPABILITIES: {},
                    META_CLIENT: { "name": "chittymcp", "version": env!("CARGO_PKG_VERSION") },
                },
            },
        });
        HttpRequest {
            method: "POST",
            url: format!("https://{}.internal/mcp", self.name),
            headers: vec![
                ("content-type", "application/json".to_owned()),
                // JSON alone: nobody here reads a stream.
                ("accept", "application/json".to_owned()),
                ("mcp-protocol-version", MODERN.to_owned()),
                ("mcp-method", "tools/call".to_owned()),
                ("mcp-name", tool.to_owned()),
                (crate::auth::assertion::HEADER, self.assertion.clone()),
            ],
            body: Bytes::from(body.to_string()),
            timeout_ms: self.timeout_ms,
            want_headers: &[],
        }
    }

    fn protocol(&self, message: String) -> PeerError {
        PeerError::Protocol {
            peer: self.name,
            message,
        }
    }
}

fn tool_error(result: &Value) -> PeerError {
    let text = result
        .pointer("/content/0/text")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let error: Value = serde_json::from_str(text).unwrap_or_default();
    let field = |name: &str| {
        let value = error.pointer(&format!("/error/{name}"));
        value.and_then(Value::as_str).map(str::to_owned)
    };
    PeerError::Tool {
        code: field("code").unwrap_or_else(|| "TOOL_FAILED".to_owned()),
        message: field("message").unwrap_or_else(|| text.to_owned()),
    }
}
