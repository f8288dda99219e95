//! Keys that were replaced or revoked since they signed.

use std::collections::BTreeMap;

use super::offline::verify_sh;
use super::*;
use crate::ledger::tests::LOGGED_AT_MS;
use crate::time::to_rfc3339;

/// A package made after `change`, its run's key, and the key that signs now.
fn after(change: impl Fn(&Desk, &str)) -> (BTreeMap<String, Vec<u8>>, String, String) {
    let desk = Desk::new();
    let done = desk.world.done(SecurityLevel::Fortress);
    let old = desk.rotate();
    change(&desk, &old);
    let (_, zip) = desk.brief(&done.execution_id);
    let new = desk.keys().last().unwrap().fingerprint.clone();
    (unzip(&zip), old, new)
}

fn log_key(files: &BTreeMap<String, Vec<u8>>) -> String {
    let policy = std::str::from_utf8(&files["data/chain/policy"]).unwrap();
    let line = policy.lines().next().unwrap();
    line.strip_prefix("log ").unwrap().to_owned()
}

/// What the package's programs say under both keys.
fn checked(files: &BTreeMap<String, Vec<u8>>, keys: &[&str]) -> (i32, String) {
    verify_sh(files, &[&keys.join(","), &log_key(files)])
}

#[test]
fn a_run_of_a_key_that_was_replaced_carries_that_key_and_the_new_one() {
    let (files, old, new) = after(|_, _| {});
    let text = |path: &str| String::from_utf8(files[path].clone()).unwrap();
    assert_eq!(
        text("data/keys/fortress.asc").matches("BEGIN PGP").count(),
        2
    );
    let prints = text("data/keys/fingerprints.txt");
    assert!(
        prints.contains(&format!("of the run      {old}\n")),
        "{prints}"
    );
    assert!(
        prints.contains(&format!("of the package  {new}\n")),
        "{prints}"
    );
    let history: Value = serde_json::from_str(&text("data/keys/key-history.json")).unwrap();
    assert_eq!(history["run"]["fingerprint"], json!(old));
    assert_eq!(history["keys"][0]["fingerprint"], json!(old));
    assert_eq!(history["keys"][0]["status"], "replaced");
    assert_eq!(history["keys"][1]["fingerprint"], json!(new));
    assert!(history["keys"][1]["rotation"]["old_signature"].is_string());
    // The rotation is proven, too.
    let rotation = text("data/chain/1.fact.json");
    assert!(rotation.contains("rotated_in") && files.contains_key("data/chain/1.tlog-proof"));
    let (code, said) = checked(&files, &[&old, &new]);
    assert_eq!(code, 0, "{said}");
    for one in [&old, &new] {
        let (code, said) = checked(&files, &[one]);
        assert_eq!(code, 1, "each signer is to be known\n{said}");
    }
}

#[test]
fn a_run_of_a_key_that_was_softly_revoked_stands_by_its_place_in_the_log() {
    for reason in ["superseded", "retired"] {
        let (mut files, old, new) =
            after(|desk, old| desk.revoke(json!({ "fingerprint": old, "reason": reason })));
        let (code, said) = checked(&files, &[&old, &new]);
        assert_eq!(code, 0, "{said}");
        assert!(
            said.contains("its key was revoked since, not as compromised"),
            "{said}"
        );
        // Without the fact nobody knows whether the run came before the revocation.
        for kind in ["leaf", "tlog-proof", "fact.json"] {
            files.remove(&format!("data/chain/2.{kind}")).unwrap();
        }
        let (code, said) = checked(&files, &[&old, &new]);
        assert!(code == 1 && said.contains("no fact says when"), "{said}");
    }
}

#[test]
fn nothing_of_a_compromised_key_holds_and_what_was_logged_before_is_told_apart() {
    let log_ms = i64::try_from(LOGGED_AT_MS).unwrap();
    for (at, told) in [
        (log_ms + 1, "judge it apart"),
        (log_ms, "not before the declared"),
    ] {
        let (files, old, new) = after(|desk, old| {
            desk.world.clock.pass(60_000);
            let at = to_rfc3339(at);
            desk.revoke(
                json!({ "fingerprint": old, "reason": "compromised", "compromised_at": at }),
            );
        });
        let (code, said) = checked(&files, &[&old, &new]);
        assert!(code == 1 && said.contains("gpg says REVKEYSIG"), "{said}");
        assert!(said.contains(told), "{said}");
    }
}

#[test]
fn a_json_package_has_the_keys_history() {
    let desk = Desk::new();
    let done = desk.world.done(SecurityLevel::Fortress);
    let old = desk.rotate();
    let made = desk
        .package(json!({ "execution_id": done.execution_id }))
        .unwrap();
    assert_eq!(made.contents["keys"][0]["fingerprint"], json!(old));
    assert_eq!(made.contents["keys"][0]["status"], "replaced");
    let plain = desk
        .world
        .execute(&crate::execution::tests::input(SecurityLevel::Standard));
    let plain = desk
        .package(json!({ "execution_id": plain.unwrap().execution_id }))
        .unwrap();
    assert!(!plain.contents.contains_key("keys"));
}

#[test]
fn a_package_that_another_key_seals_than_it_says_is_not_given_out() {
    let desk = Desk::new();
    let done = desk.world.done(SecurityLevel::Fortress);
    let twist: fn(&mut Value) = |sealed| sealed["key_fingerprint"] = json!("0".repeat(40));
    let twist = crate::execution::tests::peers::Twist::Result(twist);
    desk.world.fortress.twist("fortress_package_seal", twist);
    let asked = json!({ "execution_id": done.execution_id, "package_format": "legal_brief" });
    let refused = desk.package(asked).unwrap_err();
    assert_eq!(refused.code(), "KEY_REPLACED");
    assert!(
        desk.world
            .rows("SELECT id FROM evidence_packages")
            .is_empty()
    );
}
