//! What tells of erasures in the log.

use super::{PREDICATE, RUN};
use crate::audit::recorder::SOURCE;
use crate::chain::fact::Fact;
use crate::chain::hash::Hash;
use crate::chain::receipt::StoredFact;
use crate::digest::sha256_hex;
use crate::ledger::{AppendRequest, Keyed};

/// How the keys begin of facts that tell of erasures of this execution or run.
pub(in crate::audit) fn erasures_of(what: &str) -> String {
    format!("erase:{what}:")
}

/// The fact of an erasure, which is logged before it.
pub(in crate::audit) fn telling(stored: &StoredFact) -> Option<&Fact> {
    let fact = stored.content.fact();
    fact.filter(|fact| fact.predicate == PREDICATE && fact.source == SOURCE)
}

/// What tells of erasures of this execution or run, among facts whose keys begin so. Keys of one
/// whose id goes on where this one's ends begin so too.
pub(in crate::audit) fn tellings_of(what: &str, keyed: Keyed) -> impl Iterator<Item = StoredFact> {
    let subjects = ["execution:", RUN].map(|kind| format!("{kind}{what}"));
    let facts = keyed.facts.into_iter().map(|fact| fact.stored);
    facts.filter(move |stored| telling(stored).is_some_and(|fact| subjects.contains(&fact.subject)))
}

/// The facts that it names.
pub(in crate::audit) fn told_erased(stored: &StoredFact) -> Vec<Hash> {
    let ids = telling(stored)
        .map_or("", |fact| fact.object.as_str())
        .split(' ');
    ids.filter_map(|id| Hash::from_hex(id).ok()).collect()
}

/// The fact that names what was erased.
pub(in crate::audit) struct Telling<'a> {
    pub of: Option<&'a str>,
    pub run: Option<&'a str>,
    pub owner: &'a str,
    pub facts: &'a [Hash],
    pub reason: &'a str,
    pub authority: &'a str,
    pub ordered_by: &'a str,
    pub now_ms: i64,
}

impl Telling<'_> {
    pub fn request(&self) -> AppendRequest {
        let ids: Vec<String> = self.facts.iter().map(Hash::to_string).collect();
        let named = if ids.is_empty() {
            "none".to_owned()
        } else {
            ids.join(" ")
        };
        let metadata = [
            ("user_id", self.owner),
            ("reason", self.reason),
            ("authority", self.authority),
            ("ordered_by", self.ordered_by),
        ];
        let metadata = metadata.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let (kind, what) = match self.of {
            Some(execution) => ("execution:", execution),
            None => (RUN, self.run.unwrap_or_default()),
        };
        let now_ms = u64::try_from(self.now_ms).unwrap_or_default();
        AppendRequest {
            // Erasing again is told of again.
            idempotency_key: format!("{}{now_ms}:{}", erasures_of(what), sha256_hex(&named)),
            fact: Fact {
                subject: format!("{kind}{what}"),
                predicate: PREDICATE.to_owned(),
                object: named,
                source: SOURCE.to_owned(),
                timestamp_ms: now_ms,
                execution_id: self.of.map(str::to_owned),
                evidence_id: None,
                metadata: metadata.into(),
            },
        }
    }
}
