//! Keys that were replaced or revoked since they signed: what they signed stands by its place in
//! the log, as the facts of the key's own history in the package prove it.

use chitty_core::chain::fact::Fact;
use chitty_core::openpgp::{PublicKey, Revocation};
use serde::Deserialize;

use super::findings::{Code, Findings};
use super::log::{Logged, Proven};

const SIGNATURE: &str = "data/execution/execution.json.asc";
/// Who logs what becomes of keys; no caller may use it.
const SOURCE: &str = "fortress-keys";
const ENDED: &str = "no_longer_signs";
const COMPROMISED: &str = "revoked_as_compromised";
const REVOKED: [&str; 3] = ["revoked_as_superseded", "revoked_as_retired", COMPROMISED];

/// What the fact of a revocation says.
#[derive(Deserialize)]
struct Statement {
    compromised_at_ms: u64,
}

/// Whether the key may be relied on for the run, which is `run` in the log. Of a compromised key
/// never; then this says whether the run is provably logged, and with `stamped_by_ms` also
/// stamped, before the declared time.
pub fn check(
    key: &PublicKey,
    run: Option<&Logged>,
    proven: &Proven,
    stamped_by_ms: Option<u64>,
    findings: &mut Findings,
) -> Option<bool> {
    let ends = ends(key, proven);
    let hard = ends.iter().find(|(_, fact)| fact.predicate == COMPROMISED);
    if hard.is_some() || key.revocation() == Some(Revocation::Hard) {
        let before = run
            .zip(hard)
            .is_some_and(|(run, (index, fact))| precedes(run, *index, fact, stamped_by_ms));
        let said = if before {
            "its key was revoked as compromised; the run is provably logged before the declared time: judge it apart"
        } else {
            "its key was revoked as compromised, and the run is not provably logged before the declared time"
        };
        findings.add(Code::KeyRevoked, Some(SIGNATURE), said);
        return Some(before);
    }
    let is_told = ends
        .iter()
        .any(|(_, fact)| REVOKED.contains(&fact.predicate.as_str()));
    if key.revocation().is_some() && !is_told {
        let said = "its key was revoked, and no fact in the package says where in the log";
        findings.add(Code::KeyRevoked, Some(SIGNATURE), said);
        return None;
    }
    let first = ends.iter().map(|(index, _)| *index).min();
    if first.is_some_and(|first| run.is_none_or(|run| run.index >= first)) {
        let said = "the run is not proven to be logged before its key was replaced or revoked";
        findings.add(Code::KeyReplaced, Some(SIGNATURE), said);
    }
    None
}

/// Facts of the key's end and of its revocations, with their places.
fn ends<'p>(key: &PublicKey, proven: &'p Proven) -> Vec<(u64, &'p Fact)> {
    let subject = format!("fortress:key:{}", key.fingerprint());
    let of_end = |fact: &Fact| fact.predicate == ENDED || REVOKED.contains(&&*fact.predicate);
    let facts = proven
        .values()
        .filter_map(|logged| Some((logged.index, &logged.fact.as_ref()?.fact)));
    facts
        .filter(|(_, fact)| fact.subject == subject && fact.source == SOURCE && of_end(fact))
        .collect()
}

/// A stamp counts where there is one: the log's own time is the word of who holds its key.
fn precedes(run: &Logged, index: u64, fact: &Fact, stamped_by_ms: Option<u64>) -> bool {
    let statement = fact.metadata.get("statement");
    let statement = statement.and_then(|text| serde_json::from_str::<Statement>(text).ok());
    statement.is_some_and(|said| {
        let at = run.at_ms.max(stamped_by_ms.unwrap_or(0));
        run.index < index && at < said.compromised_at_ms
    })
}
