//! Keys of model providers that users deposit: sealed, checked, replaced, ended.
//!
//! Each version of a key is a row of `api_keys`. Its text is sealed with AES-256-GCM, bound to
//! owner, provider, row and version, so a sealed text that is moved to another row does not
//! open. What is shown is the last four characters and a keyed fingerprint. Of the versions of
//! one name one is active; the one before it works on for a while beside it.

mod check;
mod error;
mod in_use;
mod keyless;
mod service;
mod statements;
mod stored;
#[cfg(test)]
mod tests;
mod types;
mod upkeep;

pub use check::Upstream;
pub use error::VaultError;
pub use in_use::ProviderKey;
pub use keyless::Keyless;
pub use service::Vault;
pub use types::{
    AddInput, AddOutput, KeyState, KeyView, ListInput, ListOutput, RevokeInput, RevokeOutput,
    RotateInput, RotateOutput,
};
pub use upkeep::Resealed;

/// Deposits, shows and ends keys.
pub const KEYS_SCOPE: &str = "chatgpt:keys";
/// Active keys of a user.
pub const MAX_KEYS: i64 = 20;
/// Keys that a user may deposit in an hour: each is a request to its provider.
pub const MAX_DEPOSITS_AN_HOUR: i64 = 30;

const HOUR_MS: i64 = 60 * 60 * 1000;
const DAY_MS: i64 = 24 * HOUR_MS;
