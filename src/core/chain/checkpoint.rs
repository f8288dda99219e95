//! C2SP tlog-checkpoint v1.0.0: the signed head of the log.
//!
//! ```text
//! <origin>
//! <tree size, decimal>
//! <root hash, base64>
//! ```
//!
//! The origin is the signing key's name. Extension lines are refused: no
//! monitor could audit them.

use serde::{Deserialize, Serialize};

use super::hash::Hash;
use super::keys::{KeyError, SignerKey, VerifierKey, check_key_name};
use super::note::{Note, NoteError};

/// A tree head. `root` is the RFC 6962 root of the first `size` leaves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    pub origin: String,
    pub size: u64,
    pub root: Hash,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    #[error(transparent)]
    Note(#[from] NoteError),
    #[error("the origin is no key name: {0}")]
    Origin(#[from] KeyError),
    #[error("a checkpoint is three lines: origin, tree size, root hash; no more")]
    Lines,
    #[error("the tree size is not a decimal number without leading zeros")]
    Size,
    #[error("the root hash is not 32 bytes in base64")]
    Root,
    #[error("the checkpoint is of log {origin}, the key of log {key}")]
    OtherLog { origin: String, key: String },
}

impl Checkpoint {
    /// The note text: three lines.
    #[must_use]
    pub fn text(&self) -> String {
        format!(
            "{}\n{}\n{}\n",
            self.origin,
            self.size,
            self.root.to_base64()
        )
    }

    /// Reads the note text. Says nothing about who wrote it.
    ///
    /// # Errors
    /// Anything but exactly the three lines.
    pub fn parse_text(text: &str) -> Result<Self, CheckpointError> {
        let body = text.strip_suffix('\n').ok_or(CheckpointError::Lines)?;
        let mut lines = body.split('\n');
        let (Some(origin), Some(size), Some(root), None) =
            (lines.next(), lines.next(), lines.next(), lines.next())
        else {
            return Err(CheckpointError::Lines);
        };
        check_key_name(origin)?;
        Ok(Self {
            origin: origin.to_owned(),
            size: parse_decimal(size).ok_or(CheckpointError::Size)?,
            root: Hash::from_base64(root).map_err(|_| CheckpointError::Root)?,
        })
    }

    /// Reads the first three lines of a note text. Other logs may have more, of which who
    /// cosigns says nothing.
    ///
    /// # Errors
    /// They are not those of a checkpoint, or one of those after them is empty.
    pub fn parse_head(text: &str) -> Result<Self, CheckpointError> {
        let mut ends = text.match_indices('\n').map(|(at, _)| at + 1);
        let end = ends.nth(2).ok_or(CheckpointError::Lines)?;
        let (head, extension) = text.split_at(end);
        if extension.split_terminator('\n').any(str::is_empty) {
            return Err(CheckpointError::Lines);
        }
        Self::parse_text(head)
    }

    /// The signed note, as text. Deterministic: the same head and key give the
    /// same bytes.
    ///
    /// # Errors
    /// The key's name is not this checkpoint's origin.
    pub fn sign(&self, key: &SignerKey) -> Result<String, CheckpointError> {
        self.check_origin(key.verifier())?;
        Ok(Note::sign(&self.text(), key)?.to_string())
    }

    /// Reads a signed checkpoint and checks that `log_key` signed it and that
    /// it is about that key's log. Other signature lines are ignored.
    ///
    /// # Errors
    /// Malformed, not signed by the key, or of another log.
    pub fn open(note: &str, log_key: &VerifierKey) -> Result<Self, CheckpointError> {
        let note = Note::parse(note)?;
        note.verify(&[log_key])?;
        let checkpoint = Self::parse_text(note.text())?;
        checkpoint.check_origin(log_key)?;
        Ok(checkpoint)
    }

    /// Reads a signed checkpoint without checking signatures.
    ///
    /// # Errors
    /// Malformed.
    pub fn parse_unverified(note: &str) -> Result<Self, CheckpointError> {
        Self::parse_text(Note::parse(note)?.text())
    }

    fn check_origin(&self, key: &VerifierKey) -> Result<(), CheckpointError> {
        if self.origin == key.name() {
            return Ok(());
        }
        Err(CheckpointError::OtherLog {
            origin: self.origin.clone(),
            key: key.name().to_owned(),
        })
    }
}

/// ASCII decimal without sign or leading zeros.
pub(crate) fn parse_decimal(text: &str) -> Option<u64> {
    let canonical = text == "0" || !text.starts_with('0');
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    (canonical && digits).then(|| text.parse().ok()).flatten()
}
