use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::super::Role;
use super::super::input::{metadata_size, model_name_if_some, without_nul};
use super::super::output::SessionStatus;
use crate::usage::StatedDollars;
use crate::validation::{printable, printable_if_some};

/// Which sessions to list, the last changed first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct SessionListInput {
    /// Whose it is. You, if left out; naming somebody else needs the delegation scope.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(length(chars, min = 1, max = 255), custom(printable_if_some))]
    pub user_id: Option<String>,
    /// Most sessions to answer with.
    #[serde(default = "twenty")]
    #[garde(range(min = 1, max = 99))]
    pub limit: u32,
    /// How many to pass over. Not where words are looked for.
    #[serde(default)]
    #[garde(range(max = 10_000))]
    pub offset: u32,
    /// Where the page before ended: its `next_cursor`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(length(max = 1_000), custom(printable_if_some))]
    pub cursor: Option<String>,
    /// Only those that are `active`, or only those that are `archived`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(skip)]
    pub status: Option<SessionStatus>,
    /// Only those of this case, or with a message of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(length(chars, min = 1, max = 200), custom(printable_if_some))]
    pub case_id: Option<String>,
    /// Only those with this label, on the session or a message of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(length(chars, min = 1, max = 64), custom(printable_if_some))]
    pub label: Option<String>,
    /// Only those with this document, on the session or a message of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(length(chars, min = 1, max = 200), custom(printable_if_some))]
    pub document_id: Option<String>,
    /// Words that must all occur in the name or a message. A page looks at 500 sessions: it may
    /// find none and still have a `next_cursor`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(length(chars, min = 1, max = 400))]
    pub query: Option<String>,
}

/// The session to read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct SessionGetInput {
    /// Whose it is. You, if left out; naming somebody else needs the delegation scope.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(length(chars, min = 1, max = 255), custom(printable_if_some))]
    pub user_id: Option<String>,
    /// The session's id.
    #[garde(length(chars, min = 1, max = 200), custom(printable))]
    pub session_id: String,
    /// Whether to answer with its messages, oldest first.
    #[serde(default = "yes")]
    #[garde(skip)]
    pub include_messages: bool,
    /// Begins after the message with this `seq`: what `next_after_seq` of the page before said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(range(min = 0))]
    pub after_seq: Option<i64>,
    /// Most messages to answer with. Long ones end a page earlier.
    #[serde(default = "hundred")]
    #[garde(range(min = 1, max = 500))]
    pub message_limit: u32,
}

/// A message to put into a session, said elsewhere.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct MessageAddInput {
    /// Whose it is. You, if left out; naming somebody else needs the delegation scope.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(length(chars, min = 1, max = 255), custom(printable_if_some))]
    pub user_id: Option<String>,
    /// The session's id.
    #[garde(length(chars, min = 1, max = 200), custom(printable))]
    pub session_id: String,
    /// Who says it.
    #[garde(skip)]
    pub role: Role,
    /// The text.
    #[garde(length(chars, min = 1, max = 262_144), custom(without_nul))]
    pub content: String,
    /// Tokens it used, by your count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(range(min = 0, max = 1_000_000_000))]
    pub tokens_used: Option<i64>,
    /// What it cost, by your word: US dollars as a decimal string or a number, to the
    /// nano-dollar.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(skip)]
    pub cost: Option<StatedDollars>,
    /// The model it is of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(length(min = 1, max = 128), custom(model_name_if_some))]
    pub model: Option<String>,
    /// The case it belongs to. The session's, if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(length(chars, min = 1, max = 200), custom(printable_if_some))]
    pub case_id: Option<String>,
    /// Documents it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(
        length(max = 32),
        inner(inner(length(chars, min = 1, max = 200), custom(printable)))
    )]
    pub document_ids: Option<Vec<String>>,
    /// Labels to find it by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(
        length(max = 32),
        inner(inner(length(chars, min = 1, max = 64), custom(printable)))
    )]
    pub labels: Option<Vec<String>>,
}

