//! A package changed in any file is refused by each of the three checkers.

use std::path::Path;
use std::process::Command;

use super::package::Package;
use super::sample::{Known, chitty, codes};

#[derive(Debug, Clone, Copy, PartialEq)]
enum Change {
    Flipped,
    Removed,
    Swapped,
}

const CHANGES: [Change; 3] = [Change::Flipped, Change::Removed, Change::Swapped];

/// The sample with one file changed; a swap takes the next file's content and gives it its own.
fn changed(path: &str, change: Change) -> Package {
    let mut package = Package::sample();
    let bytes = package.files.remove(path).unwrap();
    match change {
        Change::Removed => {}
        Change::Flipped => {
            let mut bytes = bytes;
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            package.files.insert(path.to_owned(), bytes);
        }
        Change::Swapped => {
            let after = package.files.iter().filter(|(_, other)| **other != bytes);
            let other = after
                .clone()
                .find(|(other, _)| other.as_str() > path)
                .or_else(|| after.clone().next());
            let other = other.unwrap().0.clone();
            let theirs = package.files.insert(other, bytes).unwrap();
            package.files.insert(path.to_owned(), theirs);
        }
    }
    package
}

/// A swap may take a manifest, which then says nothing of the other file.
fn named(said: &str, path: &str, change: Change) -> bool {
    change == Change::Swapped || said.contains(path)
}

fn paths() -> Vec<String> {
    Package::sample().files.into_keys().collect()
}

/// The arguments of `verify.sh` for all that the sample has: copies that came another way.
fn all(package: &Package, known: &Known, copies: &Path) -> Vec<String> {
    let mut arguments = vec![known.fingerprint.clone(), known.log_key.clone()];
    for path in ["data/time/authorities.pem", "data/witnesses/policy"] {
        let copy = copies.join(path.replace('/', "-"));
        std::fs::write(&copy, &package.files[path]).unwrap();
        arguments.push(copy.to_str().unwrap().to_owned());
    }
    arguments
}

/// A program in an empty environment, without a network where the machine lets us take it away.
pub fn run(folder: &Path, program: &[&str]) -> (i32, String) {
    let alone = ["unshare", "--map-root-user", "--net"];
    let can = Command::new(alone[0])
        .args(&alone[1..])
        .arg("true")
        .output();
    let mut words: Vec<&str> = Vec::new();
    if can.is_ok_and(|done| done.status.success()) {
        words.extend(alone);
    }
    words.extend(program);
    let done = Command::new("env")
        .args(["-i", "PATH=/usr/local/bin:/usr/bin:/bin"])
        .args(words)
        .current_dir(folder)
        .output()
        .unwrap();
    let said = [done.stdout, done.stderr].concat();
    (
        done.status.code().unwrap(),
        String::from_utf8_lossy(&said).into_owned(),
    )
}

pub fn python(folder: &Path, known: &Known) -> (i32, String) {
    let program = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../core/evidence/texts/verify.py"
    );
    let mut words = vec!["python3", "-I", "-B", program];
    words.extend(known.options());
    words.push(".");
    run(folder, &words)
}

pub fn shell(folder: &Path, known: &Known) -> (i32, String) {
    run(
        folder,
        &["sh", "verify/verify.sh", &known.fingerprint, &known.log_key],
    )
}

