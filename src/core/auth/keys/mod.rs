//! Keys of people and tokens of services: made, listed, rotated and revoked.
//!
//! A key never has more scopes than whoever made it. Its text is given out once and stored
//! as its hash. How many a user has is counted where the row is written, so that no two
//! requests pass the limit together.

mod error;
mod rules;
mod service;
mod statements;
mod stored;
mod text;
mod types;

pub use error::KeyError;
pub use service::{Asking, KeyService};
pub use types::{
    KeyState, KeyView, ListInput, ListOutput, MintInput, MintOutput, RevokeInput, RevokeOutput,
    RotateInput, RotateOutput,
};

/// Makes and revokes keys.
pub const MANAGE_SCOPE: &str = "token:manage";
/// Makes tokens of services too.
pub const MINT_SERVICE_SCOPE: &str = "token:mint_service";
/// Live keys of a user, and of a user on one platform.
pub const MAX_KEYS: i64 = 20;
pub const MAX_KEYS_PER_PLATFORM: i64 = 5;
/// Keys made for a user in an hour, also of those revoked since.
pub const MAX_MINTS_AN_HOUR: i64 = 60;

const HOUR_MS: i64 = 60 * 60 * 1000;
const DAY_MS: i64 = 24 * HOUR_MS;
const DEFAULT_DAYS: i64 = 90;
const MAX_USER_DAYS: i64 = 365;
const MAX_SERVICE_DAYS: i64 = 90;
