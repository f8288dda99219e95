//! Runs whose key was replaced and revoked since: each of the three checkers says the same.

use super::package::{COMPROMISED, Package, SUPERSEDED};
use super::sample::{Known, chitty, codes};
use super::tampering::{python, shell};

#[test]
fn a_run_logged_before_its_key_was_superseded_stands() {
    let package = Package::of(SUPERSEDED);
    let known = Known::of(&package);
    assert_eq!(known.fingerprint.len(), 81, "two keys signed");
    let (report, code) = chitty(SUPERSEDED, &known.options());
    assert_eq!((code, codes(&report)), (0, vec![]), "{report:#}");
    assert!(report.get("run_before_compromise").is_none());
    let folder = package.unpack();
    for (code, said) in [python(&folder, &known), shell(&folder, &known)] {
        assert_eq!(code, 0, "{said}");
    }
    std::fs::remove_dir_all(folder).unwrap();
    // Each of the two has to be known.
    for one in known.fingerprint.split(',') {
        let options = ["--fingerprint", one, "--log-key", &known.log_key];
        let (report, code) = chitty(SUPERSEDED, &options);
        assert_eq!((code, codes(&report)), (1, vec!["other_key"]), "{report:#}");
    }
}

#[test]
fn without_the_fact_of_the_revocation_nothing_says_that_the_run_came_before() {
    let mut package = Package::of(SUPERSEDED);
    let known = Known::of(&package);
    let of_revocation = |(path, bytes): (&String, &Vec<u8>)| {
        let text = String::from_utf8_lossy(bytes);
        let index = path
            .strip_prefix("data/chain/")?
            .strip_suffix(".fact.json")?;
        text.contains("revoked_as_superseded")
            .then(|| index.to_owned())
    };
    let index = package.files.iter().find_map(of_revocation).unwrap();
    for kind in ["leaf", "tlog-proof", "fact.json"] {
        package
            .files
            .remove(&format!("data/chain/{index}.{kind}"))
            .unwrap();
    }
    package.list_again();
    let (report, code) = chitty(&package.zip(), &known.options());
    assert!(
        code == 1 && codes(&report).contains(&"key_revoked"),
        "{report:#}"
    );
}

#[test]
fn nothing_of_a_compromised_key_holds_and_what_came_before_is_told_apart() {
    let package = Package::of(COMPROMISED);
    let known = Known::of(&package);
    let (report, code) = chitty(COMPROMISED, &known.options());
    assert_eq!(
        (code, codes(&report)),
        (1, vec!["key_revoked"]),
        "{report:#}"
    );
    assert_eq!(report["signer"]["verdict"], "fails");
    assert_eq!(report["run_before_compromise"], true);
    assert_eq!(report["integrity"]["verdict"], "holds");
    assert_eq!(report["time"]["verdict"], "not_checked");
    let folder = package.unpack();
    for (code, said) in [python(&folder, &known), shell(&folder, &known)] {
        assert!(code == 1 && said.contains("judge it apart"), "{said}");
    }
    std::fs::remove_dir_all(folder).unwrap();
}
