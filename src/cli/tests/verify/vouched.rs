//! Time stamps and cosignatures of the sample, under authorities and witnesses from elsewhere.

use std::path::Path;

use chitty_core::chain::keys::SecretKey;
use chitty_core::chain::note::Note;
use chitty_core::witness::keys::{CosignerKey, CosignerSecret};
use serde_json::Value;

use super::package::{Package, SAMPLE, scratch};
use super::sample::{Known, chitty, codes};

/// The report under copies that reached the reader in another way.
fn report(zip: &[u8], authorities: &[u8], witnesses: &[u8]) -> (Value, i32) {
    let copies = scratch();
    let copy = |name: &str, bytes: &[u8]| {
        let path = copies.join(name);
        std::fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (authorities, witnesses) = (copy("pem", authorities), copy("policy", witnesses));
    let known = Known::of_sample();
    let mut options = known.options().to_vec();
    options.extend(["--authorities", &authorities, "--witnesses", &witnesses]);
    options.extend(["--policy", "time,witnesses"]);
    let done = chitty(zip, &options);
    std::fs::remove_dir_all(Path::new(&authorities).parent().unwrap()).unwrap();
    done
}

fn file(path: &str) -> Vec<u8> {
    Package::sample().files[path].clone()
}

const PEM: &str = "data/time/authorities.pem";
const POLICY: &str = "data/witnesses/policy";

#[test]
fn both_hold_under_known_certificates_and_keys() {
    let (report, code) = report(SAMPLE, &file(PEM), &file(POLICY));
    assert_eq!((code, codes(&report)), (0, vec![]), "{report:#}");
    for aspect in ["time", "witnesses"] {
        assert_eq!(report[aspect]["verdict"], "holds", "{aspect}");
    }
    let authority = report["stamp"]["authority"].as_str().unwrap();
    assert!(authority.contains("Example tsa"), "{authority}");
    assert_eq!(report["cosigned_by"].as_array().unwrap().len(), 2);
}

#[test]
fn others_are_not_those_who_vouched() {
    let policy = String::from_utf8(file(POLICY)).unwrap();
    let one = policy.replace("group g 2 a b", "group g any a b");
    let (fine, code) = report(SAMPLE, &file(PEM), one.as_bytes());
    assert_eq!(code, 0, "{fine:#}");
    let nobody = policy.replace("quorum g", "quorum none");
    let (refused, code) = report(SAMPLE, &file(PEM), nobody.as_bytes());
    assert_eq!(
        (code, codes(&refused)),
        (1, vec!["bad_cosignature"]),
        "{refused:#}"
    );
}

/// A witness whose key is of ML-DSA-44 joins those of the sample.
#[test]
fn a_quorum_counts_ml_dsa_44_cosignatures() {
    let secret = CosignerSecret::from_seed(6, &[9; 32]).unwrap();
    let key = CosignerKey::new("witness.example/new", secret).unwrap();
    let policy = String::from_utf8(file(POLICY)).unwrap();
    let joined = format!(
        "witness new {}\ngroup all all g new\nquorum all",
        key.verifier()
    );
    let policy = policy.replace("quorum g", &joined);
    let (report_before, code) = report(SAMPLE, &file(PEM), policy.as_bytes());
    assert_eq!(
        (code, codes(&report_before)),
        (1, vec!["bad_cosignature"]),
        "{report_before:#}"
    );
    let path = "data/witnesses/checkpoint";
    for (altered, verdict, by) in [(false, "holds", 3), (true, "fails", 0)] {
        let mut package = Package::sample();
        let note = std::str::from_utf8(&package.files[path]).unwrap();
        let mut note = Note::parse(note).unwrap();
        let mut line = key.cosign(note.text(), 1_795_262_350).unwrap();
        line.signature[1000] ^= u8::from(altered);
        note.add_signature(line).unwrap();
        package
            .files
            .insert(path.to_owned(), note.to_string().into_bytes());
        package.list_again();
        let (report, _) = report(&package.zip(), &file(PEM), policy.as_bytes());
        assert_eq!(report["witnesses"]["verdict"], verdict, "{report:#}");
        let cosigned_by = report["cosigned_by"].as_array();
        assert_eq!(cosigned_by.map_or(0, Vec::len), by, "{report:#}");
    }
}

#[test]
fn what_was_touched_is_named_by_its_aspect() {
    for (path, code, aspect) in [
        ("data/time/checkpoint.tsr", "bad_stamp", "time"),
        ("data/time/checkpoint", "bad_stamp", "time"),
        ("data/time/consistency", "bad_stamp", "time"),
        ("data/witnesses/checkpoint", "bad_cosignature", "witnesses"),
        ("data/witnesses/consistency", "bad_cosignature", "witnesses"),
    ] {
        for removed in [false, true] {
            let mut package = Package::sample();
            let bytes = package.files.get_mut(path).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            if removed {
                package.files.remove(path).unwrap();
            }
            package.list_again();
            let (report, _) = report(&package.zip(), &file(PEM), &file(POLICY));
            assert!(codes(&report).contains(&code), "{path}: {report:#}");
            assert_eq!(report[aspect]["verdict"], "fails", "{path}");
            assert_eq!(report["completeness"]["verdict"], "holds", "{path}");
        }
    }
}
