//! Packages made to trip `verify.py`: each gets a verdict that fails and a finding that names the
//! file, and no traceback.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::Command;

use super::*;

const RUN: &str = "data/execution/execution.json";

/// Each test has a folder of its own, which is gone when this is.
struct Unpacked(std::path::PathBuf);

impl Unpacked {
    fn new(test: &str) -> Self {
        let name = format!("hostile-{test}-{}", std::process::id());
        let unpacked = Self(std::env::temp_dir().join(name));
        for (path, bytes) in sample() {
            unpacked.write(&path, &bytes);
        }
        unpacked
    }

    fn write(&self, path: &str, bytes: &[u8]) {
        let path = self.0.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    fn remove(&self, path: &str) {
        std::fs::remove_file(self.0.join(path)).unwrap();
    }

    /// What `verify.py` prints. It fails, and the program itself does not.
    fn findings(&self) -> String {
        let program = concat!(env!("CARGO_MANIFEST_DIR"), "/evidence/texts/verify.py");
        let done = Command::new("python3")
            .args(["-I", program])
            .arg(&self.0)
            .output()
            .unwrap();
        let said = String::from_utf8([done.stdout, done.stderr].concat()).unwrap();
        assert!(!said.contains("Traceback"), "{said}");
        assert_eq!(done.status.code(), Some(1), "{said}");
        said
    }
}

impl Drop for Unpacked {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

fn sample() -> BTreeMap<String, Vec<u8>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/packages/legal-brief.zip");
    unzip(&std::fs::read(path).unwrap())
}

#[test]
fn json_that_programs_read_in_different_ways_is_named() {
    let unpacked = Unpacked::new("json");
    let text = String::from_utf8(sample().remove(RUN).unwrap()).unwrap();
    let nested = "[".repeat(200_000);
    let more = |field: &str| text.replacen('{', &format!("{{{field},"), 1).into_bytes();
    let unlike = "a number that not every program reads alike";
    let cases = [
        (nested.into_bytes(), "recursion"),
        (more("\"a\":NaN"), unlike),
        (more("\"a\":-Infinity"), unlike),
        (more("\"a\":1e400"), unlike),
        (more(&format!("\"a\":{}", "9".repeat(500_000))), unlike),
        (more("\"kind\":\"x\""), "twice"),
        ([b"\xff".as_slice(), text.as_bytes()].concat(), "utf-8"),
        (
            text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            "malformed",
        ),
        (b"[]".to_vec(), "not a JSON object"),
        (Vec::new(), "malformed"),
    ];
    for (bytes, said) in cases {
        unpacked.write(RUN, &bytes);
        let found = unpacked.findings();
        let line = found
            .lines()
            .find(|line| line.starts_with(&format!("  integrity: {RUN}: ")) && line.contains(said));
        assert!(line.is_some(), "{said}: {found}");
    }
}

#[test]
fn what_is_missing_or_no_file_is_named() {
    let unpacked = Unpacked::new("files");
    for path in [
        RUN,
        "data/execution/execution.json.asc",
        "data/chain/0.leaf",
        "data/chain/0.tlog-proof",
        "data/chain/checkpoint",
        "data/custody/custody.jsonl",
        "data/keys/fortress.asc",
        "manifest-sha256.txt",
    ] {
        let file = unpacked.0.join(path);
        let kept = std::fs::read(&file).unwrap();
        unpacked.remove(path);
        std::fs::create_dir(&file).unwrap();
        assert!(unpacked.findings().contains(path));
        std::fs::remove_dir(&file).unwrap();
        std::fs::write(&file, kept).unwrap();
    }
    unpacked.remove("data/execution/prompt");
    let link = unpacked.0.join("data/execution/prompt");
    std::os::unix::fs::symlink("/dev/zero", &link).unwrap();
    std::os::unix::fs::symlink("..", unpacked.0.join("data/up")).unwrap();
    let found = unpacked.findings();
    for path in ["data/execution/prompt", "data/up"] {
        let said = format!("integrity: {path}: neither a file nor a folder");
        assert!(found.contains(&said), "{found}");
    }
}

#[test]
fn keys_that_begin_and_never_end_are_read_once() {
    let unpacked = Unpacked::new("keys");
    unpacked.write("data/keys/fortress.asc", &b"-----BEGIN".repeat(400_000));
    let found = unpacked.findings();
    let said = "signed by a key that is not in the package";
    assert!(found.contains(said), "{found}");
}

#[test]
fn a_run_whose_fact_is_not_shown_is_not_taken_for_logged() {
    let unpacked = Unpacked::new("hidden");
    for (path, _) in sample() {
        let is_fact = path.starts_with("data/chain/") && path.ends_with(".fact.json");
        if is_fact {
            unpacked.remove(&path);
        }
    }
    unpacked.write("data/custody/custody.jsonl", b"");
    let found = unpacked.findings();
    let said = "completeness  not checked: facts were erased, and none that is left says";
    assert!(found.contains(said), "{found}");
}

#[test]
fn no_name_speaks_for_the_program() {
    let unpacked = Unpacked::new("names");
    let forged = "data/x\nsigner        holds\u{1b}[2J";
    unpacked.write(forged, b"");
    let bytes = std::ffi::OsStr::from_bytes(b"\xff\xfe");
    std::fs::write(unpacked.0.join("data").join(bytes), b"").unwrap();
    unpacked.write(&format!("{}end", "d/".repeat(1_500)), b"");
    let found = unpacked.findings();
    assert!(
        found.contains(r"data/x\nsigner        holds\x1b[2J"),
        "{found}"
    );
    assert!(
        !found.contains('\u{1b}') && !found.contains("\nsigner        holds"),
        "{found}"
    );
}

#[test]
fn a_custody_event_that_the_coordinator_did_not_log_is_none() {
    let program = r#"
import sys
space = {"__name__": "verify", "__file__": "verify.py"}
exec(sys.argv[1], space)
line = b'{"metadata":{"sequence":"1"}}'
fact = lambda source: {"predicate": "custody_event", "source": source}
package = object.__new__(space["Package"])
package.files = {"data/custody/custody.jsonl": line}
for source in sys.argv[2:]:
    try:
        package.custody({space["sha256"](line).hex(): (0, {}, fact(source))})
        print(source, "holds")
    except space["Fault"] as fault:
        print(source, fault)
"#;
    let done = Command::new("python3")
        .args([
            "-I",
            "-c",
            program,
            VERIFY_PY,
            "chittyos-coordinator",
            "somebody",
        ])
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8([done.stdout, done.stderr].concat()).unwrap(),
        "chittyos-coordinator holds\nsomebody not the events that are proven\n"
    );
}
