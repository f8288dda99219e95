//! What a model answers, whole or as it arrives.

use serde_json::{Map, Value};

use super::{TokenUsage, ToolCall};

/// What the model said, and what is known about how.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelAnswer {
    pub choice: Choice,
    /// Further choices, where `n` asked for them.
    pub others: Vec<Choice>,
    /// The model that answered, by its own account: often a dated snapshot of the one asked.
    pub model: String,
    /// `None` if the provider reported none that makes sense, or the answer was stopped before
    /// it could. Then the cost is unknown.
    pub usage: Option<TokenUsage>,
    pub ended: Ended,
    /// Header `x-request-id` or `request-id`.
    pub provider_request_id: Option<String>,
    pub response_id: Option<String>,
    /// The tier that is billed, in OpenAI's words.
    pub service_tier: Option<String>,
    pub system_fingerprint: Option<String>,
    /// Parameters of the request that this provider does not know and that were left out.
    pub dropped: Vec<String>,
    /// The token limit that was set because the provider demands one and the caller gave none.
    pub default_max_tokens: Option<u32>,
    /// From the request to the first text or tool call. Streams only.
    pub first_token_ms: Option<i64>,
    /// From the request to the end of the answer.
    pub total_ms: i64,
}

/// One answer of those asked for.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Choice {
    pub text: String,
    /// The model declined, in these words.
    pub refusal: Option<String>,
    pub tool_calls: Vec<ToolCall>,
    /// `stop`, `length`, `tool_calls`, `content_filter`; [`STOPPED`] if we broke it off.
    pub finish_reason: String,
    /// As OpenAI gives them, where they were asked for.
    pub logprobs: Option<Value>,
    /// Further fields of the message, such as `annotations`, `audio` and `reasoning_content`.
    pub extra: Map<String, Value>,
}

/// Finish reason of an answer that was broken off on our side.
pub const STOPPED: &str = "stopped";

impl Choice {
    /// What the model said: its text, or its refusal.
    pub fn said(&self) -> &str {
        self.refusal.as_deref().unwrap_or(&self.text)
    }
}

/// How an answer ended, for those who bill it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// By itself: the usage is exact.
    Whole,
    /// By itself, after the caller had left: the usage is exact.
    Drained,
    /// Broken off by us, on order or at the limit of draining: the usage is not known.
    Stopped,
    /// Broken off by the provider, the network or a limit: the usage is not known.
    Interrupted,
}

/// A piece of a streamed answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Delta {
    /// Index of the choice, 0 unless `n` asked for more.
    pub choice: usize,
    pub part: Part,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Part {
    Text(String),
    Refusal(String),
    /// The beginning of a tool call. `index` counts the calls of the choice from 0.
    ToolCall {
        index: usize,
        id: String,
        name: String,
    },
    /// More of a call's arguments.
    Arguments {
        index: usize,
        piece: String,
    },
    /// For the tokens of the text beside it.
    Logprobs(Value),
    /// Further fields of the message, or more of them.
    Fields(Map<String, Value>),
}

impl Delta {
    /// What is to be read: text, or a refusal.
    pub fn said(&self) -> Option<&str> {
        match &self.part {
            Part::Text(text) | Part::Refusal(text) => Some(text),
            _ => None,
        }
    }
}
