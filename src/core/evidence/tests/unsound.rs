//! What does not go together on file is in no package; of a key that ended since, it is said.

use super::*;
use crate::fortress::tests::sealer;
use crate::ports::Database as _;
use crate::sql::Statement;

const FORMATS: [&str; 3] = ["json", "pdf", "legal_brief"];

fn sql(desk: &Desk, text: String) {
    let done = desk.world.db.inner.run(Statement::new(text));
    desk.world.clock.run(done).unwrap();
}

/// Two runs: the one that is changed, and another.
fn desk() -> (Desk, String, String) {
    let hi = crate::fortress::tests::hi;
    let desk = Desk::over(World::answering(vec![], vec![hi(), hi()]));
    let one = desk.world.done(SecurityLevel::Fortress).execution_id;
    let other = desk.world.done(SecurityLevel::Fortress).execution_id;
    (desk, one, other)
}

fn sealed(desk: &Desk, purpose: &str, id: &str, text: &str) -> String {
    let service = &desk.world.service;
    let made = sealer().seal(purpose, &["ann", id], text.as_bytes(), &*service.entropy);
    made.unwrap()
}

fn refused(desk: &Desk, id: &str, format: &str) -> String {
    let asked = json!({ "execution_id": id, "package_format": format });
    let error = desk.package(asked).unwrap_err();
    assert_eq!(error.code(), "EXECUTION_UNSOUND", "{error}");
    let packages = desk.world.rows("SELECT id FROM evidence_packages");
    assert!(packages.is_empty() && desk.files.0.borrow().is_empty());
    error.to_string()
}

#[test]
fn a_row_that_was_altered_is_in_no_package() {
    type Change = fn(&Desk, &str, &str) -> String;
    let theirs = |column: &str, other: &str| {
        format!("{column} = (SELECT {column} FROM secure_executions WHERE id = '{other}')")
    };
    let cases: [(Change, &str); 9] = [
        (
            |desk, id, _| format!("prompt = '{}'", sealed(desk, "prompt", id, "another")),
            "of another prompt",
        ),
        (
            |desk, id, _| format!("fortress_output = '{}'", sealed(desk, "output", id, "no")),
            "of another answer",
        ),
        (
            |_, _, _| "fortress_output = NULL".to_owned(),
            "of another answer",
        ),
        (
            |_, _, _| "fortress_signature = NULL".to_owned(),
            "signature of its run is gone",
        ),
        (
            |_, _, _| "fortress_job_id = NULL".to_owned(),
            "manifest of its run is gone",
        ),
        (
            |_, _, _| "fortress_job_id = NULL, security_level = 'standard'".to_owned(),
            "manifest of its run is gone",
        ),
        (
            |_, _, other| other.to_owned(),
            "signature of its run does not hold",
        ),
        (|_, _, other| other.to_owned(), "of another execution"),
        (|_, _, other| other.to_owned(), "none of the facts"),
    ];
    for (place, (change, said)) in cases.into_iter().enumerate() {
        let (desk, id, other) = desk();
        let columns = ["fortress_signature", "fortress_job_id", "chain_facts"];
        let other = match place.checked_sub(6) {
            Some(column) => theirs(columns[column], &other),
            None => other,
        };
        let set = change(&desk, &id, &other);
        sql(
            &desk,
            format!("UPDATE secure_executions SET {set} WHERE id = '{id}'"),
        );
        for format in FORMATS {
            let words = refused(&desk, &id, format);
            assert!(words.contains(said), "{said}: {words}");
            assert!(words.contains("chitty_security_audit"), "{words}");
        }
    }
}

#[test]
fn a_run_whose_key_was_compromised_since_is_packaged_with_that_said_first() {
    for format in FORMATS {
        let desk = Desk::new();
        let done = desk.world.done(SecurityLevel::Fortress);
        let old = desk.rotate();
        desk.world.clock.pass(60_000);
        let at = i64::try_from(crate::ledger::tests::LOGGED_AT_MS).unwrap();
        let at = crate::time::to_rfc3339(at);
        desk.revoke(json!({ "fingerprint": old, "reason": "compromised", "compromised_at": at }));
        let asked = json!({ "execution_id": done.execution_id, "package_format": format });
        let made = desk.package(asked).unwrap();
        let finding = made.finding.unwrap();
        assert!(finding.contains("revoked as compromised"), "{finding}");
        if format == "json" {
            let verdict = &made.contents["signature_verdict"];
            assert_eq!(verdict["signature_valid"], json!(false));
            assert_eq!(verdict["explanation"], json!(finding));
        }
        if format == "legal_brief" {
            let (_, zip) = desk.brief(&done.execution_id);
            let limits = unzip(&zip).remove("data/legal/LIMITS.txt").unwrap();
            let limits = String::from_utf8(limits).unwrap();
            let first = limits.split("\n1.  ").next().unwrap();
            assert!(first.contains(&finding), "{limits}");
        }
    }
}

#[test]
fn of_a_key_that_holds_nothing_is_said() {
    let desk = Desk::new();
    let done = desk.world.done(SecurityLevel::Fortress);
    let (package, zip) = desk.brief(&done.execution_id);
    assert_eq!(package.finding, None);
    let limits = unzip(&zip).remove("data/legal/LIMITS.txt").unwrap();
    assert!(limits.starts_with(b"WHAT THIS PACKAGE DOES NOT SHOW\n\n1.  "));
}

#[test]
fn the_keys_of_a_package_are_those_that_the_fortress_believes() {
    let desk = Desk::new();
    let done = desk.world.done(SecurityLevel::Fortress);
    let stray = "INSERT INTO fortress_keys (fingerprint, number, origin, public_key, created_at, \
                 statement, new_signature, valid_from, valid_from_index) SELECT 'F00D', 2, 'made', \
                 public_key, created_at, '{}', 'x', created_at, 7 FROM fortress_keys";
    sql(&desk, stray.to_owned());
    let (_, zip) = desk.brief(&done.execution_id);
    let history = unzip(&zip).remove("data/keys/key-history.json").unwrap();
    let history: Value = serde_json::from_slice(&history).unwrap();
    let keys = history["keys"].as_array().unwrap();
    assert_eq!((keys.len(), &keys[0]["status"]), (1, &json!("active")));
}
