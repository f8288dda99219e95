use serde::Deserialize;
use serde_json::Value;

use super::{ModelError, TokenUsage};
use crate::usage::wire::openai_chat;

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
        usage: openai_chat(&wire.usage),
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
