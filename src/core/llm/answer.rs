use serde::Deserialize;
use serde_json::Value;

use super::{ModelError, TokenUsage};

/// Counts above this are taken for nonsense, and the usage for missing.
const MAX_TOKENS: u64 = 100_000_000;

/// What the model said, and what is known about how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelAnswer {
    pub text: String,
    /// The model that answered, by its own account: often a dated snapshot of the one asked.
    pub model: String,
    /// `stop`, `length`, `content_filter`, …
    pub finish_reason: String,
    /// `None` if the provider reported none that makes sense. Then the cost is unknown.
    pub usage: Option<TokenUsage>,
    /// Header `x-request-id`.
    pub provider_request_id: Option<String>,
    pub response_id: Option<String>,
    pub service_tier: Option<String>,
    pub system_fingerprint: Option<String>,
    /// The model declined; `text` is its refusal.
    pub refused: bool,
    /// From the request to the first text. Streams only.
    pub first_token_ms: Option<i64>,
    /// From the request to the end of the answer.
    pub total_ms: i64,
}

/// `CreateChatCompletionResponse`, as far as it is read.
#[derive(Deserialize)]
struct WireAnswer {
    id: Option<String>,
    model: String,
    choices: Vec<WireChoice>,
    #[serde(default)]
    usage: Value,
    service_tier: Option<String>,
    system_fingerprint: Option<String>,
}

#[derive(Deserialize)]
struct WireChoice {
    message: WireMessage,
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct WireMessage {
    content: Option<String>,
    refusal: Option<String>,
}

/// Reads a whole answer. The times are the caller's to add.
pub(super) fn read_answer(body: &[u8]) -> Result<ModelAnswer, ModelError> {
    let wire: WireAnswer =
        serde_json::from_slice(body).map_err(|error| ModelError::Malformed(shape(&error)))?;
    let missing = |what: &str| ModelError::Malformed(format!("it has no {what}"));
    let choice = wire
        .choices
        .into_iter()
        .next()
        .ok_or_else(|| missing("choice"))?;
    let refusal = choice.message.refusal.filter(|text| !text.is_empty());
    let refused = refusal.is_some();
    Ok(ModelAnswer {
        text: refusal.or(choice.message.content).unwrap_or_default(),
        model: wire.model,
        finish_reason: choice
            .finish_reason
            .ok_or_else(|| missing("finish_reason"))?,
        usage: read_usage(&wire.usage),
        provider_request_id: None,
        response_id: wire.id,
        service_tier: wire.service_tier,
        system_fingerprint: wire.system_fingerprint,
        refused,
        first_token_ms: None,
        total_ms: 0,
    })
}

/// Where the JSON is wrong. serde's words may quote the answer, which is not for an error.
pub(super) fn shape(error: &serde_json::Error) -> String {
    let what = match error.classify() {
        serde_json::error::Category::Eof => "the JSON ends early",
        serde_json::error::Category::Syntax => "it is not valid JSON",
        _ => "it is not of the documented shape",
    };
    format!("{what}, line {} column {}", error.line(), error.column())
}

/// `CompletionUsage`. Zero is a count; a missing, negative or absurd count makes the whole
/// usage unknown.
pub(super) fn read_usage(usage: &Value) -> Option<TokenUsage> {
    let count = |value: Option<&Value>| value?.as_u64().filter(|count| *count <= MAX_TOKENS);
    let part = |details: &str, name: &str| match usage.get(details).and_then(|d| d.get(name)) {
        None | Some(Value::Null) => Some(0),
        given => count(given),
    };
    let prompt = count(usage.get("prompt_tokens"))?;
    let completion = count(usage.get("completion_tokens"))?;
    Some(TokenUsage {
        prompt,
        completion,
        cached: part("prompt_tokens_details", "cached_tokens")?,
        cache_write: part("prompt_tokens_details", "cache_write_tokens")?,
        reasoning: part("completion_tokens_details", "reasoning_tokens")?,
        total: count(usage.get("total_tokens")).unwrap_or(prompt + completion),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn usage_is_read_whole_or_not_at_all() {
        let usage = read_usage(&json!({
            "prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15,
            "prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 2, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 3}
        }));
        let expected = TokenUsage {
            prompt: 10,
            cached: 4,
            cache_write: 2,
            completion: 5,
            reasoning: 3,
            total: 15,
        };
        assert_eq!(usage, Some(expected));
        let bare = read_usage(
            &json!({"prompt_tokens": 0, "completion_tokens": 0, "prompt_tokens_details": null}),
        );
        assert_eq!(bare, Some(TokenUsage::default()));
        for bad in [
            json!(null),
            json!({}),
            json!({"prompt_tokens": 1}),
            json!({"prompt_tokens": -1, "completion_tokens": 1}),
            json!({"prompt_tokens": 1.5, "completion_tokens": 1}),
            json!({"prompt_tokens": "1", "completion_tokens": 1}),
            json!({"prompt_tokens": 1_000_000_000, "completion_tokens": 1}),
            json!({"prompt_tokens": 1, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": -3}}),
        ] {
            assert_eq!(read_usage(&bad), None, "{bad}");
        }
    }
}
