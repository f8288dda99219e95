//! What is asked, as far as it is judged here. The rest is the provider's to judge.

use serde_json::Value;

use super::error::ApiError;
use crate::llm::ModelRequest;

const MAX_MESSAGES: usize = 2_000;
const MAX_CHOICES: u32 = 8;

/// A body, as it is to be served.
pub(super) struct Asked {
    pub request: ModelRequest,
    pub streamed: bool,
    /// Whether a stream ends with its usage.
    pub with_usage: bool,
}

pub(super) fn read(body: &[u8]) -> Result<Asked, ApiError> {
    let json: Value = serde_json::from_slice(body)
        .map_err(|error| ApiError::invalid(format!("the body is not valid JSON: {error}")))?;
    required(&json)?;
    let request: ModelRequest = serde_json::from_value(json)
        .map_err(|error| ApiError::invalid(format!("the body is of another shape: {error}")))?;
    if request.messages.is_empty() || request.messages.len() > MAX_MESSAGES {
        let message = format!("messages has 1 to {MAX_MESSAGES} entries");
        return Err(ApiError::invalid(message).param("messages"));
    }
    if !(1..=MAX_CHOICES).contains(&request.n.unwrap_or(1)) {
        return Err(ApiError::invalid(format!("n is 1 to {MAX_CHOICES}")).param("n"));
    }
    if request.max_tokens == Some(0) {
        return Err(ApiError::invalid("max_tokens is 1 or more").param("max_tokens"));
    }
    let options = request.stream_options.as_ref();
    let wanted = options.and_then(|options| options.get("include_usage"));
    Ok(Asked {
        streamed: request.stream == Some(true),
        with_usage: wanted.and_then(Value::as_bool).unwrap_or(false),
        request,
    })
}

/// Named one by one, since serde's words would tell of Rust.
fn required(json: &Value) -> Result<(), ApiError> {
    if !json.is_object() {
        return Err(ApiError::invalid("the body is a JSON object"));
    }
    if !json.get("model").is_some_and(Value::is_string) {
        return Err(ApiError::invalid("you must provide a model").param("model"));
    }
    if !json.get("messages").is_some_and(Value::is_array) {
        return Err(ApiError::invalid("you must provide messages, an array").param("messages"));
    }
    Ok(())
}
