use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Role;
use super::history::HistoryView;
use super::settings::ModelSettings;
use crate::llm::TokenUsage;

/// The model's answer, what it used and what it cost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CompletionOutput {
    /// The answer's text.
    pub response: String,
    /// Tokens as the provider counted them; null if it did not say.
    pub usage: Option<UsageView>,
    /// The model that answered, often a dated snapshot of the one asked.
    pub model: String,
    /// The session the exchange is kept in, if any.
    pub session_id: Option<String>,
    /// What of the session's history the model saw.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history: Option<HistoryView>,
    /// Cost in US dollars as a decimal string; null if no price is known, which is not 0.
    pub cost_usd: Option<String>,
    /// The same in nano-dollars, rounded up.
    pub cost_nanos: Option<i64>,
    pub cost_status: CostStatus,
    /// Why there is no price, where there is none.
    pub cost_note: Option<String>,
    /// Why the answer ended: `stop` is a natural end, `length` the token limit.
    pub finish_reason: String,
    /// The provider's name for the request, for questions to its support.
    pub provider_request_id: Option<String>,
    /// Whether answer and cost are on file. If false the answer is good, but keep it yourself.
    pub recorded: bool,
}

/// Tokens of one call. `total_tokens` is the sum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UsageView {
    pub prompt_tokens: u64,
    pub completion_tokens: u64,
    pub total_tokens: u64,
}

impl From<TokenUsage> for UsageView {
    fn from(usage: TokenUsage) -> Self {
        Self {
            prompt_tokens: usage.prompt,
            completion_tokens: usage.completion,
            total_tokens: usage.total,
        }
    }
}

/// `priced` by the provider's usage and a known price; `estimated` by a count made here, where
/// the answer was broken off before the provider gave its own; or `unpriced`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CostStatus {
    Priced,
    Estimated,
    Unpriced,
}

impl CostStatus {
    /// As a row has it. `none` is of what costs nothing.
    pub(super) fn of_row(text: &str) -> Self {
        match text {
            "priced" => Self::Priced,
            "estimated" => Self::Estimated,
            _ => Self::Unpriced,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Priced => "priced",
            Self::Estimated => "estimated",
            Self::Unpriced => "unpriced",
        }
    }
}

/// The end of a stream: its text came as progress, and comes here whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StreamOutput {
    pub status: StreamStatus,
    /// What happened, in a sentence.
    pub message: String,
    #[serde(flatten)]
    pub completion: CompletionOutput,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StreamStatus {
    Completed,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SessionCreateOutput {
    pub session: SessionView,
}

/// A session that can be read. A deleted one cannot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SessionStatus {
    Active,
    Archived,
}

impl SessionStatus {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Archived => "archived",
        }
    }
}

/// What a session was made with, as it was then.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SessionSettings {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template_name: Option<String>,
    /// Of the session's completions, where they state nothing themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelSettings>,
}

/// A session with its messages. Times are RFC 3339.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SessionView {
    pub id: String,
    pub user_id: String,
    pub session_name: String,
    pub created_at: String,
    pub updated_at: String,
    pub messages: Vec<MessageView>,
    pub metadata: Map<String, Value>,
    pub status: SessionStatus,
    pub case_id: Option<String>,
    pub document_ids: Vec<String>,
    pub labels: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<SessionSettings>,
    pub total_messages: i64,
    pub total_tokens: i64,
    /// US dollars as a decimal string.
    pub total_cost: String,
    /// How many messages the cost leaves out because no price is known.
    pub unpriced_messages: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MessageView {
    pub id: String,
    pub session_id: String,
    /// Its place in the session, from 0.
    pub seq: i64,
    pub role: Role,
    pub content: String,
    /// RFC 3339.
    pub timestamp: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens_used: Option<i64>,
    /// US dollars as a decimal string.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<String>,
    /// `priced`, `estimated`, `stated` by the caller, `unpriced`, or `none` to pay.
    pub cost_status: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub case_id: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub document_ids: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
}
