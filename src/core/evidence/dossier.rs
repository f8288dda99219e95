//! Everything that is known of an execution when it is packaged.

use serde::Serialize;

use crate::anchoring::Anchoring;
use crate::chain::hash::Hash;
use crate::chain::receipt::ConsistencyProof;
use crate::execution::ExecutionView;
use crate::fortress::keys::{HistoryEntry, KeyStatus};
use crate::fortress::{Manifest, VerifyOutput};
use crate::ledger::LoggedFact;

#[derive(Debug, Clone)]
pub struct Dossier {
    pub package_id: String,
    pub created_ms: i64,
    pub case_id: Option<String>,
    /// Id that custody events are about.
    pub evidence_id: String,
    pub execution: ExecutionView,
    pub prompt_sha256: String,
    /// None at the level standard.
    pub run: Option<SignedRun>,
    /// The fortress's keys, the first one first; empty where nothing was signed.
    pub keys: Vec<HistoryEntry>,
    /// None where the facts were left out.
    pub chain: Option<Chain>,
}

impl Dossier {
    /// The key that signed the run.
    pub fn run_key(&self) -> Option<&HistoryEntry> {
        let print = &self.run.as_ref()?.verdict.key_fingerprint;
        self.keys.iter().find(|key| key.fingerprint == *print)
    }

    /// The key that signs packages now.
    pub fn active_key(&self) -> Option<&HistoryEntry> {
        let mut keys = self.keys.iter();
        keys.find(|key| key.status == KeyStatus::Active)
    }

    /// Those two, or the one that they are; none where no run is signed.
    pub fn signers(&self) -> impl Iterator<Item = &HistoryEntry> {
        let run = self.run_key();
        let other = self.active_key().filter(|active| run != Some(*active));
        run.into_iter().chain(run.and(other))
    }
}

/// What the fortress signed, and what its key says of it now.
#[derive(Debug, Clone)]
pub struct SignedRun {
    /// The exact signed text.
    pub text: String,
    pub manifest: Manifest,
    pub signature: String,
    pub verdict: VerifyOutput,
    /// What is to be said of the key; none where its signature holds.
    pub finding: Option<String>,
}

/// Facts with proofs that all lead to one checkpoint.
#[derive(Debug, Clone)]
pub struct Chain {
    /// Of the execution, in the order in which it names them.
    pub facts: Vec<LoggedFact>,
    /// Custody events, oldest first.
    pub custody: Vec<LoggedFact>,
    /// Of the keys that signed: how they came in, ended and were revoked.
    pub keys: Vec<LoggedFact>,
    /// Signed note of the tree in which all of them are proven.
    pub checkpoint: String,
    pub verifier_key: String,
    /// From the checkpoint of the owner's package before this one.
    pub previous: Option<ConsistencyProof>,
    pub anchors: Anchors,
}

/// What others vouch for of a tree that has the execution's facts.
#[derive(Debug, Clone, Serialize)]
pub struct Anchors {
    pub anchoring: Anchoring,
    /// That the stamped checkpoint and the package's are of one log, whichever is the older.
    /// None without a stamp, and where both are of one size.
    pub stamped: Option<ConsistencyProof>,
    /// The same of the cosigned checkpoint.
    pub witnessed: Option<ConsistencyProof>,
}

impl Chain {
    /// All facts, those of keys last.
    pub fn all(&self) -> impl Iterator<Item = &LoggedFact> {
        self.facts.iter().chain(&self.custody).chain(&self.keys)
    }
}

/// The bytes that a fact's id hashes; None where they were erased.
pub(super) fn canonical(fact: &LoggedFact) -> Option<&str> {
    fact.stored.content.canonical()
}

/// Those of `wanted` that are in `logged`, in the order wanted; the first that is not.
pub(super) fn in_order(wanted: &[Hash], logged: &[LoggedFact]) -> Result<Vec<LoggedFact>, Hash> {
    let find = |id: &Hash| {
        logged
            .iter()
            .find(|fact| fact.stored.fact_id == *id)
            .cloned()
    };
    wanted.iter().map(|id| find(id).ok_or(*id)).collect()
}
