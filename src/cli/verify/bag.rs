//! `BagIt` (RFC 8493): every file is listed with its hash, and nothing else is there.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::archive::Archive;
use super::findings::{Code, Findings};

const DECLARATION: &[u8] = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n";
const MANIFEST: &str = "manifest-sha256.txt";
const TAG_MANIFEST: &str = "tagmanifest-sha256.txt";
/// What stands over the tag manifest, and so cannot be in it.
const OVER_TAG_MANIFEST: [&str; 4] = [
    TAG_MANIFEST,
    "tagmanifest-sha256.txt.asc",
    "tagmanifest-sha256.txt.tsq",
    "tagmanifest-sha256.txt.tsr",
];

pub fn check(archive: &Archive, findings: &mut Findings) {
    if archive.files.get("bagit.txt").map(Vec::as_slice) != Some(DECLARATION) {
        let said = "missing, or not the declaration of BagIt 1.0 in UTF-8";
        findings.add(Code::NotABag, Some("bagit.txt"), said);
    }
    let payload = |path: &str| path.starts_with("data/");
    let tag = |path: &str| !payload(path) && !OVER_TAG_MANIFEST.contains(&path);
    check_manifest(archive, MANIFEST, payload, findings);
    check_manifest(archive, TAG_MANIFEST, tag, findings);
}

/// The manifest must list exactly the files that `covers` takes.
fn check_manifest(
    archive: &Archive,
    name: &str,
    covers: impl Fn(&str) -> bool,
    findings: &mut Findings,
) {
    let Some(text) = archive.files.get(name) else {
        findings.add(
            Code::NotABag,
            Some(name),
            "missing: nothing says which files belong to the package",
        );
        return;
    };
    let Some(listed) = parse(text) else {
        let said = "not lines of a SHA-256 hash, two spaces and a path, each path once";
        findings.add(Code::NotABag, Some(name), said);
        return;
    };
    for (path, hash) in &listed {
        match archive.files.get(*path) {
            _ if !covers(path) => {
                findings.add(
                    Code::NotABag,
                    Some(path),
                    format!("does not belong in {name}"),
                );
            }
            None => findings.add(Code::MissingFile, Some(path), format!("listed in {name}")),
            Some(bytes) if hex::encode(Sha256::digest(bytes)) != *hash => {
                findings.add(
                    Code::AlteredFile,
                    Some(path),
                    format!("not the hash in {name}"),
                );
            }
            Some(_) => {}
        }
    }
    for path in archive.files.keys().filter(|path| covers(path)) {
        if !listed.contains_key(path.as_str()) {
            findings.add(Code::ExtraFile, Some(path), format!("not listed in {name}"));
        }
    }
}

/// Paths and lower-case hashes.
fn parse(text: &[u8]) -> Option<BTreeMap<&str, &str>> {
    let text = std::str::from_utf8(text).ok()?;
    let mut listed = BTreeMap::new();
    for line in text.strip_suffix('\n')?.split('\n') {
        let (hash, path) = line.split_once("  ")?;
        let digit = |c: u8| c.is_ascii_digit() || (b'a'..=b'f').contains(&c);
        let first = hash.len() == 64 && hash.bytes().all(digit) && !path.is_empty();
        if !first || listed.insert(path, hash).is_some() {
            return None;
        }
    }
    Some(listed)
}