#[test]
fn the_sample_holds_in_an_empty_environment_by_its_own_programs() {
    let known = Known::of_sample();
    let (package, copies) = (Package::sample(), super::package::scratch());
    let folder = package.unpack();
    let arguments = all(&package, &known, &copies);
    let mut program = vec!["sh", "verify/verify.sh"];
    program.extend(arguments.iter().map(String::as_str));
    for (code, said) in [run(&folder, &program), python(&folder, &known)] {
        assert_eq!(code, 0, "{said}");
    }
    std::fs::remove_dir_all(copies).unwrap();
    let (code, said) = shell(&folder, &known);
    assert_eq!(code, 3, "who stamped is not known\n{said}");
    let (code, said) = run(&folder, &["sh", "verify/verify.sh", &known.fingerprint]);
    assert_eq!(
        code, 3,
        "without the log's key nobody vouches for the tree\n{said}"
    );
    let (code, _) = run(
        &folder,
        &["sh", "verify/verify.sh", &"0".repeat(40), &known.log_key],
    );
    assert_eq!(code, 1);
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn chitty_names_every_changed_file() {
    let known = Known::of_sample();
    for path in paths() {
        for change in CHANGES {
            let (report, code) = chitty(&changed(&path, change).zip(), &known.options());
            assert_eq!(code, 1, "{path} {change:?}");
            assert!(
                named(&report.to_string(), &path, change),
                "{path} {change:?}: {report:#}"
            );
        }
    }
}

#[test]
fn the_programs_of_the_package_refuse_every_changed_file() {
    let known = Known::of_sample();
    for (index, path) in paths().iter().enumerate() {
        let change = CHANGES[index % CHANGES.len()];
        let folder = changed(path, change).unpack();
        let (code, said) = python(&folder, &known);
        assert!(
            code == 1 && named(&said, path, change),
            "verify.py, {path} {change:?}: {said}"
        );
        // A checker cannot be asked about itself.
        if !path.starts_with("verify/verify") {
            let (code, said) = shell(&folder, &known);
            // 2: not even a package.
            assert!(
                matches!(code, 1 | 2),
                "verify.sh, {path} {change:?}: {said}"
            );
        }
        std::fs::remove_dir_all(folder).unwrap();
    }
}

#[test]
fn an_added_file_is_found_wherever_it_is() {
    let known = Known::of_sample();
    for path in ["extra", "data/extra", "verify/extra", "data/chain/99.leaf"] {
        let mut package = Package::sample();
        package.files.insert(path.to_owned(), b"x".to_vec());
        let (report, code) = chitty(&package.zip(), &known.options());
        assert!(
            code == 1 && codes(&report).contains(&"extra_file"),
            "{path}: {report:#}"
        );
        let folder = package.unpack();
        for (code, said) in [python(&folder, &known), shell(&folder, &known)] {
            assert!(code == 1 && said.contains(path), "{path}: {said}");
        }
        std::fs::remove_dir_all(folder).unwrap();
    }
}

#[test]
fn a_forger_without_the_key_is_found_though_all_hashes_fit() {
    let known = Known::of_sample();
    let mut package = Package::sample();
    package
        .files
        .insert("data/legal/LIMITS.txt".to_owned(), b"No limits.\n".to_vec());
    package.list_again();
    let (report, code) = chitty(&package.zip(), &known.options());
    assert_eq!((codes(&report), code), (vec!["bad_signature"], 1));
    let folder = package.unpack();
    for (code, said) in [python(&folder, &known), shell(&folder, &known)] {
        assert!(code == 1 && said.contains("tagmanifest"), "{said}");
    }
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn custody_that_leaves_an_event_out_is_found() {
    let known = Known::of_sample();
    let mut package = Package::sample();
    let custody = package.files.get_mut("data/custody/custody.jsonl").unwrap();
    let end = custody.iter().position(|byte| *byte == b'\n').unwrap();
    custody.drain(..=end);
    for index in ["2"] {
        for kind in ["leaf", "tlog-proof", "fact.json"] {
            package
                .files
                .remove(&format!("data/chain/{index}.{kind}"))
                .unwrap();
        }
    }
    package.list_again();
    let (report, code) = chitty(&package.zip(), &["--policy", "completeness"]);
    assert!(
        code == 1 && codes(&report).contains(&"custody_gap"),
        "{report:#}"
    );
    let folder = package.unpack();
    let (code, said) = python(&folder, &known);
    assert!(
        code == 1 && said.contains("a numbered event is missing"),
        "{said}"
    );
    std::fs::remove_dir_all(folder).unwrap();
}
