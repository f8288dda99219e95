//! The OpenPGP keys that sign runs: one after another, each brought in by a fact in the log
//! that both it and its predecessor signed.
//!
//! The first key is the one in the worker's secrets. A rotation or revocation is a row of
//! `fortress_keys`, whole and signed, before it is a fact; what is not logged yet is logged
//! before the next run is signed, so each step may be broken off and repeated. The log is asked
//! which keys there are, and their rows are made to say the same; a row that is not logged counts
//! only if a key that counts vouches for it. A key signs from the log index of its rotation on. What its predecessor signed still counts if it is logged within
//! [`OVERLAP_MS`]: runs under way, and those whose fact came late.

mod history;
mod judging;
mod proving;
mod publish;
mod revoking;
mod ring;
mod rotating;
mod settling;
mod table;
mod told;
mod vouching;

pub use history::{HistoryEntry, KeyHistory, KeyStatus, Moment, RevocationEntry, RotationEntry};
pub(super) use judging::Judged;
pub use judging::{KeyStanding, LoggedAt};
pub use publish::{HISTORY_PATH, KEYS_PATH};
pub use revoking::{RevocationReason, RevokeKeyInput, RevokeKeyOutput};
pub(super) use ring::Signer;
pub use ring::{KeyRing, KeySecrets};
pub use rotating::{RotateKeyInput, RotateKeyOutput};

/// Scope of those who replace and revoke keys.
pub const KEYS_SCOPE: &str = "fortress:keys";
/// For how long after a rotation what the key before signed may still be logged.
pub const OVERLAP_MS: i64 = 24 * 60 * 60 * 1_000;
/// How long an isolate goes without reading the keys again.
pub const FRESH_MS: i64 = 10_000;

/// Of the facts about keys, which only the fortress logs and nobody erases.
pub(crate) const SOURCE: &str = "fortress-keys";
/// Their subjects begin with it, and their idempotency keys.
const PREFIX: &str = "fortress:key:";
