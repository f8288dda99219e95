//! C2SP tlog-proof v1: one text file that proves a logged entry offline.
//!
//! ```text
//! c2sp.org/tlog-proof@v1
//! extra <base64>          (optional, not authenticated)
//! index <decimal>
//! <base64 hash>           (inclusion proof, leaf's sibling first)
//! …
//! <empty line>
//! <signed checkpoint, verbatim>
//! ```

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::checkpoint::{Checkpoint, CheckpointError, parse_decimal};
use super::hash::Hash;
use super::keys::VerifierKey;
use super::note::MAX_NOTE_BYTES;
use super::verify::{VerifyError, verify_inclusion};

const HEADER: &str = "c2sp.org/tlog-proof@v1";
/// Most hashes in an inclusion proof: one for each bit of a tree size.
pub const MAX_PROOF_HASHES: usize = 64;
/// Largest extra data in bytes.
pub const MAX_EXTRA_BYTES: usize = 65_535;
const MAX_TEXT_BYTES: usize = MAX_NOTE_BYTES + 2 * MAX_EXTRA_BYTES;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    #[error("the proof has {bytes} bytes; at most {MAX_TEXT_BYTES} are read")]
    TooLarge { bytes: usize },
    #[error("the first line is not {HEADER}")]
    Header,
    #[error("the extra line is not base64 of at most {MAX_EXTRA_BYTES} bytes")]
    Extra,
    #[error("the index line is missing or not a decimal number")]
    Index,
    #[error("a proof line is not a base64 hash, or there are more than {MAX_PROOF_HASHES}")]
    Hashes,
    #[error("the empty line before the checkpoint is missing")]
    NoCheckpoint,
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    #[error(transparent)]
    Inclusion(#[from] VerifyError),
}

/// An offline proof. `checkpoint` is the signed note, verbatim. `Display`
/// writes the proof text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogProof {
    pub extra: Option<Vec<u8>>,
    pub index: u64,
    pub inclusion_proof: Vec<Hash>,
    pub checkpoint: String,
}

impl LogProof {
    /// # Errors
    /// Any deviation from the format, or a limit exceeded.
    pub fn parse(text: &str) -> Result<Self, ProofError> {
        if text.len() > MAX_TEXT_BYTES {
            return Err(ProofError::TooLarge { bytes: text.len() });
        }
        let (head, checkpoint) = text.split_once("\n\n").ok_or(ProofError::NoCheckpoint)?;
        let mut lines = head.split('\n').peekable();
        if lines.next() != Some(HEADER) {
            return Err(ProofError::Header);
        }
        let extra = lines
            .next_if(|line| line.starts_with("extra "))
            .map(parse_extra)
            .transpose()?;
        let index = lines
            .next()
            .and_then(|line| line.strip_prefix("index "))
            .and_then(parse_decimal)
            .ok_or(ProofError::Index)?;
        let inclusion_proof = lines
            .take(MAX_PROOF_HASHES + 1)
            .map(Hash::from_base64)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| ProofError::Hashes)?;
        if inclusion_proof.len() > MAX_PROOF_HASHES {
            return Err(ProofError::Hashes);
        }
        Ok(Self {
            extra,
            index,
            inclusion_proof,
            checkpoint: checkpoint.to_owned(),
        })
    }

    /// Checks that the entry with hash `leaf` is logged: the checkpoint is
    /// signed by `log_key` and contains the leaf. Returns that checkpoint.
    ///
    /// # Errors
    /// Says which part does not hold.
    pub fn verify(&self, leaf: &Hash, log_key: &VerifierKey) -> Result<Checkpoint, ProofError> {
        let checkpoint = Checkpoint::open(&self.checkpoint, log_key)?;
        verify_inclusion(
            leaf,
            self.index,
            checkpoint.size,
            &self.inclusion_proof,
            &checkpoint.root,
        )?;
        Ok(checkpoint)
    }
}

impl fmt::Display for LogProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}")?;
        if let Some(extra) = &self.extra {
            writeln!(f, "extra {}", STANDARD.encode(extra))?;
        }
        writeln!(f, "index {}", self.index)?;
        for hash in &self.inclusion_proof {
            writeln!(f, "{}", hash.to_base64())?;
        }
        write!(f, "\n{}", self.checkpoint)
    }
}

fn parse_extra(line: &str) -> Result<Vec<u8>, ProofError> {
    let encoded = line.strip_prefix("extra ").ok_or(ProofError::Extra)?;
    let bytes = STANDARD.decode(encoded).map_err(|_| ProofError::Extra)?;
    if bytes.len() > MAX_EXTRA_BYTES {
        return Err(ProofError::Extra);
    }
    Ok(bytes)
}