/// What to change of a session. What is left out stays.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct SessionUpdateInput {
    /// Whose it is. You, if left out; naming somebody else needs the delegation scope.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(length(chars, min = 1, max = 255), custom(printable_if_some))]
    pub user_id: Option<String>,
    /// The session's id.
    #[garde(length(chars, min = 1, max = 200), custom(printable))]
    pub session_id: String,
    /// A name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(length(chars, min = 1, max = 200), custom(printable_if_some))]
    pub session_name: Option<String>,
    /// Your own notes, in place of those before. At most 8 KiB of JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(custom(metadata_size))]
    pub metadata: Option<Map<String, Value>>,
    /// The case it belongs to. Empty text takes it out of its case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(length(chars, max = 200), custom(printable_if_some))]
    pub case_id: Option<String>,
    /// Documents it is about, in place of those before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(
        length(max = 32),
        inner(inner(length(chars, min = 1, max = 200), custom(printable)))
    )]
    pub document_ids: Option<Vec<String>>,
    /// Labels to find it by, in place of those before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(
        length(max = 32),
        inner(inner(length(chars, min = 1, max = 64), custom(printable)))
    )]
    pub labels: Option<Vec<String>>,
}

/// The session to put away or to take out again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct SessionArchiveInput {
    /// Whose it is. You, if left out; naming somebody else needs the delegation scope.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(length(chars, min = 1, max = 255), custom(printable_if_some))]
    pub user_id: Option<String>,
    /// The session's id.
    #[garde(length(chars, min = 1, max = 200), custom(printable))]
    pub session_id: String,
    /// True puts it away, false takes it out again.
    #[serde(default = "yes")]
    #[garde(skip)]
    pub archived: bool,
}

/// The session to delete.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct SessionDeleteInput {
    /// Whose it is. You, if left out; naming somebody else needs the delegation scope.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(length(chars, min = 1, max = 255), custom(printable_if_some))]
    pub user_id: Option<String>,
    /// The session's id.
    #[garde(length(chars, min = 1, max = 200), custom(printable))]
    pub session_id: String,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExportFormat {
    #[default]
    Json,
    Markdown,
}

/// The session to write out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct SessionExportInput {
    /// Whose it is. You, if left out; naming somebody else needs the delegation scope.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(length(chars, min = 1, max = 255), custom(printable_if_some))]
    pub user_id: Option<String>,
    /// The session's id.
    #[garde(length(chars, min = 1, max = 200), custom(printable))]
    pub session_id: String,
    /// `json` for programs, `markdown` for people.
    #[serde(default)]
    #[garde(skip)]
    pub format: ExportFormat,
    /// Begins after the message with this `seq`: what `next_after_seq` of the page before said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(range(min = 0))]
    pub after_seq: Option<i64>,
}

/// What to look for in messages, the newest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct SearchInput {
    /// Whose it is. You, if left out; naming somebody else needs the delegation scope.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(length(chars, min = 1, max = 255), custom(printable_if_some))]
    pub user_id: Option<String>,
    /// Words that must all occur in the message, in any case. A page looks at 1,000 messages of
    /// those narrowed down to: it may find none and still have a `next_cursor`.
    #[garde(length(chars, min = 1, max = 400))]
    pub query: String,
    /// Only in this session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(length(chars, min = 1, max = 200), custom(printable_if_some))]
    pub session_id: Option<String>,
    /// Only those of this case, or with a message of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(length(chars, min = 1, max = 200), custom(printable_if_some))]
    pub case_id: Option<String>,
    /// Only those with this label, on the session or a message of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(length(chars, min = 1, max = 64), custom(printable_if_some))]
    pub label: Option<String>,
    /// Only those with this document, on the session or a message of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(length(chars, min = 1, max = 200), custom(printable_if_some))]
    pub document_id: Option<String>,
    /// Most messages to answer with.
    #[serde(default = "twenty")]
    #[garde(range(min = 1, max = 50))]
    pub limit: u32,
    /// Where the page before ended: its `next_cursor`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(length(max = 1_000), custom(printable_if_some))]
    pub cursor: Option<String>,
}

/// Whose data to write out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct UserDataExportInput {
    /// Whose it is. You, if left out; naming somebody else needs the delegation scope.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(length(chars, min = 1, max = 255), custom(printable_if_some))]
    pub user_id: Option<String>,
    /// Where the page before ended: its `next_cursor`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(length(max = 1_000), custom(printable_if_some))]
    pub cursor: Option<String>,
}

/// Whose data to delete, for good.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct UserDataDeleteInput {
    /// Whose it is. You, if left out; naming somebody else needs the delegation scope.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(length(chars, min = 1, max = 255), custom(printable_if_some))]
    pub user_id: Option<String>,
    /// The user id once more, as a confirmation. Without it nothing is deleted, and the answer
    /// says what would be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(length(chars, max = 255))]
    pub confirm: Option<String>,
}

fn yes() -> bool {
    true
}

fn twenty() -> u32 {
    20
}

fn hundred() -> u32 {
    100
}
