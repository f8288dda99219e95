//! Packages, as `chitty verify` judges them. An input is a zip, or changes to the files of the
//! sample package, which are zipped again.
//!
//! - No changed package is accepted: integrity, completeness and signer hold only where every
//!   file is as it was. What stands over the tag manifest is covered by nothing but its own form.
//! - No zip takes more time or memory than its limits allow (`libFuzzer` looks at both).

#![no_main]

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::LazyLock;

use chitty_core::digest::sha256_hex;
use chitty_fuzz::Reader;
use clap::Parser;
use libfuzzer_sys::fuzz_target;
use rawzip::{ZipArchive, ZipArchiveWriter};

#[path = "../../../src/cli/verify/mod.rs"]
#[expect(dead_code, reason = "the program's own way in is not taken here")]
mod verify;

const SAMPLE: &[u8] = include_bytes!("../../packages/legal-brief.zip");
const MANIFESTS: [&str; 2] = ["manifest-sha256.txt", "tagmanifest-sha256.txt"];

type Files = BTreeMap<String, Vec<u8>>;

/// The command line, for the keys that it names.
#[derive(Parser)]
struct Line {
    #[command(flatten)]
    verify: verify::Arguments,
}

struct World {
    files: Files,
    line: Line,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let zip = ZipArchive::from_slice(SAMPLE).unwrap();
    let mut entries = zip.entries();
    let mut files = Files::new();
    while let Some(entry) = entries.next_entry().unwrap() {
        let path = str::from_utf8(entry.file_path().as_bytes()).unwrap();
        let (_, path) = path.split_once('/').unwrap();
        let data = zip.get_entry(entry.wayfinder()).unwrap().data().to_vec();
        files.insert(path.to_owned(), data);
    }
    let keys = str::from_utf8(&files["data/keys/fingerprints.txt"]).unwrap();
    let key = |name: &str| {
        keys.lines()
            .find_map(|line| line.strip_prefix(name))
            .unwrap()
            .trim()
    };
    let words = [
        "chitty",
        "package",
        "--fingerprint",
        key("OpenPGP, of the run"),
        "--fingerprint",
        key("OpenPGP, of the package"),
        "--log-key",
        key("log"),
    ];
    World {
        line: Line::parse_from(words),
        files,
    }
});

fn holds(zip: &[u8]) -> bool {
    let report = serde_json::to_value(verify::judge(zip, &WORLD.line.verify)).unwrap();
    ["integrity", "completeness", "signer"]
        .iter()
        .all(|aspect| report[aspect]["verdict"] == "holds")
}

fn zipped(files: &Files) -> Vec<u8> {
    let mut zip = ZipArchiveWriter::new(Vec::new());
    for (path, bytes) in files {
        let path = rawzip::path::EntryPath::verbatim(format!("PKG/{path}").into_bytes());
        // A name that the form has no room for.
        let Ok((mut entry, config)) = zip.new_file(path).start() else {
            continue;
        };
        let mut writer = config.wrap(&mut entry);
        writer.write_all(bytes).unwrap();
        let (_, written) = writer.finish().unwrap();
        entry.finish(written).unwrap();
    }
    zip.finish().unwrap()
}

/// Both manifests, as a forger without a key can write them.
fn list_again(files: &mut Files) {
    for (manifest, of_payload) in MANIFESTS.into_iter().zip([true, false]) {
        let covered = |path: &str| path.starts_with("data/") == of_payload && is_covered(path);
        let lines = files
            .iter()
            .filter(|(path, _)| covered(path) && *path != MANIFESTS[1])
            .map(|(path, bytes)| format!("{}  {path}\n", sha256_hex(bytes)));
        let text = lines.collect::<String>();
        files.insert(manifest.to_owned(), text.into_bytes());
    }
}

fn is_covered(path: &str) -> bool {
    !path.starts_with("tagmanifest-sha256.txt.")
}

/// One change: which, of which file, and what it needs.
fn change(files: &mut Files, input: &mut Reader<'_>) {
    let what = input.octet();
    let number = usize::from(input.octet()) % files.len().max(1);
    let Some(path) = files.keys().nth(number).cloned() else {
        return;
    };
    let mut bytes = files.remove(&path).unwrap_or_default();
    let at = input.number().min(bytes.len());
    match what % 6 {
        0 => {}
        1 => {
            files.insert(path, bytes.split_off(at));
        }
        2 => {
            let new = input.area();
            let end = (at + new.len()).min(bytes.len());
            bytes.splice(at..end, new.iter().copied());
            files.insert(path, bytes);
        }
        3 => {
            bytes.splice(at..at, input.area().iter().copied());
            files.insert(path, bytes);
        }
        4 => {
            let name = String::from_utf8_lossy(input.area()).into_owned();
            files.insert(name, bytes.clone());
            files.insert(path, bytes);
        }
        _ => {
            let other = files.keys().nth(at % files.len().max(1)).cloned();
            let theirs = other.and_then(|other| files.insert(other, bytes));
            files.insert(path, theirs.unwrap_or_default());
        }
    }
}

fn changed(mut input: Reader<'_>) {
    let again = input.octet() & 1 == 1;
    let mut files = WORLD.files.clone();
    while !input.0.is_empty() {
        change(&mut files, &mut input);
    }
    if again {
        list_again(&mut files);
    }
    if holds(&zipped(&files)) {
        let covered = |files: &Files| {
            let mut files = files.clone();
            files.retain(|path, _| is_covered(path));
            files
        };
        assert_eq!(covered(&files), covered(&WORLD.files));
    }
}

fuzz_target!(init: assert!(holds(SAMPLE)), |input: &[u8]| {
    if input.starts_with(b"PK") {
        assert!(!holds(input));
    } else {
        changed(Reader(input));
    }
});
