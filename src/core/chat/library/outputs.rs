use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::Role;
use super::super::output::{MessageView, SessionView};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SessionListOutput {
    /// Without their messages.
    pub sessions: Vec<SessionView>,
    /// How many this page has.
    pub count: usize,
    /// For the next page, if there is one.
    pub next_cursor: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SessionGetOutput {
    pub session: SessionView,
    /// The `after_seq` of the next page of messages, if there is one.
    pub next_after_seq: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SessionOutput {
    /// Without its messages.
    pub session: SessionView,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MessageAddOutput {
    pub message: MessageView,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SessionDeleteOutput {
    pub session_id: String,
    pub deleted: bool,
    /// How many messages went; 0 if it was deleted before.
    pub messages: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SessionExportOutput {
    pub session_id: String,
    /// `application/json` or `text/markdown`.
    pub media_type: String,
    /// A JSON document of its own, or a piece of Markdown to put behind those before.
    pub content: String,
    /// The `after_seq` of the next page, if there is one.
    pub next_after_seq: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SearchOutput {
    pub results: Vec<SearchHit>,
    /// How many this page has.
    pub count: usize,
    /// For the next page, if there is one.
    pub next_cursor: Option<String>,
}

/// A message that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SearchHit {
    pub session_id: String,
    pub session_name: String,
    pub message_id: String,
    pub seq: i64,
    pub role: Role,
    /// RFC 3339.
    pub timestamp: String,
    pub case_id: Option<String>,
    /// The text around the first word found.
    pub snippet: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UserDataExportOutput {
    pub user_id: String,
    /// JSON objects, one a line, each with its `type`: `session`, `message`, `link`,
    /// `template`, `config`, `provider_key` or `usage`.
    pub lines: String,
    /// How many lines.
    pub count: usize,
    /// For the next page, if there is one.
    pub next_cursor: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UserDataDeleteOutput {
    /// Name of this erasure in the audit log. The rows of cost do not have it.
    pub erasure_id: String,
    pub sessions: u64,
    pub templates: u64,
    pub configs: u64,
    pub provider_keys: u64,
    /// Rows of cost that stay, as nobody's.
    pub usage_rows_kept: u64,
    /// False if there is more: call again.
    pub complete: bool,
    /// What is not chat data, and where it is dealt with.
    pub not_touched: String,
}
