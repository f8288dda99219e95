//! Files of packages that are changed, removed or exchanged.

use super::*;

/// What is done to a file.
pub(super) const HARM: [&str; 3] = ["changed", "removed", "swapped"];

fn key(office: &Office, package: usize) -> (String, String) {
    let rows = office.sql("SELECT id, package_file_path FROM evidence_packages ORDER BY id");
    let text = |column: &str| rows[package].text(column).unwrap();
    (text("id"), text("package_file_path"))
}

/// What an audit finds of a file after that, and the package it is of. The file is put back.
pub(super) fn harmed(office: &Office, how: &str) -> (Vec<Finding>, String) {
    let ((id, path), (_, other)) = (key(office, 0), key(office, 1));
    let before = office.files.0.borrow().clone();
    {
        let mut files = office.files.0.borrow_mut();
        match how {
            "changed" => {
                let file = files.get_mut(&path).unwrap();
                let mut bytes = file.bytes.to_vec();
                let middle = bytes.len() / 2;
                bytes[middle] ^= 1;
                file.bytes = bytes.into();
            }
            "removed" => drop(files.remove(&path)),
            _ => {
                let theirs = files[&other].clone();
                files.insert(path, theirs);
            }
        }
    }
    let found = office.findings();
    *office.files.0.borrow_mut() = before;
    (found, id)
}

#[test]
fn a_file_that_is_changed_removed_or_exchanged_is_named() {
    let office = Office::with(2);
    assert_eq!(office.findings(), []);
    for how in HARM {
        let (found, id) = harmed(&office, how);
        let code = if how == "removed" {
            Code::FileMissing
        } else {
            Code::FileAltered
        };
        assert_eq!(found.len(), 1, "{how}: {found:#?}");
        assert_eq!(found[0].code, code, "{how}");
        assert_eq!(found[0].subject, format!("evidence_packages:{id}"), "{how}");
    }
    // Only where that is asked for.
    office.files.0.borrow_mut().clear();
    let scope = Scope {
        files: false,
        ..forensic(&[])
    };
    assert_eq!(office.audit(&scope).findings, []);
}

#[test]
fn many_packages_are_read_in_slices() {
    let office = Office::with(1);
    for _ in 0..11 {
        let execution = office.executions[0].clone();
        office.package(&execution);
    }
    office.record();
    assert_eq!(office.findings(), []);
    office.files.0.borrow_mut().clear();
    let found = office.findings();
    assert!(
        found
            .iter()
            .all(|finding| finding.code == Code::FileMissing)
    );
    assert_eq!(found.len(), 12);
}
