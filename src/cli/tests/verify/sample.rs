//! The sample as it is, under keys that are known, not known, and others.

use std::process::{Command, Output};

use super::package::{Package, SAMPLE, scratch};
use serde_json::Value;

/// Values that a reader has from elsewhere: those of the sample's keys.
pub struct Known {
    /// Of the run's key and, where that is another one, the package's.
    pub fingerprint: String,
    pub log_key: String,
}

impl Known {
    pub fn of_sample() -> Self {
        Self::of(&Package::sample())
    }

    pub fn of(package: &Package) -> Self {
        let text = String::from_utf8(package.files["data/keys/fingerprints.txt"].clone()).unwrap();
        let value = |name: &str| {
            let line = text
                .lines()
                .find_map(|line| line.strip_prefix(name))
                .unwrap();
            line.trim().to_owned()
        };
        let mut prints = vec![
            value("OpenPGP, of the run"),
            value("OpenPGP, of the package"),
        ];
        prints.dedup();
        Self {
            fingerprint: prints.join(","),
            log_key: value("log"),
        }
    }

    pub fn options(&self) -> [&str; 4] {
        [
            "--fingerprint",
            &self.fingerprint,
            "--log-key",
            &self.log_key,
        ]
    }
}

/// The report and the exit code.
pub fn chitty(zip: &[u8], options: &[&str]) -> (Value, i32) {
    let file = scratch().join("package.zip");
    std::fs::write(&file, zip).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_chitty"));
    let Output { status, stdout, .. } = command
        .args(["verify", "--json"])
        .args(options)
        .arg(&file)
        .output()
        .unwrap();
    std::fs::remove_dir_all(file.parent().unwrap()).unwrap();
    (
        serde_json::from_slice(&stdout).unwrap_or_default(),
        status.code().unwrap(),
    )
}

pub fn codes(report: &Value) -> Vec<&str> {
    let findings = report["findings"].as_array().unwrap();
    findings
        .iter()
        .map(|finding| finding["code"].as_str().unwrap())
        .collect()
}

#[test]
fn the_sample_holds_under_the_keys_known_from_elsewhere() {
    let (report, code) = chitty(SAMPLE, &Known::of_sample().options());
    assert_eq!(code, 0, "{report:#}");
    for aspect in ["integrity", "completeness", "signer", "content"] {
        assert_eq!(report[aspect]["verdict"], "holds", "{aspect}");
    }
    for aspect in ["time", "witnesses"] {
        assert_eq!(report[aspect]["verdict"], "not_checked", "{aspect}");
        let reason = report[aspect]["reason"].as_str().unwrap();
        assert!(reason.contains("from elsewhere"), "{aspect}: {reason}");
    }
    assert_eq!(report["findings"].as_array().unwrap().len(), 0);
}

#[test]
fn without_known_keys_nobody_is_vouched_for() {
    let (report, code) = chitty(SAMPLE, &[]);
    assert_eq!(
        (report["signer"]["verdict"].as_str(), code),
        (Some("not_checked"), 3)
    );
    let (_, code) = chitty(SAMPLE, &["--policy", "integrity,completeness"]);
    assert_eq!(code, 0);
    let (_, code) = chitty(SAMPLE, &["--policy", "time"]);
    assert_eq!(code, 3);
}

#[test]
fn another_key_is_another_signer() {
    let known = Known::of_sample();
    let other = "0".repeat(40);
    let (report, code) = chitty(
        SAMPLE,
        &["--fingerprint", &other, "--log-key", &known.log_key],
    );
    assert_eq!((codes(&report), code), (vec!["other_key"], 1));
    // The C2SP example's key.
    let log_key = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    let (report, code) = chitty(
        SAMPLE,
        &["--fingerprint", &known.fingerprint, "--log-key", log_key],
    );
    assert_eq!(
        (codes(&report), code),
        (vec!["bad_checkpoint", "not_logged"], 1)
    );
    assert_eq!(report["completeness"]["verdict"], "not_checked");
}

#[test]
fn erased_content_is_neither_a_fault_nor_present() {
    let mut package = Package::sample();
    for path in ["data/chain/2.fact.json", "data/execution/prompt"] {
        package.files.remove(path).unwrap();
    }
    let custody = package.files.get_mut("data/custody/custody.jsonl").unwrap();
    let end = custody.iter().position(|byte| *byte == b'\n').unwrap();
    custody.drain(..=end);
    package.list_again();
    let (report, code) = chitty(&package.zip(), &["--policy", "integrity,completeness"]);
    assert_eq!(code, 0, "{report:#}");
    assert_eq!(report["content"]["verdict"], "fails");
    // Who made this package is another matter: its tag manifest is not the one signed.
    assert_eq!(codes(&report), ["bad_signature"]);
}

#[test]
fn a_run_whose_fact_is_not_shown_is_not_taken_for_logged() {
    let mut package = Package::sample();
    let is_fact = |path: &str| path.starts_with("data/chain/") && path.ends_with(".fact.json");
    package.files.retain(|path, _| !is_fact(path));
    let custody = "data/custody/custody.jsonl".to_owned();
    package.files.insert(custody, Vec::new());
    package.list_again();
    let (report, code) = chitty(&package.zip(), &["--policy", "integrity,completeness"]);
    assert_eq!(
        report["completeness"]["verdict"], "not_checked",
        "{report:#}"
    );
    assert_eq!(code, 3);
}

#[test]
fn what_is_not_there_cannot_be_checked() {
    let missing = Command::new(env!("CARGO_BIN_EXE_chitty"))
        .args(["verify", "/no/such/file"])
        .output()
        .unwrap();
    assert_eq!(missing.status.code(), Some(2));
}
