//! `BagIt` (RFC 8493): every file is listed with its hash, and nothing else is there.

use chitty_core::digest::sha256_hex;
use chitty_core::evidence::parse_manifest;

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
    let listed = std::str::from_utf8(text).ok().and_then(parse_manifest);
    let Some(listed) = listed else {
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
            Some(bytes) if sha256_hex(bytes) != *hash => {
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
