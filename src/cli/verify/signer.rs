//! The `OpenPGP` signatures over the record and over the package.

use std::time::{SystemTime, UNIX_EPOCH};

use chitty_core::openpgp::{PublicKey, verify};

use super::archive::Archive;
use super::findings::{Code, Findings};

const KEY: &str = "data/keys/fortress.asc";
const SIGNED: [&str; 2] = ["data/execution/execution.json", "tagmanifest-sha256.txt"];

/// `wanted` is the fingerprint that the reader has from elsewhere, in upper case.
pub fn check(archive: &Archive, wanted: Option<&str>, findings: &mut Findings) {
    let key = archive
        .text(KEY)
        .ok_or_else(|| "missing".to_owned())
        .and_then(|armor| PublicKey::from_armor(armor).map_err(|error| error.to_string()));
    let key = match key {
        Ok(key) => key,
        Err(problem) => return findings.add(Code::BadKey, Some(KEY), problem),
    };
    if let Some(wanted) = wanted.filter(|wanted| *wanted != key.fingerprint()) {
        let said = format!("its fingerprint is {}, not {wanted}", key.fingerprint());
        findings.add(Code::OtherKey, Some(KEY), said);
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now_secs = now.map_or(0, |since| since.as_secs());
    for path in SIGNED {
        let place = format!("{path}.asc");
        let (Some(content), Some(signature)) = (archive.bytes(path), archive.text(&place)) else {
            findings.add(
                Code::BadSignature,
                Some(&place),
                "it, or what it signs, is missing",
            );
            continue;
        };
        let verdict = verify(content, signature, &key, now_secs);
        if !verdict.valid {
            findings.add(Code::BadSignature, Some(&place), verdict.sentence);
        }
    }
}
