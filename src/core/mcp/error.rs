//! JSON-RPC errors and the HTTP status each is sent with.

use serde_json::{Value, json};

pub const PARSE: i32 = -32700;
pub const INVALID_REQUEST: i32 = -32600;
pub const METHOD_NOT_FOUND: i32 = -32601;
pub const INVALID_PARAMS: i32 = -32602;
pub const INTERNAL: i32 = -32603;
/// 2026-07-28, "Error codes".
pub const HEADER_MISMATCH: i32 = -32020;
pub const MISSING_CAPABILITY: i32 = -32021;
pub const UNSUPPORTED_VERSION: i32 = -32022;

/// A protocol error: what the caller should change, with its code and HTTP status.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message} ({code})")]
pub struct RpcError {
    pub code: i32,
    pub message: String,
    pub data: Option<Value>,
    pub status: u16,
    /// For the log alone.
    pub cause: Option<Box<str>>,
}

impl RpcError {
    pub fn new(code: i32, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            data: None,
            status: 200,
            cause: None,
        }
    }

    /// Parameters of a well-formed request that the method cannot take.
    pub fn invalid_params(message: impl Into<String>) -> Self {
        Self::new(INVALID_PARAMS, message)
    }

    /// A body or envelope that is no request at all.
    pub fn bad_request(code: i32, message: impl Into<String>) -> Self {
        Self {
            status: 400,
            ..Self::new(code, message)
        }
    }

    pub fn header_mismatch(message: impl Into<String>) -> Self {
        Self::bad_request(HEADER_MISMATCH, message)
    }

    /// Unknown to this server. The modern era answers 404, the legacy one 200.
    pub fn method_not_found(method: &str, modern: bool) -> Self {
        Self {
            status: if modern { 404 } else { 200 },
            ..Self::new(
                METHOD_NOT_FOUND,
                format!("method {method:?} is not offered by this server"),
            )
        }
    }

    /// `capability` is an object such as `{"elicitation": {}}`.
    pub fn missing_capability(capability: &Value) -> Self {
        Self {
            data: Some(json!({ "requiredCapabilities": capability })),
            ..Self::bad_request(
                MISSING_CAPABILITY,
                format!(
                    "this call needs a client capability that was not declared in _meta: {capability}"
                ),
            )
        }
    }

    /// The cause belongs in the log; the caller gets the request id.
    pub fn internal() -> Self {
        Self {
            status: 500,
            ..Self::new(
                INTERNAL,
                "the server failed to answer; try again, and name the request id if it lasts",
            )
        }
    }

    /// An internal error whose cause is logged.
    pub fn internal_because(cause: &dyn std::fmt::Display) -> Self {
        Self {
            cause: Some(cause.to_string().into()),
            ..Self::internal()
        }
    }

    /// A request past a limit of ours, with the HTTP status that says which.
    pub fn refused(status: u16, message: impl Into<String>) -> Self {
        Self {
            status,
            ..Self::new(INVALID_REQUEST, message)
        }
    }

    #[must_use]
    pub fn with_data(mut self, data: Value) -> Self {
        self.data = Some(data);
        self
    }

    /// The JSON-RPC error response. `id` is null when the request's id could not be read.
    pub fn to_response(&self, id: &Value, request_id: &str) -> Value {
        let mut data = match &self.data {
            Some(Value::Object(fields)) => fields.clone(),
            Some(other) => serde_json::Map::from_iter([("detail".to_owned(), other.clone())]),
            None => serde_json::Map::new(),
        };
        data.insert("requestId".to_owned(), json!(request_id));
        let mut response = json!({
            "jsonrpc": "2.0",
            "error": { "code": self.code, "message": self.message, "data": data },
        });
        if let (false, Some(object)) = (id.is_null(), response.as_object_mut()) {
            object.insert("id".to_owned(), id.clone());
        }
        response
    }
}
