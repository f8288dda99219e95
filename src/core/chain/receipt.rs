//! What the log answers: receipts, proofs, and the verdicts on them.

use serde::{Deserialize, Serialize};

use super::checkpoint::Checkpoint;
use super::fact::{Fact, LogEntry, SaltedFact, fact_id};
use super::hash::Hash;
use super::keys::VerifierKey;
use super::proof::LogProof;
use super::verify::verify_inclusion;

/// Proof that a fact was logged. Issued again for the same append it is the
/// same but for `replayed`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    pub fact_id: Hash,
    pub leaf_index: u64,
    /// Tree size of `checkpoint` and `inclusion_proof`.
    pub tree_size: u64,
    pub leaf_hash: Hash,
    /// The log's clock, milliseconds since 1970.
    pub logged_at_ms: u64,
    /// Leaf's sibling first.
    pub inclusion_proof: Vec<Hash>,
    /// Signed note (C2SP tlog-checkpoint).
    pub checkpoint: String,
    /// The append had been done before; nothing new was written.
    pub replayed: bool,
}

impl Receipt {
    #[must_use]
    pub const fn entry(&self) -> LogEntry {
        LogEntry {
            fact_id: self.fact_id,
            logged_at_ms: self.logged_at_ms,
        }
    }

    /// The offline proof text (C2SP tlog-proof). Its extra line carries the
    /// log entry's bytes, from which a verifier computes the leaf hash.
    #[must_use]
    pub fn to_proof_text(&self) -> String {
        proof_text(
            self.entry(),
            self.leaf_index,
            &self.inclusion_proof,
            &self.checkpoint,
        )
    }
}

fn proof_text(entry: LogEntry, index: u64, proof: &[Hash], checkpoint: &str) -> String {
    let proof = LogProof {
        extra: Some(entry.canonical().into_bytes()),
        index,
        inclusion_proof: proof.to_vec(),
        checkpoint: checkpoint.to_owned(),
    };
    proof.to_string()
}

/// A leaf's place in the tree of `tree_size` leaves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InclusionProof {
    pub leaf_index: u64,
    pub tree_size: u64,
    pub entry: LogEntry,
    pub leaf_hash: Hash,
    pub proof: Vec<Hash>,
    /// Signed checkpoint of `tree_size`.
    pub checkpoint: String,
}

impl InclusionProof {
    /// As [`Receipt::to_proof_text`].
    #[must_use]
    pub fn to_proof_text(&self) -> String {
        proof_text(self.entry, self.leaf_index, &self.proof, &self.checkpoint)
    }
}

/// That the tree of `second` leaves extends the tree of `first`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsistencyProof {
    pub first: u64,
    pub second: u64,
    pub proof: Vec<Hash>,
    pub first_checkpoint: String,
    pub second_checkpoint: String,
}

/// A logged fact as stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredFact {
    pub fact_id: Hash,
    pub leaf_index: u64,
    pub logged_at_ms: u64,
    pub content: StoredContent,
}

