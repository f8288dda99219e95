//! Everything that is known of an execution when it is packaged.

use crate::chain::hash::Hash;
use crate::chain::receipt::ConsistencyProof;
use crate::execution::ExecutionView;
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
    /// None where the facts were left out.
    pub chain: Option<Chain>,
}

/// What the fortress signed, and what its key says of it now.
#[derive(Debug, Clone)]
pub struct SignedRun {
    /// The exact signed text.
    pub text: String,
    pub manifest: Manifest,
    pub signature: String,
    pub verdict: VerifyOutput,
}

/// Facts with proofs that all lead to one checkpoint.
#[derive(Debug, Clone)]
pub struct Chain {
    /// Of the execution, in the order in which it names them.
    pub facts: Vec<LoggedFact>,
    /// Custody events, oldest first.
    pub custody: Vec<LoggedFact>,
    /// Signed note of the tree in which all of them are proven.
    pub checkpoint: String,
    pub verifier_key: String,
    /// From the checkpoint of the owner's package before this one.
    pub previous: Option<ConsistencyProof>,
}

impl Chain {
    /// All facts, custody last.
    pub fn all(&self) -> impl Iterator<Item = &LoggedFact> {
        self.facts.iter().chain(&self.custody)
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
