//! What the package is about: the signed record, its texts, and the custody.

use std::collections::BTreeSet;

use chitty_core::chain::fact::{Fact, fact_id};
use chitty_core::digest::sha256_hex;
use chitty_core::fortress::Manifest;

use super::archive::Archive;
use super::findings::{Code, Findings};
use super::log::{Logged, Proven};

const RECORD: &str = "data/execution/execution.json";
const SIGNATURE: &str = "data/execution/execution.json.asc";
const CUSTODY: &str = "data/custody/custody.jsonl";
const CUSTODY_EVENT: &str = "custody_event";
/// Who logs runs, and who logs custody; no caller may use either.
const FORTRESS: &str = "fortress-mcp";
const COORDINATOR: &str = "chittyos-coordinator";

/// The fact that the log has this very record and signature.
pub fn logged<'p>(archive: &Archive, proven: &'p Proven) -> Option<&'p Logged> {
    let hash = |path| sha256_hex(archive.bytes(path).unwrap_or_default());
    let mine = [
        ("manifest_sha256", hash(RECORD)),
        ("signature_sha256", hash(SIGNATURE)),
    ];
    let records = |fact: &Fact| {
        let says = |(name, hash): &(&str, String)| fact.metadata.get(*name) == Some(hash);
        fact.source == FORTRESS && mine.iter().all(says)
    };
    proven.values().find(|logged| {
        logged
            .fact
            .as_ref()
            .is_some_and(|salted| records(&salted.fact))
    })
}

/// The record is of these texts, and the log has record and signature.
pub fn check(archive: &Archive, proven: &Proven, findings: &mut Findings) {
    let text = archive.text(RECORD).unwrap_or_default();
    let manifest = match Manifest::parse(text) {
        Ok(manifest) => manifest,
        Err(fault) => return findings.add(Code::OtherRecord, Some(RECORD), fault.to_string()),
    };
    for (path, hash) in [
        ("data/execution/prompt", &manifest.prompt_sha256),
        ("data/execution/output", &manifest.output_sha256),
    ] {
        if archive
            .bytes(path)
            .is_some_and(|bytes| sha256_hex(bytes) != *hash)
        {
            findings.add(
                Code::OtherRecord,
                Some(path),
                "not the text that was signed",
            );
        }
    }
    if erased(proven) == 0 && logged(archive, proven).is_none() {
        findings.add(
            Code::NotLogged,
            Some(RECORD),
            "no fact in the log records this execution",
        );
    }
}

fn is_custody(fact: &Fact) -> bool {
    fact.predicate == CUSTODY_EVENT && fact.source == COORDINATOR
}

/// Facts whose content is not there.
pub fn erased(proven: &Proven) -> usize {
    let erased = proven.values().filter(|logged| logged.fact.is_none());
    erased.count()
}

/// Every event is proven, every proven event is listed, and no number is left out.
pub fn custody(archive: &Archive, proven: &Proven, findings: &mut Findings) {
    let mut add = |code, said: &str| findings.add(code, Some(CUSTODY), said);
    let Some(text) = archive.text(CUSTODY) else {
        return add(Code::OtherCustody, "missing, or not text");
    };
    let listed: Vec<_> = text.lines().map(fact_id).collect();
    let facts: Vec<&Fact> = listed
        .iter()
        .filter_map(|id| Some(&proven.get(id)?.fact.as_ref()?.fact))
        .filter(|fact| is_custody(fact))
        .collect();
    let all = proven.values().filter_map(|logged| logged.fact.as_ref());
    let events = all.filter(|salted| is_custody(&salted.fact)).count();
    let unique: BTreeSet<_> = listed.iter().collect();
    if facts.len() != listed.len() || facts.len() != events || unique.len() != events {
        return add(
            Code::OtherCustody,
            "its lines are not the events that are proven",
        );
    }
    let number = |fact: &&Fact| fact.metadata.get("sequence")?.parse::<usize>().ok();
    let numbers: Vec<Option<usize>> = facts.iter().map(number).collect();
    let rising = numbers
        .windows(2)
        .all(|pair| matches!(pair, [one, other] if one < other));
    let last = numbers.last().copied().flatten().unwrap_or_default();
    if numbers.contains(&None) || !rising || last > numbers.len() + erased(proven) {
        add(
            Code::CustodyGap,
            "a numbered event is missing, or they are out of order",
        );
    }
}

/// Whether prompt, answer and every fact are there.
pub fn is_whole(archive: &Archive, proven: &Proven) -> bool {
    let texts = ["data/execution/prompt", "data/execution/output"];
    texts.iter().all(|path| archive.files.contains_key(*path)) && erased(proven) == 0
}
