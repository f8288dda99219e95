//! The log of facts as the services see it: a [`Ledger`] that appends and proves, its client
//! over HTTP, and the other side, the [`Log`], which the sequencer's Durable Object serves.
//!
//! Facts are also rows of `chitty_chain_facts`, for queries. The log is the truth: a row is
//! written after its entry, and every fact that has no row yet is written again until it has.

mod log;
mod pool;
mod projection;
mod prove;
pub mod published;
mod refusal;
mod remote;
mod said;
mod serve;
#[cfg(test)]
pub(crate) mod tests;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::anchoring::Anchoring;
use crate::chain::hash::Hash;
use crate::chain::receipt::{ConsistencyProof, InclusionProof, Receipt, StoredFact};
pub use crate::chain::sequencer::{AppendRequest, FactRef};

pub use log::{Alarm, Log, LogPorts, RETRY_MS};
pub use projection::emptied;
use projection::{project, project_apart};
pub use prove::{
    CheckpointInput, CheckpointOutput, ProveError, ProveInput, ProveOutput, checkpoint, extends,
    prove,
};
use refusal::Refusal;
pub(crate) use remote::ask;
pub use remote::{APPEND_MS, RemoteLedger};
pub use said::{held, said};
pub use serve::{Served, serve};

/// Facts asked for in one call.
pub const MAX_FACTS: usize = 100;
/// Facts of one beginning of keys that are told.
pub const MAX_KEYED: usize = 256;
/// Facts appended in one call.
pub const MAX_APPENDS: usize = 1_000;

#[async_trait(?Send)]
pub trait Ledger {
    /// Logs a fact exactly once for its key; repeat after any error.
    async fn append(&self, request: &AppendRequest) -> Result<Receipt, LedgerError>;

    /// Logs at most [`MAX_APPENDS`] facts, in one call; an outcome for each.
    async fn append_all(
        &self,
        requests: &[AppendRequest],
    ) -> Result<Vec<Result<Receipt, LedgerError>>, LedgerError>;

    /// Facts with their place in the newest tree; at most [`MAX_FACTS`]. A fact that is not
    /// in the log is absent from the answer.
    async fn facts(&self, facts: &[Hash]) -> Result<Vec<LoggedFact>, LedgerError>;

    /// For each of these, the facts whose idempotency keys begin with it: the oldest
    /// [`MAX_KEYED`], fewer if they are large. Without proofs, as [`Self::entries`].
    async fn keyed(&self, prefixes: &[String]) -> Result<Vec<Keyed>, LedgerError>;

    /// The newest facts, newest last; at most [`MAX_FACTS`], fewer if they are large.
    async fn recent(&self, count: usize) -> Result<Vec<LoggedFact>, LedgerError>;

    /// The facts from that place on, in order; at most [`MAX_FACTS`], fewer if they are large, and
    /// without those that are missing in the log's storage. None at the end of the log. Without
    /// proofs: whoever reads all of them can compute the root.
    async fn entries(&self, from: u64) -> Result<Vec<StoredFact>, LedgerError>;

    /// Deletes content and salt of a fact for good; every proof still holds. May be repeated.
    async fn erase(&self, fact: Hash) -> Result<StoredFact, LedgerError>;

    /// The newest signed checkpoint, and the key that signs.
    async fn head(&self) -> Result<Head, LedgerError>;

    /// The signed checkpoint of `size` facts.
    async fn checkpoint(&self, size: u64) -> Result<String, LedgerError>;

    /// A fact's place in the tree of `size` facts; the newest, if none is given.
    async fn inclusion(
        &self,
        fact: FactRef,
        size: Option<u64>,
    ) -> Result<InclusionProof, LedgerError>;

    async fn consistency(&self, first: u64, second: u64) -> Result<ConsistencyProof, LedgerError>;

    /// What witnesses and time stamping authorities vouch for of the first `size` facts: the
    /// smallest anchored checkpoints that cover them. Without a size: the newest ones.
    async fn anchoring(&self, size: Option<u64>) -> Result<Anchoring, LedgerError>;
}

/// A fact as stored, and its proof against the newest checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoggedFact {
    pub stored: StoredFact,
    pub receipt: Receipt,
}

/// A fact as stored, and the key that it was logged under, which stays when its content goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyedFact {
    pub key: String,
    pub stored: StoredFact,
}

/// The facts whose keys begin alike, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keyed {
    pub facts: Vec<KeyedFact>,
    /// There are others, which are not told.
    pub more: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Signed note (C2SP tlog-checkpoint).
    pub checkpoint: String,
    /// Verifier key text (C2SP signed-note).
    pub verifier_key: String,
}

/// Requests to the sequencer, as JSON.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Command {
    Append(AppendRequest),
    AppendAll(Vec<AppendRequest>),
    Facts(Vec<Hash>),
    Keyed(Vec<String>),
    Recent(usize),
    Entries(u64),
    Erase(Hash),
    Head,
    Checkpoint(u64),
    Inclusion { fact: FactRef, size: Option<u64> },
    Consistency { first: u64, second: u64 },
}

/// The facts that fit into one answer: of the first `asked` that were asked for.
#[derive(Debug, Serialize, Deserialize)]
struct Found {
    asked: usize,
    facts: Vec<LoggedFact>,
}

/// The outcome for one of many facts, as JSON.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Appended {
    Receipt(Receipt),
    Refused(Refusal),
}

impl From<Result<Receipt, Refusal>> for Appended {
    fn from(outcome: Result<Receipt, Refusal>) -> Self {
        match outcome {
            Ok(receipt) => Self::Receipt(receipt),
            Err(refusal) => Self::Refused(refusal),
        }
    }
}

#[derive(Debug, Clone, thiserror::Error)]
pub enum LedgerError {
    /// The fact may be logged or not: repeat with the same key.
    #[error("the log did not answer, try again: {0}")]
    Unavailable(String),
    #[error("the log refused it ({code}): {message}")]
    Refused { code: String, message: String },
}

impl LedgerError {
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unavailable(_) => "CHAIN_UNAVAILABLE",
            Self::Refused { .. } => "CHAIN_REFUSED",
        }
    }
}
