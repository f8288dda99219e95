use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::ChatMessage;
use super::super::input::{without_nul, without_nul_if_some};
use super::super::output::SessionSettings;
use super::super::settings::ModelSettings;
use crate::validation::{printable, printable_if_some};

/// A template to make.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct TemplateCreateInput {
    /// Whose it is. You, if left out; naming somebody else needs the delegation scope.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(length(chars, min = 1, max = 255), custom(printable_if_some))]
    pub user_id: Option<String>,
    /// A name for people.
    #[garde(length(chars, min = 1, max = 200), custom(printable))]
    pub template_name: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(length(chars, min = 1, max = 1_000), custom(without_nul_if_some))]
    pub description: Option<String>,
    /// Becomes the first message of a session, with the role `system`.
    #[garde(length(chars, min = 1, max = 65_536), custom(without_nul))]
    pub system_prompt: String,
    /// Messages that follow it, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[garde(length(max = 32), dive)]
    pub initial_messages: Vec<ChatMessage>,
    /// Name of a config of yours, or one that ships, whose settings its sessions take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(length(chars, min = 1, max = 100), custom(printable_if_some))]
    pub model_config: Option<String>,
    /// Lets everybody use it. Needs the scope `chatgpt:publish`.
    #[serde(default)]
    #[garde(skip)]
    pub is_public: bool,
}

/// What to change of a template of yours. What is left out stays.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct TemplateUpdateInput {
    /// Whose it is. You, if left out; naming somebody else needs the delegation scope.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(length(chars, min = 1, max = 255), custom(printable_if_some))]
    pub user_id: Option<String>,
    /// The template's id.
    #[garde(length(chars, min = 1, max = 200), custom(printable))]
    pub template_id: String,
    /// A name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(length(chars, min = 1, max = 200), custom(printable_if_some))]
    pub template_name: Option<String>,
    /// What it is for. Empty text takes it away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(length(chars, max = 1_000), custom(without_nul_if_some))]
    pub description: Option<String>,
    /// The first message of a session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(length(chars, min = 1, max = 65_536), custom(without_nul_if_some))]
    pub system_prompt: Option<String>,
    /// Messages that follow it, in place of those before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(length(max = 32), dive)]
    pub initial_messages: Option<Vec<ChatMessage>>,
    /// Name of a config whose settings its sessions take. Empty text takes it away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(length(chars, max = 100), custom(printable_if_some))]
    pub model_config: Option<String>,
    /// Whether everybody may use it. True needs the scope `chatgpt:publish`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(skip)]
    pub is_public: Option<bool>,
}

/// The template to read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct TemplateGetInput {
    /// Whose it is. You, if left out; naming somebody else needs the delegation scope.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(length(chars, min = 1, max = 255), custom(printable_if_some))]
    pub user_id: Option<String>,
    /// The template's id.
    #[garde(length(chars, min = 1, max = 200), custom(printable))]
    pub template_id: String,
}

/// Which templates to list: yours and the public ones, by name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct TemplateListInput {
    /// Whose it is. You, if left out; naming somebody else needs the delegation scope.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(length(chars, min = 1, max = 255), custom(printable_if_some))]
    pub user_id: Option<String>,
    /// Whether to leave out what is not yours.
    #[serde(default)]
    #[garde(skip)]
    pub only_own: bool,
    /// Most templates to answer with.
    #[serde(default = "fifty")]
    #[garde(range(min = 1, max = 100))]
    pub limit: u32,
    /// How many to pass over.
    #[serde(default)]
    #[garde(range(max = 10_000))]
    pub offset: u32,
}

/// The template to delete.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct TemplateDeleteInput {
    /// Whose it is. You, if left out; naming somebody else needs the delegation scope.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(length(chars, min = 1, max = 255), custom(printable_if_some))]
    pub user_id: Option<String>,
    /// The template's id.
    #[garde(length(chars, min = 1, max = 200), custom(printable))]
    pub template_id: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TemplateOutput {
    pub template: TemplateView,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TemplateListOutput {
    pub templates: Vec<TemplateView>,
    /// How many this page has.
    pub count: usize,
    /// The `offset` of the next page, if there is one.
    pub next_offset: Option<u32>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TemplateDeleteOutput {
    pub template_id: String,
    /// False if there was none of yours, or no more.
    pub deleted: bool,
}

/// A template. Times are RFC 3339.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TemplateView {
    pub id: String,
    /// Null for those that ship, and for public ones of others.
    pub user_id: Option<String>,
    pub template_name: String,
    pub description: Option<String>,
    pub system_prompt: String,
    pub initial_messages: Vec<ChatMessage>,
    /// Name of the config whose settings its sessions take.
    pub model_config: Option<String>,
    pub is_public: bool,
    /// How many sessions were made from it.
    pub use_count: i64,
    pub created_at: String,
    pub updated_at: String,
}

/// A template as a session is made from it.
#[derive(Debug, Clone, PartialEq)]
pub struct Template {
    pub id: String,
    pub template_name: String,
    pub system_prompt: String,
    pub initial_messages: Vec<ChatMessage>,
    pub model: Option<ModelSettings>,
}

impl Template {
    /// What a session keeps of it.
    pub fn settings(&self) -> SessionSettings {
        SessionSettings {
            template_id: Some(self.id.clone()),
            template_name: Some(self.template_name.clone()),
            model: self.model.clone(),
        }
    }
}

fn fifty() -> u32 {
    50
}
