//! The log's side: checkpoint, proofs of facts, and that the tree extends an earlier one.

use std::collections::BTreeMap;

use chitty_core::chain::checkpoint::Checkpoint;
use chitty_core::chain::fact::{LogEntry, SaltedFact, fact_id};
use chitty_core::chain::hash::Hash;
use chitty_core::chain::keys::VerifierKey;
use chitty_core::chain::proof::LogProof;
use chitty_core::chain::verify::verify_consistency;

use super::archive::Archive;
use super::findings::{Code, Findings};

const CHECKPOINT: &str = "data/chain/checkpoint";
const PREVIOUS: &str = "data/chain/previous-checkpoint";
const CONSISTENCY: &str = "data/chain/consistency";
const POLICY: &str = "data/chain/policy";

/// Facts that are proven, by id.
pub type Proven = BTreeMap<Hash, Logged>;

/// A fact's place in the log.
#[derive(Debug, Clone)]
pub struct Logged {
    pub index: u64,
    pub at_ms: u64,
    /// None where its content was erased.
    pub fact: Option<SaltedFact>,
}

/// The log as the package proves it.
pub struct Tree<'a> {
    pub key: VerifierKey,
    /// The package's checkpoint, and what it says.
    note: &'a str,
    head: Checkpoint,
    pub facts: Proven,
}

/// The facts whose proofs hold under `wanted`, the log's key from elsewhere, or else under the
/// key that the package names. None if the checkpoint itself says nothing.
pub fn check<'a>(
    archive: &'a Archive,
    wanted: Option<&str>,
    findings: &mut Findings,
) -> Option<Tree<'a>> {
    let named = || {
        let policy = archive.text(POLICY)?;
        policy.lines().find_map(|line| line.strip_prefix("log "))
    };
    let key = wanted.or_else(named).unwrap_or_default();
    let key: VerifierKey = match key.parse() {
        Ok(key) => key,
        Err(error) => {
            findings.add(
                Code::BadKey,
                Some(POLICY),
                format!("the log's key: {error}"),
            );
            return None;
        }
    };
    let note = archive.text(CHECKPOINT).unwrap_or_default();
    let head = match Checkpoint::open(note, &key) {
        Ok(head) => head,
        Err(error) => {
            findings.add(Code::BadCheckpoint, Some(CHECKPOINT), error.to_string());
            return None;
        }
    };
    let facts = facts(archive, note, &key, findings);
    let tree = Tree {
        key,
        note,
        head,
        facts,
    };
    let has = |path| archive.files.contains_key(path);
    if (has(PREVIOUS) || has(CONSISTENCY))
        && let Err(problem) = tree.connects(archive, PREVIOUS, CONSISTENCY)
    {
        findings.add(Code::NotExtended, Some(CONSISTENCY), problem);
    }
    Some(tree)
}

/// `N` and kind of `data/chain/N.kind`.
fn parts(path: &str) -> Option<(&str, &str)> {
    let (index, kind) = path.strip_prefix("data/chain/")?.split_once('.')?;
    let digits = !index.is_empty() && index.bytes().all(|byte| byte.is_ascii_digit());
    digits.then_some((index, kind))
}

fn facts(archive: &Archive, note: &str, key: &VerifierKey, findings: &mut Findings) -> Proven {
    let mut proven = Proven::new();
    for path in archive.files.keys() {
        let Some((index, kind)) = parts(path) else {
            continue;
        };
        if kind != "tlog-proof" {
            if !archive
                .files
                .contains_key(&format!("data/chain/{index}.tlog-proof"))
            {
                findings.add(Code::NoProof, Some(path), "there is no proof of it");
            }
            continue;
        }
        match fact(archive, index, note, key) {
            Ok((id, logged)) => {
                proven.insert(id, logged);
            }
            Err((code, problem)) => findings.add(code, Some(path), problem),
        }
    }
    proven
}

fn fact(
    archive: &Archive,
    index: &str,
    note: &str,
    key: &VerifierKey,
) -> Result<(Hash, Logged), (Code, String)> {
    let bad = |problem: &dyn ToString| (Code::BadProof, problem.to_string());
    let path = |kind: &str| format!("data/chain/{index}.{kind}");
    let leaf = archive
        .text(&path("leaf"))
        .ok_or_else(|| bad(&"its leaf is missing"))?;
    let entry: LogEntry = serde_json::from_str(leaf).map_err(|error| bad(&error))?;
    if entry.canonical() != leaf {
        return Err(bad(&"its leaf is not in canonical form"));
    }
    let text = archive.text(&path("tlog-proof")).unwrap_or_default();
    let proof = LogProof::parse(text).map_err(|error| bad(&error))?;
    if proof.index.to_string() != index || proof.checkpoint != note {
        return Err(bad(
            &"it is of another index, or leads to another checkpoint",
        ));
    }
    if proof
        .extra
        .as_deref()
        .is_some_and(|extra| extra != leaf.as_bytes())
    {
        return Err(bad(&"it carries another leaf"));
    }
    proof
        .verify(&entry.leaf_hash(), key)
        .map_err(|error| bad(&error))?;
    let logged = Logged {
        index: proof.index,
        at_ms: entry.logged_at_ms,
        fact: None,
    };
    let Some(canonical) = archive.text(&path("fact.json")) else {
        return Ok((entry.fact_id, logged));
    };
    let other = |problem: &dyn ToString| (Code::OtherFact, problem.to_string());
    if fact_id(canonical) != entry.fact_id {
        return Err(other(&"its fact is not the one in the log"));
    }
    let fact = Some(SaltedFact::parse(canonical).map_err(|error| other(&error))?);
    Ok((entry.fact_id, Logged { fact, ..logged }))
}

impl Tree<'_> {
    /// The size of another checkpoint, proven to be of one log with the package's, whichever is
    /// the older. The proof's form is that of C2SP tlog-witness's add-checkpoint.
    pub fn connects(&self, archive: &Archive, path: &str, proof: &str) -> Result<u64, String> {
        let words = |error: &dyn ToString| error.to_string();
        let other = archive.text(path).ok_or("the checkpoint is missing")?;
        let there = Checkpoint::open(other, &self.key).map_err(|error| words(&error))?;
        let proof = archive.text(proof);
        if there.size == self.head.size && proof.is_none() {
            let same = there.root == self.head.root;
            let other_root = || "it has another root for the same size".to_owned();
            return same.then_some(there.size).ok_or_else(other_root);
        }
        let here = (&self.head, self.note);
        let (older, newer) = if there.size <= self.head.size {
            (&there, here)
        } else {
            (&self.head, (&there, other))
        };
        let text = proof.ok_or("the proof that they are of one log is missing")?;
        let (top, newest) = text
            .split_once("\n\n")
            .ok_or("there is no checkpoint in the proof")?;
        let mut lines = top.lines();
        if newest != newer.1 || lines.next() != Some(&format!("old {}", older.size)) {
            return Err("the proof is of other checkpoints".to_owned());
        }
        let hashes = lines.map(Hash::from_base64).collect::<Result<Vec<_>, _>>();
        let hashes = hashes.map_err(|error| words(&error))?;
        let newer = newer.0;
        verify_consistency(older.size, newer.size, &hashes, &older.root, &newer.root)
            .map_err(|error| words(&error))?;
        Ok(there.size)
    }
}