impl StoredFact {
    /// What its leaf is of.
    #[must_use]
    pub const fn entry(&self) -> LogEntry {
        LogEntry {
            fact_id: self.fact_id,
            logged_at_ms: self.logged_at_ms,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum StoredContent {
    /// `canonical` is what `fact_id` hashes, salt included.
    Present { fact: Fact, canonical: String },
    /// Deleted on request; the log's proofs about the fact still hold.
    Erased,
    /// What is stored is not what `fact_id` hashes.
    Altered { canonical: String },
}

impl StoredContent {
    /// What is stored under `fact_id`; nothing, once erased.
    #[must_use]
    pub fn of(id: &Hash, stored: Option<String>) -> Self {
        let Some(canonical) = stored else {
            return Self::Erased;
        };
        match SaltedFact::parse(&canonical) {
            Ok(SaltedFact { fact, .. }) if fact_id(&canonical) == *id => {
                Self::Present { fact, canonical }
            }
            _ => Self::Altered { canonical },
        }
    }

    /// The fact, if it is there as it was logged.
    #[must_use]
    pub fn fact(&self) -> Option<&Fact> {
        match self {
            Self::Present { fact, .. } => Some(fact),
            Self::Erased | Self::Altered { .. } => None,
        }
    }

    /// What is stored, whatever it is.
    #[must_use]
    pub fn canonical(&self) -> Option<&str> {
        match self {
            Self::Present { canonical, .. } | Self::Altered { canonical } => Some(canonical),
            Self::Erased => None,
        }
    }
}

/// The outcome of one check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    Holds,
    Fails { reason: String },
    NotChecked { reason: String },
}

impl Verdict {
    #[must_use]
    pub const fn holds(&self) -> bool {
        matches!(self, Self::Holds)
    }

    fn of<E: ToString>(result: Result<(), E>) -> Self {
        match result {
            Ok(()) => Self::Holds,
            Err(error) => Self::Fails {
                reason: error.to_string(),
            },
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContentState {
    Present,
    Erased,
}

/// Who vouches for the time of logging.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeVouchedBy {
    /// The log alone, by its signed checkpoint over the entry.
    LogClock,
    Nobody,
}

/// Separate verdicts; there is deliberately no sum of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FactVerdicts {
    /// The content is what the fact id commits to.
    pub integrity: Verdict,
    /// The entry is in the tree of the receipt's checkpoint.
    pub completeness: Verdict,
    /// The checkpoint is signed by the given key.
    pub signer: Verdict,
    pub time: TimeVouchedBy,
    pub content: ContentState,
}

/// Judges a fact offline. `content` is the stored canonical text, `None` when
/// erased; `log_key` is the key the verifier trusts, from elsewhere than the
/// receipt.
#[must_use]
pub fn verify_fact(
    content: Option<&str>,
    receipt: &Receipt,
    log_key: &VerifierKey,
) -> FactVerdicts {
    let integrity = content.map_or_else(
        || Verdict::NotChecked {
            reason: "the content is erased; its commitment remains in the log".to_owned(),
        },
        |content| Verdict::of(check_content(content, receipt)),
    );
    let completeness = Verdict::of(check_inclusion(receipt));
    let signer = Verdict::of(Checkpoint::open(&receipt.checkpoint, log_key).map(drop));
    let time = if completeness.holds() && signer.holds() {
        TimeVouchedBy::LogClock
    } else {
        TimeVouchedBy::Nobody
    };
    let content = match content {
        Some(_) => ContentState::Present,
        None => ContentState::Erased,
    };
    FactVerdicts {
        integrity,
        completeness,
        signer,
        time,
        content,
    }
}

fn check_content(content: &str, receipt: &Receipt) -> Result<(), String> {
    let computed = fact_id(content);
    if computed != receipt.fact_id {
        let expected = receipt.fact_id;
        return Err(format!(
            "the content hashes to {computed}, not to the fact id {expected}"
        ));
    }
    SaltedFact::parse(content)
        .map(drop)
        .map_err(|error| error.to_string())
}

fn check_inclusion(receipt: &Receipt) -> Result<(), String> {
    let leaf = receipt.entry().leaf_hash();
    if leaf != receipt.leaf_hash {
        return Err("the leaf hash is not that of the fact id and logging time".to_owned());
    }
    let checkpoint =
        Checkpoint::parse_unverified(&receipt.checkpoint).map_err(|e| e.to_string())?;
    if checkpoint.size != receipt.tree_size {
        let (stated, signed) = (receipt.tree_size, checkpoint.size);
        return Err(format!(
            "the receipt states tree size {stated}, its checkpoint {signed}"
        ));
    }
    verify_inclusion(
        &leaf,
        receipt.leaf_index,
        checkpoint.size,
        &receipt.inclusion_proof,
        &checkpoint.root,
    )
    .map_err(|error| error.to_string())
}
