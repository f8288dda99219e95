//! The answer to a call: the bare result, or an error with a fitting status.

use serde_json::{Value, json};

use crate::http::HttpReply;
use crate::mcp::RpcError;
use crate::mcp::http::Called;

/// `ChatGPT` takes up to 100,000 characters; bytes are never fewer.
pub const MAX_ANSWER: usize = 100_000;

/// Whose answer it is.
pub struct Asked<'a> {
    pub tool: &'a str,
    pub request_id: &'a str,
    /// Of an answer to a call that succeeded.
    pub status: u16,
    /// The most bytes that the answer may have.
    pub max_bytes: usize,
}

pub fn reply(outcome: &Result<Called, RpcError>, asked: &Asked<'_>) -> HttpReply {
    let called = match outcome {
        Ok(called) => called,
        Err(error) => return protocol_error(error, asked.request_id),
    };
    let result = &called.result;
    if called.status != 200 || result.get("isError") == Some(&json!(true)) {
        return failed(called, asked);
    }
    let body = match result.get("structuredContent") {
        Some(structured) => structured.to_string(),
        None => json!({ "content": result.get("content") }).to_string(),
    };
    if body.len() > asked.max_bytes {
        return too_large(body.len(), asked);
    }
    finished(
        HttpReply::json(asked.status, body.into_bytes()),
        asked.request_id,
    )
}

/// An error as all of them are told.
pub fn error_reply(status: u16, code: &str, message: &str, request_id: &str) -> HttpReply {
    let error = json!({ "code": code, "message": message, "request_id": request_id });
    with_error(status, &error, request_id)
}

fn with_error(status: u16, error: &Value, request_id: &str) -> HttpReply {
    let body = json!({ "error": error }).to_string();
    finished(HttpReply::json(status, body.into_bytes()), request_id)
}

fn finished(reply: HttpReply, request_id: &str) -> HttpReply {
    reply
        .with_header("cache-control", "no-store")
        .with_header("x-request-id", request_id)
}

fn protocol_error(error: &RpcError, request_id: &str) -> HttpReply {
    let (status, code) = match error.status {
        200 => (400, "INVALID_REQUEST"),
        status @ 500.. => (status, "INTERNAL"),
        status => (status, "INVALID_REQUEST"),
    };
    error_reply(status, code, &error.message, request_id)
}

/// Never cut: half a JSON text is none.
fn too_large(bytes: usize, asked: &Asked<'_>) -> HttpReply {
    let message = format!(
        "{} was called and answered with {bytes} bytes, more than the {} that fit here: \
         ask for less (fewer items, a narrower question, optional parts left out), or make the \
         call over MCP at /mcp, which has no such limit",
        asked.tool, asked.max_bytes
    );
    let error = json!({
        "code": "ANSWER_TOO_LARGE",
        "message": message,
        "request_id": asked.request_id,
        "details": { "bytes": bytes, "max_bytes": asked.max_bytes },
    });
    with_error(422, &error, asked.request_id)
}

/// A failure, which the result's content tells as JSON.
fn failed(called: &Called, asked: &Asked<'_>) -> HttpReply {
    let text = called
        .result
        .pointer("/content/0/text")
        .and_then(Value::as_str);
    let told: Option<Value> = text.and_then(|text| serde_json::from_str(text).ok());
    let Some(error) = told.and_then(|mut told| told.get_mut("error").map(Value::take)) else {
        let message = text.unwrap_or("the tool failed and did not say why");
        return error_reply(422, "TOOL_FAILED", message, asked.request_id);
    };
    let code = error.get("code").and_then(Value::as_str);
    let status = match called.status {
        200 => status_of(code.unwrap_or_default()),
        refused => refused,
    };
    let mut reply = with_error(status, &error, asked.request_id);
    let waits_ms = error.pointer("/details/retry_after_ms");
    if let Some(ms) = waits_ms.and_then(Value::as_u64) {
        reply = reply.with_header("retry-after", ms.div_ceil(1_000).to_string());
    }
    match &called.challenge {
        Some(challenge) => reply.with_header("www-authenticate", challenge),
        None => reply,
    }
}

/// Codes end in what they have in common.
fn status_of(code: &str) -> u16 {
    let ends = |endings: &[&str]| endings.iter().any(|ending| code.ends_with(ending));
    match code {
        "INSUFFICIENT_SCOPE" | "USER_ID_REFUSED" | "PUBLISHING_REFUSED" => 403,
        "BUDGET_EXCEEDED" | "MODEL_QUOTA_EXHAUSTED" | "TOO_MANY_AT_ONCE" => 429,
        "MODEL_UNPRICED" | "MODEL_UNSUPPORTED_PARAMETER" => 400,
        "CALL_FINISHED" | "PROVIDER_KEY_EXISTS" => 409,
        "INTERNAL" | "EXCHANGE_BROKEN_OFF" => 500,
        "MODEL_TIMEOUT" => 504,
        _ if code.starts_with("INVALID_") => 400,
        _ if ends(&["_INVALID_REQUEST", "_UNKNOWN", "_NOT_OFFERED", "_EXCEEDED"]) => 400,
        _ if ends(&["_NOT_FOUND"]) => 404,
        _ if ends(&[
            "_IN_PROGRESS",
            "_CONFLICT",
            "_TAKEN",
            "_NOT_COMPLETED",
            "_NOT_ENDED",
            "_NOT_ACTIVE",
        ]) =>
        {
            409
        }
        _ if ends(&["RATE_LIMITED"]) => 429,
        _ if ends(&[
            "_UNAVAILABLE",
            "_UNREACHABLE",
            "_NOT_CONFIGURED",
            "NETWORK_ERROR",
        ]) =>
        {
            503
        }
        _ if code.starts_with("MODEL_") => 502,
        _ => 422,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_a_fitting_status() {
        for (code, status) in [
            ("INVALID_ARGUMENTS", 400),
            ("EXCHANGE_BROKEN_OFF", 500),
            ("MODEL_UNKNOWN", 400),
            ("FORMAT_NOT_OFFERED", 400),
            ("INSUFFICIENT_SCOPE", 403),
            ("EXECUTION_NOT_FOUND", 404),
            ("RECORD_NOT_FOUND", 404),
            ("RUN_IN_PROGRESS", 409),
            ("EXECUTION_NOT_ENDED", 409),
            ("EXCHANGE_ID_TAKEN", 409),
            ("PROVIDER_KEY_EXISTS", 409),
            ("PROVIDER_KEY_NOT_ACTIVE", 409),
            ("MODEL_RATE_LIMITED", 429),
            ("RATE_LIMITED", 429),
            ("BUDGET_EXCEEDED", 429),
            ("TOO_MANY_AT_ONCE", 429),
            ("POLICY_EXCEEDED", 400),
            ("MODEL_UNPRICED", 400),
            ("MODEL_UNSUPPORTED_PARAMETER", 400),
            ("PUBLISHING_REFUSED", 403),
            ("PROVIDER_UNREACHABLE", 503),
            ("INTERNAL", 500),
            ("MODEL_MALFORMED_ANSWER", 502),
            ("DATABASE_UNAVAILABLE", 503),
            ("MODEL_NOT_CONFIGURED", 503),
            ("MODEL_TIMEOUT", 504),
            ("SIGNATURE_INVALID", 422),
        ] {
            assert_eq!(status_of(code), status, "{code}");
        }
    }
}
