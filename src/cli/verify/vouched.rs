//! Who else vouches for the log: a time stamp and cosignatures of a checkpoint that has the run.

use chitty_core::chain::hash::Hash;
use chitty_core::chain::note::Note;
use chitty_core::timestamp::{Stamp, TrustAnchors, verify};
use chitty_core::witness::policy::{WitnessPolicy, WitnessedBy};

use super::archive::Archive;
use super::findings::{Code, Findings};
use super::log::{Logged, Tree};

const STAMPED: &str = "data/time/checkpoint";
const REPLY: &str = "data/time/checkpoint.tsr";
const AUTHORITIES: &str = "data/time/authorities.pem";
const COSIGNED: &str = "data/witnesses/checkpoint";
const POLICY: &str = "data/witnesses/policy";

/// The stamp, checked under `given`, certificates from elsewhere, or else under those of the
/// package. None where there is none, or it fails.
pub fn stamp(
    archive: &Archive,
    tree: &Tree<'_>,
    run: Option<&Logged>,
    given: Option<&TrustAnchors>,
    findings: &mut Findings,
) -> Option<Stamp> {
    if !there(archive, &[STAMPED, REPLY, AUTHORITIES]) {
        return None;
    }
    let checked = covers(archive, tree, run, "time").and_then(|()| {
        let named = || {
            let pem = archive.text(AUTHORITIES).unwrap_or_default();
            TrustAnchors::from_pem(pem).map_err(|error| error.to_string())
        };
        let anchors = given.cloned().map_or_else(named, Ok)?;
        let hash = Hash::of(archive.bytes(STAMPED).unwrap_or_default());
        let reply = archive.bytes(REPLY).ok_or("the stamp is missing")?;
        verify(reply, &hash, None, &anchors).map_err(|error| error.to_string())
    });
    checked
        .map_err(|problem| findings.add(Code::BadStamp, Some(REPLY), problem))
        .ok()
}

/// Who cosigned, by the policy `given` from elsewhere, or else by that of the package. None where
/// nobody did, or they are no quorum.
pub fn witnesses(
    archive: &Archive,
    tree: &Tree<'_>,
    run: Option<&Logged>,
    given: Option<&WitnessPolicy>,
    findings: &mut Findings,
) -> Option<Vec<WitnessedBy>> {
    if !there(archive, &[COSIGNED, POLICY]) {
        return None;
    }
    let checked = covers(archive, tree, run, "witnesses").and_then(|()| {
        let named = || {
            let policy = archive.text(POLICY).unwrap_or_default();
            policy
                .parse::<WitnessPolicy>()
                .map_err(|error| error.to_string())
        };
        let policy = given.cloned().map_or_else(named, Ok)?;
        let note = Note::parse(archive.text(COSIGNED).unwrap_or_default());
        let witnessed = note.and_then(|note| policy.judge(&note));
        let witnessed = witnessed.map_err(|error| error.to_string())?;
        if witnessed.quorum_met {
            return Ok(witnessed.by);
        }
        Err("those who cosigned are no quorum of the policy".to_owned())
    });
    checked
        .map_err(|problem| findings.add(Code::BadCosignature, Some(COSIGNED), problem))
        .ok()
}

fn there(archive: &Archive, paths: &[&str]) -> bool {
    paths.iter().any(|path| archive.files.contains_key(*path))
}

/// The checkpoint in that folder is of the log, and has the run.
fn covers(
    archive: &Archive,
    tree: &Tree<'_>,
    run: Option<&Logged>,
    folder: &str,
) -> Result<(), String> {
    let path = |name| format!("data/{folder}/{name}");
    let size = tree.connects(archive, &path("checkpoint"), &path("consistency"))?;
    match run {
        Some(run) if run.index >= size => Err("it is older than the run's fact".to_owned()),
        _ => Ok(()),
    }
}
