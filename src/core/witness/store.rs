//! What a witness asks of storage.

use serde::{Deserialize, Serialize};

use crate::chain::hash::Hash;

/// The newest head that was cosigned of a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenHead {
    pub size: u64,
    pub root: Hash,
    /// The checkpoint with the log's signature and the witness's, as it was answered.
    pub note: String,
}

/// Two heads that a log signed and that do not go together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fork {
    pub kind: ForkKind,
    /// The checkpoint cosigned before, with all signatures.
    pub cosigned: String,
    /// The checkpoint refused, with the log's signature.
    pub refused: String,
    /// When it was refused, milliseconds since 1970.
    pub seen_at_ms: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ForkKind {
    /// One size, two roots, both signed: proof of misbehaviour by itself.
    SameSize,
    /// No proof that held came with the larger one: proof once the log cannot give one.
    Unproven,
}

/// Storage of what a witness saw of one log. All calls are synchronous, so no other request
/// comes between the check of the old size and the new head.
pub trait WitnessStore {
    type Error: std::fmt::Display;

    /// # Errors
    /// The store's own.
    fn head(&self) -> Result<Option<SeenHead>, Self::Error>;

    /// Stores the head in place of the one before.
    ///
    /// # Errors
    /// The store's own.
    fn set_head(&mut self, head: &SeenHead) -> Result<(), Self::Error>;

    /// All that were kept, oldest first.
    ///
    /// # Errors
    /// The store's own.
    fn forks(&self) -> Result<Vec<Fork>, Self::Error>;

    /// Stores these in place of those before.
    ///
    /// # Errors
    /// The store's own.
    fn set_forks(&mut self, forks: &[Fork]) -> Result<(), Self::Error>;
}
