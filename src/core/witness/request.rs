//! The body of `add-checkpoint` (C2SP tlog-witness v1.0.0).
//!
//! ```text
//! old <tree size>
//! <base64 hash>           (consistency proof, at most 63)
//! …
//! <empty line>
//! <signed checkpoint>
//! ```

use std::fmt;

use crate::chain::checkpoint::{Checkpoint, CheckpointError, parse_decimal};
use crate::chain::hash::Hash;
use crate::chain::note::{MAX_NOTE_BYTES, Note, NoteError};

/// Most hashes in a consistency proof.
const MAX_PROOF_HASHES: usize = 63;
/// Largest body, in bytes.
pub const MAX_REQUEST_BYTES: usize = MAX_NOTE_BYTES + 64 * (MAX_PROOF_HASHES + 1);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    #[error("the body has {bytes} bytes; at most {MAX_REQUEST_BYTES} are read")]
    TooLarge { bytes: usize },
    #[error("the first line is not `old` and a tree size in decimal")]
    OldSize,
    #[error("a proof line is not a hash in base64, or there are more than {MAX_PROOF_HASHES}")]
    Proof,
    #[error("the empty line before the checkpoint is missing")]
    NoCheckpoint,
    #[error("the old size {old} is larger than the checkpoint's {size}")]
    OldSizeTooLarge { old: u64, size: u64 },
    #[error(transparent)]
    Note(#[from] NoteError),
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
}

/// A checkpoint given to a witness. `Display` writes the body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddCheckpoint {
    /// Size that the proof starts from.
    pub old_size: u64,
    pub proof: Vec<Hash>,
    pub note: Note,
    /// What the note says; nothing is known of who wrote it.
    pub head: Checkpoint,
}

impl AddCheckpoint {
    /// # Errors
    /// No checkpoint, or one of a size below `old_size`.
    pub fn new(old_size: u64, proof: Vec<Hash>, note: Note) -> Result<Self, RequestError> {
        let head = Checkpoint::parse_head(note.text())?;
        if old_size > head.size {
            return Err(RequestError::OldSizeTooLarge {
                old: old_size,
                size: head.size,
            });
        }
        Ok(Self {
            old_size,
            proof,
            note,
            head,
        })
    }

    /// # Errors
    /// Any deviation from the format, or a limit exceeded.
    pub fn parse(body: &str) -> Result<Self, RequestError> {
        if body.len() > MAX_REQUEST_BYTES {
            return Err(RequestError::TooLarge { bytes: body.len() });
        }
        let (top, note) = body.split_once("\n\n").ok_or(RequestError::NoCheckpoint)?;
        let mut lines = top.split('\n');
        let old_size = lines
            .next()
            .and_then(|line| line.strip_prefix("old "))
            .and_then(parse_decimal)
            .ok_or(RequestError::OldSize)?;
        let proof: Vec<Hash> = lines
            .take(MAX_PROOF_HASHES + 1)
            .map(Hash::from_base64)
            .collect::<Result<_, _>>()
            .map_err(|_| RequestError::Proof)?;
        if proof.len() > MAX_PROOF_HASHES {
            return Err(RequestError::Proof);
        }
        Self::new(old_size, proof, Note::parse(note)?)
    }
}

impl fmt::Display for AddCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "old {}", self.old_size)?;
        for hash in &self.proof {
            writeln!(f, "{}", hash.to_base64())?;
        }
        write!(f, "\n{}", self.note)
    }
}
