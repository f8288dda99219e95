use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use crate::secret::Secret;
use crate::validation::{printable, printable_if_some};

const MIN_KEY_BYTES: usize = 16;
const MAX_KEY_BYTES: usize = 512;

/// A key to be deposited.
#[derive(Debug, Clone, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct AddInput {
    /// Whose key it is, such as `openai` or `anthropic`.
    #[garde(length(bytes, min = 1, max = 32), custom(printable))]
    #[serde(default = "default_provider")]
    pub provider: String,
    /// A name to know it by. Calls use the key named `default`, or else the first by name.
    #[garde(length(chars, min = 1, max = 40), custom(printable))]
    #[serde(default = "default_name")]
    pub name: String,
    /// The key itself, as its provider gave it out. It is never shown again.
    #[garde(custom(key_form))]
    #[serde(deserialize_with = "secret")]
    #[schemars(
        with = "String",
        length(min = 16, max = 512),
        regex(pattern = "^[!-~]+$")
    )]
    pub api_key: Secret,
    /// Keep it even if its provider cannot be asked about it now.
    #[garde(skip)]
    #[serde(default)]
    pub keep_unchecked: bool,
    /// Whose key it becomes. Default: the caller. Naming somebody else needs the scope
    /// delegation:act.
    #[garde(length(bytes, min = 1, max = 128), custom(printable_if_some))]
    #[serde(default)]
    pub user_id: Option<String>,
}

#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct AddOutput {
    pub key: KeyView,
}

/// A key as it is on file. Times are RFC 3339.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct KeyView {
    pub id: String,
    pub user_id: String,
    pub provider: String,
    pub name: String,
    /// Counts the keys of this name.
    pub version: i64,
    pub state: KeyState,
    /// Its last four characters.
    pub last_four: String,
    /// The same for equal keys of the same user. It changes with the server's encryption key.
    pub fingerprint: String,
    pub created_at: String,
    /// When its provider knew it. Null: its provider could not be asked.
    pub checked_at: Option<String>,
    pub last_used_at: Option<String>,
    pub usage_count: i64,
    /// Until when it works beside its successor, or when it ended.
    pub ends_at: Option<String>,
    pub revoked_at: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeyState {
    Active,
    /// Active, but its provider could not be asked when it was deposited.
    Unchecked,
    /// Replaced, and working until `ends_at`.
    Previous,
    /// What is stored cannot be opened: deposit the key again, or have the operator put the
    /// encryption key back that it was sealed under.
    Undecryptable,
    /// Replaced, and erased.
    Ended,
    /// Revoked, and erased.
    Revoked,
}

/// Whose keys to list.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct ListInput {
    /// Default: the caller. Naming somebody else needs the scope delegation:act.
    #[garde(length(bytes, min = 1, max = 128), custom(printable_if_some))]
    #[serde(default)]
    pub user_id: Option<String>,
    /// Also those that have ended, for 90 days.
    #[garde(skip)]
    #[serde(default)]
    pub include_ended: bool,
}

#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ListOutput {
    /// By provider and name, newest version first; at most 100.
    pub keys: Vec<KeyView>,
    /// There are others.
    pub more: bool,
}

/// A key to be replaced.
#[derive(Debug, Clone, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct RotateInput {
    /// Id of the active key, as listed.
    #[garde(length(bytes, min = 1, max = 128), custom(printable))]
    pub id: String,
    /// The new key, as its provider gave it out. It is never shown again.
    #[garde(custom(key_form))]
    #[serde(deserialize_with = "secret")]
    #[schemars(
        with = "String",
        length(min = 16, max = 512),
        regex(pattern = "^[!-~]+$")
    )]
    pub api_key: Secret,
    /// Keep it even if its provider cannot be asked about it now.
    #[garde(skip)]
    #[serde(default)]
    pub keep_unchecked: bool,
    /// Hours for which the old one is kept beside it, at most a week.
    #[garde(range(min = 1, max = 168))]
    #[serde(default = "default_grace_hours")]
    pub grace_hours: i64,
}

#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct RotateOutput {
    pub key: KeyView,
    /// The old one, as it is now.
    pub previous: KeyView,
}

/// A key to be ended for good.
#[derive(Debug, Clone, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct RevokeInput {
    /// The key's id, as listed.
    #[garde(length(bytes, min = 1, max = 128), custom(printable))]
    pub id: String,
}

#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct RevokeOutput {
    /// The key, as it is now.
    pub key: KeyView,
    /// Keys that this call ended, with the one that it had replaced: 0 where all had ended.
    pub revoked: u64,
}

fn default_provider() -> String {
    "openai".to_owned()
}

fn default_name() -> String {
    "default".to_owned()
}

fn default_grace_hours() -> i64 {
    24
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Secret, D::Error> {
    String::deserialize(deserializer).map(Secret::new)
}

/// What can stand in a header, and is no slip of a key. Never quotes it.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "garde's form")]
fn key_form(key: &Secret, _: &()) -> garde::Result {
    let text = key.expose();
    if !(MIN_KEY_BYTES..=MAX_KEY_BYTES).contains(&text.len()) {
        return Err(garde::Error::new("a key has 16 to 512 characters"));
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        let said = "a key has only visible ASCII characters: copy it without spaces";
        return Err(garde::Error::new(said));
    }
    Ok(())
}
