//! The `OpenPGP` signatures over the record and over the package.

use std::time::{SystemTime, UNIX_EPOCH};

use chitty_core::openpgp::{PublicKey, verify};

use super::archive::Archive;
use super::findings::{Code, Findings};

const KEYS: &str = "data/keys/fortress.asc";
const RUN: &str = "data/execution/execution.json";
const TAGS: &str = "tagmanifest-sha256.txt";
const END: &str = "-----END PGP PUBLIC KEY BLOCK-----";

/// Checks both, and returns the key that signed the run. Whether that key may be relied on for it
/// is another question where it was replaced or revoked since. `wanted` are the fingerprints
/// that the reader has from elsewhere, in upper case.
pub fn check(archive: &Archive, wanted: &[String], findings: &mut Findings) -> Option<PublicKey> {
    let keys = match keys(archive.text(KEYS).unwrap_or_default()) {
        Ok(keys) => keys,
        Err(problem) => {
            findings.add(Code::BadKey, Some(KEYS), problem);
            return None;
        }
    };
    let (run, tags) = (signed(archive, RUN, &keys), signed(archive, TAGS, &keys));
    let mut named: Vec<String> = Vec::new();
    for (path, signed) in [(RUN, &run), (TAGS, &tags)] {
        match signed {
            Ok(key) => named.push(key.fingerprint()),
            Err(problem) => {
                let place = format!("{path}.asc");
                findings.add(Code::BadSignature, Some(&place), problem.as_str());
            }
        }
    }
    named.dedup();
    for print in named.iter().filter(|print| !wanted.contains(print)) {
        if !wanted.is_empty() {
            let said = format!("{print} signed, and is none of {}", wanted.join(", "));
            findings.add(Code::OtherKey, Some(KEYS), said);
        }
    }
    run.ok().cloned()
}

/// One after another, each an armored block.
fn keys(text: &str) -> Result<Vec<PublicKey>, String> {
    let blocks = text
        .split_inclusive(END)
        .filter(|block| block.contains(END));
    let keys = blocks.map(|block| PublicKey::from_armor(block.trim()));
    let keys: Vec<PublicKey> = keys
        .collect::<Result<_, _>>()
        .map_err(|error| error.to_string())?;
    if keys.is_empty() {
        return Err("there is no key".to_owned());
    }
    Ok(keys)
}

/// The key that signed, before it was revoked: of the package only one that is not.
fn signed<'k>(
    archive: &Archive,
    path: &str,
    keys: &'k [PublicKey],
) -> Result<&'k PublicKey, String> {
    let place = format!("{path}.asc");
    let (Some(content), Some(signature)) = (archive.bytes(path), archive.text(&place)) else {
        return Err("it, or what it signs, is missing".to_owned());
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now_secs = now.map_or(0, |since| since.as_secs());
    let mut why = String::new();
    for key in keys {
        let before = key.before_revocation().map_err(|error| error.to_string())?;
        let checked = if path == RUN { &before } else { key };
        let verdict = verify(content, signature, checked, now_secs);
        if verdict.valid {
            return Ok(key);
        }
        let named = verdict.fingerprint.is_some_and(|print| key.has(&print));
        if named || why.is_empty() {
            why = verdict.sentence;
        }
    }
    Err(why)
}
