use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::llm::{self, Message};
use crate::validation::{printable, printable_if_some};

/// All messages of a call together.
const MAX_PROMPT_BYTES: usize = 1024 * 1024;
const MAX_METADATA_BYTES: usize = 8 * 1024;

/// Who says a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    System,
    User,
    Assistant,
}

impl Role {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
        }
    }
}

impl From<Role> for llm::Role {
    fn from(role: Role) -> Self {
        match role {
            Role::System => Self::System,
            Role::User => Self::User,
            Role::Assistant => Self::Assistant,
        }
    }
}

/// One message of the conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct ChatMessage {
    /// Who says it: `system` instructs the model, `user` asks, `assistant` is an earlier answer.
    #[garde(skip)]
    pub role: Role,
    /// The text.
    #[garde(length(chars, min = 1, max = 262_144))]
    pub content: String,
}

impl From<ChatMessage> for Message {
    fn from(message: ChatMessage) -> Self {
        Self::text(message.role.into(), message.content)
    }
}

/// A question to the model.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct CompletionInput {
    /// What is to be said now, oldest first. In a session the model sees its history before
    /// them, as far as it fits; without one it sees these messages only.
    #[garde(length(min = 1, max = 256), custom(prompt_size), dive)]
    pub messages: Vec<ChatMessage>,
    /// Name of the model, such as `gpt-4` or `gpt-5-mini`. If left out: that of the config,
    /// the session or your default config, else `gpt-4`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(length(min = 1, max = 128), custom(model_name_if_some))]
    #[schemars(regex(pattern = r"^[A-Za-z0-9][A-Za-z0-9._:/-]*$"))]
    pub model: Option<String>,
    /// Most tokens the answer may have. Reasoning models count their reasoning in. If left
    /// out: that of the config, else 1000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(range(min = 1, max = 131_072))]
    pub max_tokens: Option<u32>,
    /// How freely the model chooses its words, 0 to 2. If left out: that of the config, else
    /// 0.7, or the model's own where it takes no other (o1 and later, GPT-5 and later).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(range(min = 0.0, max = 2.0))]
    pub temperature: Option<f64>,
    /// Share of the likeliest words to choose from, 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(range(min = 0.0, max = 1.0))]
    pub top_p: Option<f64>,
    /// Against saying the same words again, -2 to 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(range(min = -2.0, max = 2.0))]
    pub frequency_penalty: Option<f64>,
    /// Against staying with the same subjects, -2 to 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(range(min = -2.0, max = 2.0))]
    pub presence_penalty: Option<f64>,
    /// Name of a model config, of yours or shipped, that fills in what is left out here. If
    /// left out: the session's, and if you name no model either, your default one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(length(chars, min = 1, max = 100), custom(printable_if_some))]
    pub config: Option<String>,
    /// Keeps the last user message and the answer in this session. An unknown id makes a new
    /// session of yours. If left out, nothing but the cost is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(length(chars, min = 1, max = 200), custom(printable_if_some))]
    pub session_id: Option<String>,
}

/// A session to make.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct SessionCreateInput {
    /// Owner of the session. You, if left out; naming somebody else needs the delegation scope.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(length(chars, min = 1, max = 255), custom(printable_if_some))]
    pub user_id: Option<String>,
    /// A name for people.
    #[garde(length(chars, min = 1, max = 200))]
    pub session_name: String,
    /// Kept as the session's first message, with the role `system`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(length(chars, min = 1, max = 262_144))]
    pub initial_system_prompt: Option<String>,
    /// Your own notes on the session. At most 8 KiB of JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(custom(metadata_size))]
    pub metadata: Option<Map<String, Value>>,
    /// A template to begin from: its system prompt, unless one is given here, its messages
    /// and its model settings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(length(chars, min = 1, max = 200), custom(printable_if_some))]
    pub template_id: Option<String>,
    /// Name of a config whose settings the session's completions use, before the template's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(length(chars, min = 1, max = 100), custom(printable_if_some))]
    pub config: Option<String>,
    /// The case it belongs to.
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

#[expect(clippy::trivially_copy_pass_by_ref, reason = "garde's form")]
fn prompt_size(messages: &[ChatMessage], _: &()) -> garde::Result {
    let bytes: usize = messages.iter().map(|message| message.content.len()).sum();
    if bytes > MAX_PROMPT_BYTES {
        let said = format!("together longer than {MAX_PROMPT_BYTES} bytes: leave older ones out");
        return Err(garde::Error::new(said));
    }
    Ok(())
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "garde's form")]
pub(super) fn model_name(name: &str, _: &()) -> garde::Result {
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | ':' | '/' | '-');
    if name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.chars().all(inner) {
        return Ok(());
    }
    Err(garde::Error::new(
        "a model's name has letters, digits and . _ : / - only, and begins with a letter or digit",
    ))
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    clippy::ref_option,
    reason = "garde's form"
)]
pub(super) fn model_name_if_some(name: &Option<String>, context: &()) -> garde::Result {
    name.as_deref()
        .map_or(Ok(()), |name| model_name(name, context))
}

/// Postgres keeps no NUL in any text.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "garde's form")]
pub(super) fn without_nul(text: &str, _: &()) -> garde::Result {
    if text.contains('\0') {
        return Err(garde::Error::new("must not contain the character NUL"));
    }
    Ok(())
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    clippy::ref_option,
    reason = "garde's form"
)]
pub(super) fn without_nul_if_some(text: &Option<String>, context: &()) -> garde::Result {
    text.as_deref()
        .map_or(Ok(()), |text| without_nul(text, context))
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    clippy::ref_option,
    reason = "garde's form"
)]
pub(super) fn metadata_size(metadata: &Option<Map<String, Value>>, _: &()) -> garde::Result {
    let bytes = metadata
        .as_ref()
        .map_or(Ok(0), |map| serde_json::to_vec(map).map(|json| json.len()));
    match bytes {
        Ok(bytes) if bytes <= MAX_METADATA_BYTES => Ok(()),
        _ => Err(garde::Error::new(format!(
            "larger than {MAX_METADATA_BYTES} bytes of JSON"
        ))),
    }
}
