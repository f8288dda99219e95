use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::text::label_if_some;
use crate::auth::PrincipalKind;
use crate::auth::roles::Role;
use crate::validation::{printable, printable_if_some};

/// A key to be made.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct MintInput {
    /// What it is for, in words that you will know it by.
    #[garde(length(chars, min = 1, max = 100), custom(printable))]
    pub name: String,
    /// user: for a person's clients. service: for a program; needs the scope
    /// `token:mint_service`.
    #[garde(skip)]
    #[serde(default)]
    pub kind: PrincipalKind,
    /// The program that will hold a service token: lower-case letters, digits and hyphens.
    /// Default: chittymcp.
    #[garde(length(bytes, min = 1, max = 16), custom(label_if_some))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// Whose key it is. Default: the caller. Naming somebody else needs the scope
    /// delegation:act.
    #[garde(length(bytes, min = 1, max = 128), custom(printable_if_some))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// What it may do, by a role's name: all of the role's scopes. Instead of `scopes`.
    #[garde(skip)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// What it may do; never more than you. Default: the scopes of yours that only read.
    #[garde(
        length(min = 1, max = 32),
        inner(inner(length(bytes, min = 3, max = 64)))
    )]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Vec<String>>,
    /// Days until it ends: at most 365, for service tokens 90.
    #[garde(range(min = 1, max = 365))]
    #[serde(default = "default_days")]
    pub expires_in_days: i64,
    /// Where it will be used, such as chatgpt or claude: lower-case letters, digits and
    /// hyphens. A user may have 5 live keys on each.
    #[garde(length(bytes, min = 1, max = 32), custom(label_if_some))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
}

fn default_days() -> i64 {
    super::DEFAULT_DAYS
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct MintOutput {
    /// The key itself. It is shown this once: only its hash is kept.
    pub token: String,
    pub key: KeyView,
}

/// A key as it is on file. Times are RFC 3339.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KeyView {
    pub id: String,
    pub name: String,
    /// Null for a key that was not made here.
    pub kind: Option<PrincipalKind>,
    pub user_id: String,
    /// Its first characters.
    pub prefix: Option<String>,
    pub scopes: Vec<String>,
    pub platform: Option<String>,
    pub state: KeyState,
    pub created_at: String,
    pub expires_at: Option<String>,
    pub last_used_at: Option<String>,
    pub revoked_at: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeyState {
    Active,
    Expired,
    /// Revoked, or never let in.
    Inactive,
}

/// Whose keys to list.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct ListInput {
    /// Default: the caller. Naming somebody else needs the scope delegation:act.
    #[garde(length(bytes, min = 1, max = 128), custom(printable_if_some))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// Also those that are expired or revoked.
    #[garde(skip)]
    #[serde(default)]
    pub include_ended: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ListOutput {
    /// Newest first, at most 100.
    pub keys: Vec<KeyView>,
    /// There are older ones.
    pub more: bool,
}

/// A key to be replaced by a new one of the same name, scopes and span of life.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct RotateInput {
    /// The key's id, as listed.
    #[garde(length(bytes, min = 1, max = 128), custom(printable))]
    pub id: String,
    /// Hours for which the old one still works, at most 24. 0: it ends at once, and what was
    /// connected with it.
    #[garde(range(min = 0, max = 24))]
    #[serde(default)]
    pub overlap_hours: i64,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct RotateOutput {
    /// The new key itself. It is shown this once: only its hash is kept.
    pub token: String,
    pub key: KeyView,
    /// The old one, as it is now.
    pub replaced: KeyView,
}

/// A key to be ended for good.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct RevokeInput {
    /// The key's id, as listed.
    #[garde(length(bytes, min = 1, max = 128), custom(printable))]
    pub id: String,
    /// Also the keys that were made with it, and with those: for a key that was stolen.
    #[garde(skip)]
    #[serde(default)]
    pub descendants: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct RevokeOutput {
    /// The key, as it is now. It opens nothing after at most ten seconds.
    pub key: KeyView,
    /// Keys that this call ended: 0 where it was revoked already.
    pub revoked: u64,
}
