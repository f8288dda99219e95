//! The log's own answers as tools: its head, and proofs that a stranger checks offline.

use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{FactRef, Ledger, LedgerError};
use crate::anchoring::Anchoring;
use crate::chain::checkpoint::Checkpoint;
use crate::chain::hash::Hash;
use crate::chain::receipt::{ConsistencyProof, InclusionProof};
use crate::chain::tree::MAX_TREE_SIZE;
use crate::chain::verify::verify_consistency;

/// Which head of the log.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct CheckpointInput {
    /// Number of facts that the checkpoint covers. Left out: the newest.
    #[garde(range(max = MAX_TREE_SIZE))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tree_size: Option<u64>,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct CheckpointOutput {
    /// The signed checkpoint (C2SP tlog-checkpoint). Keep it: every later one must extend it.
    pub checkpoint: String,
    /// The log's name.
    pub origin: String,
    pub tree_size: u64,
    /// Root of the Merkle tree (RFC 6962), 64 hex digits.
    pub root_hash: String,
    /// The key that signs checkpoints. Compare it with one you got elsewhere.
    pub verifier_key: String,
    /// What others vouch for: time stamps and witnesses, of this checkpoint or a later one that
    /// covers it. Null if it cannot be read now.
    pub anchoring: Option<Anchoring>,
}

/// What to prove: give one of `fact_id`, `leaf_index` and `first_size`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct ProveInput {
    /// Proves that this fact is in the log; 64 hex digits.
    #[garde(length(bytes, min = 64, max = 64))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fact_id: Option<String>,
    /// Proves that the fact at this place is in the log; counted from 0.
    #[garde(range(max = MAX_TREE_SIZE))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leaf_index: Option<u64>,
    /// Proves that the log only grew since its checkpoint of so many facts.
    #[garde(range(max = MAX_TREE_SIZE))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_size: Option<u64>,
    /// The checkpoint that the proof leads to, by its number of facts. Left out: the newest.
    #[garde(range(max = MAX_TREE_SIZE))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tree_size: Option<u64>,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ProveOutput {
    pub inclusion: Option<Inclusion>,
    pub consistency: Option<Consistency>,
    /// The signed checkpoint that the proof leads to.
    pub checkpoint: String,
    /// The key that signs checkpoints. Compare it with one you got elsewhere.
    pub verifier_key: String,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Inclusion {
    pub fact_id: String,
    pub leaf_index: u64,
    pub tree_size: u64,
    /// The entry as it is hashed.
    pub log_entry: String,
    pub leaf_hash: String,
    /// Hashes in hex, the leaf's sibling first (RFC 6962 section 2.1.1).
    pub proof: Vec<String>,
    /// All of it in one text for offline checks (C2SP tlog-proof).
    pub tlog_proof: String,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Consistency {
    pub first_size: u64,
    pub second_size: u64,
    /// Hashes in hex (RFC 6962 section 2.1.2).
    pub proof: Vec<String>,
    pub first_checkpoint: String,
}

#[derive(Debug, Clone, thiserror::Error)]
pub enum ProveError {
    #[error("give one of fact_id, leaf_index and first_size")]
    Choice,
    #[error("fact_id is not 64 lower-case hex digits")]
    FactId,
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

impl ProveError {
    pub fn code(&self) -> &'static str {
        match self {
            Self::Choice | Self::FactId => "INVALID_ARGUMENTS",
            Self::Ledger(error) => error.code(),
        }
    }
}

/// The log's newest checkpoint, or that of a size.
///
/// # Errors
/// The log does not answer, or signed no checkpoint of that size.
pub async fn checkpoint(
    ledger: &dyn Ledger,
    input: &CheckpointInput,
) -> Result<CheckpointOutput, LedgerError> {
    let head = ledger.head().await?;
    let checkpoint = match input.tree_size {
        Some(size) => ledger.checkpoint(size).await?,
        None => head.checkpoint,
    };
    let read = Checkpoint::parse_unverified(&checkpoint)
        .map_err(|error| LedgerError::Unavailable(error.to_string()))?;
    // The checkpoint stands by itself.
    let anchoring = match ledger.anchoring(Some(read.size)).await {
        Ok(anchoring) => Some(anchoring.held_to(ledger, &read).await?),
        Err(_) => None,
    };
    Ok(CheckpointOutput {
        anchoring,
        checkpoint,
        origin: read.origin,
        tree_size: read.size,
        root_hash: read.root.to_string(),
        verifier_key: head.verifier_key,
    })
}

/// Whether the log proves that `newer` extends `older`. One that it never signed it cannot.
///
/// # Errors
/// The log does not answer.
pub async fn extends(
    ledger: &dyn Ledger,
    older: &Checkpoint,
    newer: &Checkpoint,
) -> Result<bool, LedgerError> {
    if older.size == 0 || older.size == newer.size {
        return Ok(older.size == 0 || older.root == newer.root);
    }
    match ledger.consistency(older.size, newer.size).await {
        Ok(ConsistencyProof {
            first,
            second,
            proof,
            ..
        }) => {
            let grown = verify_consistency(first, second, &proof, &older.root, &newer.root);
            Ok((first, second) == (older.size, newer.size) && grown.is_ok())
        }
        Err(LedgerError::Refused { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Proves that a fact is in the log, or that the log only grew.
///
/// # Errors
/// Not exactly one thing is asked for, or the log refuses or does not answer.
pub async fn prove(ledger: &dyn Ledger, input: &ProveInput) -> Result<ProveOutput, ProveError> {
    let ProveInput {
        fact_id,
        leaf_index,
        first_size,
        tree_size,
    } = input;
    let mut output = ProveOutput {
        inclusion: None,
        consistency: None,
        checkpoint: String::new(),
        verifier_key: String::new(),
    };
    match (fact_id, leaf_index, first_size) {
        (Some(id), None, None) => {
            let fact = FactRef::FactId(Hash::from_hex(id).map_err(|_| ProveError::FactId)?);
            output.include(ledger.inclusion(fact, *tree_size).await?);
        }
        (None, Some(index), None) => {
            output.include(ledger.inclusion(FactRef::Index(*index), *tree_size).await?);
        }
        (None, None, Some(first)) => {
            let newest = checkpoint(ledger, &CheckpointInput::default()).await?;
            let second = tree_size.unwrap_or(newest.tree_size);
            let proof = ledger.consistency(*first, second).await?;
            output.checkpoint = proof.second_checkpoint;
            output.consistency = Some(Consistency {
                first_size: proof.first,
                second_size: proof.second,
                proof: proof.proof.iter().map(Hash::to_string).collect(),
                first_checkpoint: proof.first_checkpoint,
            });
        }
        _ => return Err(ProveError::Choice),
    }
    output.verifier_key = ledger.head().await?.verifier_key;
    Ok(output)
}

impl ProveOutput {
    fn include(&mut self, proof: InclusionProof) {
        self.inclusion = Some(Inclusion {
            fact_id: proof.entry.fact_id.to_string(),
            leaf_index: proof.leaf_index,
            tree_size: proof.tree_size,
            log_entry: proof.entry.canonical(),
            leaf_hash: proof.leaf_hash.to_string(),
            proof: proof.proof.iter().map(Hash::to_string).collect(),
            tlog_proof: proof.to_proof_text(),
        });
        self.checkpoint = proof.checkpoint;
    }
}
