use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::input::{model_name_if_some, without_nul_if_some};
use crate::validation::{printable, printable_if_some};

/// Model settings to keep under a name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct ConfigCreateInput {
    /// Whose it is. You, if left out; naming somebody else needs the delegation scope.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(length(chars, min = 1, max = 255), custom(printable_if_some))]
    pub user_id: Option<String>,
    /// Its name, one of a kind among yours. One of yours hides a shipped one of that name.
    #[garde(length(chars, min = 1, max = 100), custom(printable))]
    pub config_name: String,
    /// The model. `gpt-4`, if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(length(min = 1, max = 128), custom(model_name_if_some))]
    pub model: Option<String>,
    /// Most tokens an answer may have. 1000, if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(range(min = 1, max = 131_072))]
    pub max_tokens: Option<u32>,
    /// How freely the model chooses its words, 0 to 2. 0.7, if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(range(min = 0.0, max = 2.0))]
    pub temperature: Option<f64>,
    /// Choose among the likeliest words that make up this share, 0 to 1. 1, if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(range(min = 0.0, max = 1.0))]
    pub top_p: Option<f64>,
    /// Against repeating words by how often they occurred, -2 to 2. 0, if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(range(min = -2.0, max = 2.0))]
    pub frequency_penalty: Option<f64>,
    /// Against words that occurred at all, -2 to 2. 0, if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(range(min = -2.0, max = 2.0))]
    pub presence_penalty: Option<f64>,
    /// Put before the messages of a call that has no system message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(length(chars, min = 1, max = 262_144), custom(without_nul_if_some))]
    pub system_prompt: Option<String>,
    /// Makes it the one that calls use that name no config, in place of the one before.
    #[serde(default)]
    #[garde(skip)]
    pub is_default: bool,
}

/// What to change of a config of yours. What is left out stays.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct ConfigUpdateInput {
    /// Whose it is. You, if left out; naming somebody else needs the delegation scope.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(length(chars, min = 1, max = 255), custom(printable_if_some))]
    pub user_id: Option<String>,
    /// Which one.
    #[garde(length(chars, min = 1, max = 100), custom(printable))]
    pub config_name: String,
    /// The model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(length(min = 1, max = 128), custom(model_name_if_some))]
    pub model: Option<String>,
    /// Most tokens an answer may have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(range(min = 1, max = 131_072))]
    pub max_tokens: Option<u32>,
    /// How freely the model chooses its words, 0 to 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(range(min = 0.0, max = 2.0))]
    pub temperature: Option<f64>,
    /// Choose among the likeliest words that make up this share, 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(range(min = 0.0, max = 1.0))]
    pub top_p: Option<f64>,
    /// Against repeating words by how often they occurred, -2 to 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(range(min = -2.0, max = 2.0))]
    pub frequency_penalty: Option<f64>,
    /// Against words that occurred at all, -2 to 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(range(min = -2.0, max = 2.0))]
    pub presence_penalty: Option<f64>,
    /// Put before the messages of a call that has no system message. Empty text takes it away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(length(chars, max = 262_144), custom(without_nul_if_some))]
    pub system_prompt: Option<String>,
    /// True makes it the one that calls use that name no config, in place of the one before;
    /// false leaves you without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(skip)]
    pub is_default: Option<bool>,
}

/// The config to read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct ConfigGetInput {
    /// Whose it is. You, if left out; naming somebody else needs the delegation scope.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(length(chars, min = 1, max = 255), custom(printable_if_some))]
    pub user_id: Option<String>,
    /// Its name: one of yours, or else one that ships.
    #[garde(length(chars, min = 1, max = 100), custom(printable))]
    pub config_name: String,
}

/// Whose configs to list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct ConfigListInput {
    /// Whose it is. You, if left out; naming somebody else needs the delegation scope.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(length(chars, min = 1, max = 255), custom(printable_if_some))]
    pub user_id: Option<String>,
}

/// The config to delete.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct ConfigDeleteInput {
    /// Whose it is. You, if left out; naming somebody else needs the delegation scope.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(length(chars, min = 1, max = 255), custom(printable_if_some))]
    pub user_id: Option<String>,
    /// Which one of yours.
    #[garde(length(chars, min = 1, max = 100), custom(printable))]
    pub config_name: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ConfigOutput {
    pub config: ConfigView,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ConfigListOutput {
    /// The user's own by name, then those that ship.
    pub configs: Vec<ConfigView>,
    pub count: usize,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConfigDeleteOutput {
    pub config_name: String,
    /// False if there was none, or no more.
    pub deleted: bool,
}

/// Model settings under a name. Times are RFC 3339.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ConfigView {
    pub id: String,
    /// `system` for those that ship.
    pub user_id: String,
    pub config_name: String,
    pub model: String,
    pub max_tokens: u32,
    pub temperature: f64,
    pub top_p: f64,
    pub frequency_penalty: f64,
    pub presence_penalty: f64,
    pub system_prompt: Option<String>,
    /// Calls that name no config use it.
    pub is_default: bool,
    pub created_at: String,
    pub updated_at: String,
}
