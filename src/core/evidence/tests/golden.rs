//! The package that checkers are tested with is of the kind that is made now.

use std::path::Path;

use super::*;

/// With it set, the file is written anew.
const UPDATE: &str = "UPDATE_GOLDEN";

fn same_as_kept(name: &str, zip: &[u8]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/packages");
    let path = path.join(name);
    if std::env::var_os(UPDATE).is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, zip).unwrap();
    }
    let said = format!("it is old: look at what changed, then run this test with {UPDATE}=1");
    let (kept, made) = (unzip(&std::fs::read(&path).expect(&said)), unzip(zip));
    assert!(kept.keys().eq(made.keys()), "{said}");
    // What is the same in every package. The rest follows the fortress's manifest and keys.
    let fixed = |path: &str| path.starts_with("verify/verify") || path == "data/legal/LIMITS.txt";
    for path in made.keys().filter(|path| fixed(path)) {
        assert!(kept[path] == made[path], "{path}: {said}");
    }
}

fn desk() -> Desk {
    Desk::over(World::answering(
        vec![crate::fortress::tests::hi()],
        vec![crate::fortress::tests::hi()],
    ))
}

#[test]
fn the_sample_package_is_of_the_kind_that_is_made_now() {
    let mut desk = desk();
    let anchors = desk.anchored();
    let question = ExecuteInput {
        prompt: "Did Zoë Ångström (Αθήνα, Київ) sign? 你好 \u{202e}?".to_owned(),
        case_id: Some("2026-CV-0001 Ångström v. Δημητρίου".to_owned()),
        label: Some("Review of the supply agreement".to_owned()),
        create_evidence: true,
        ..crate::execution::tests::input(SecurityLevel::Verified)
    };
    let done = desk.world.execute(&question).unwrap();
    desk.brief(&done.execution_id);
    anchors.anchor();
    let event = json!({
        "action": "transferred", "actor": "J. Bloggs, paralegal", "location": "Office of counsel, room 4",
        "purpose": "handed to the examining expert", "authority": "order of 2 November 2026",
        "changes": "the outer envelope was opened", "responsible": "J. Bloggs",
    });
    desk.custody(json!({"execution_id": done.execution_id, "event": event}))
        .unwrap();
    let (_, zip) = desk.brief(&done.execution_id);
    same_as_kept("legal-brief.zip", &zip);
}

#[test]
fn the_sample_of_a_key_that_was_superseded_is_of_the_kind_that_is_made_now() {
    let desk = desk();
    let done = desk.world.done(SecurityLevel::Fortress);
    let old = desk.rotate();
    desk.revoke(json!({ "fingerprint": old, "reason": "superseded" }));
    let (_, zip) = desk.brief(&done.execution_id);
    same_as_kept("key-superseded.zip", &zip);
}

#[test]
fn the_sample_of_a_key_that_was_compromised_is_of_the_kind_that_is_made_now() {
    let desk = desk();
    let done = desk.world.done(SecurityLevel::Fortress);
    let old = desk.rotate();
    desk.world.clock.pass(60_000);
    let at = i64::try_from(crate::ledger::tests::LOGGED_AT_MS + 1).unwrap();
    let at = crate::time::to_rfc3339(at);
    desk.revoke(json!({ "fingerprint": old, "reason": "compromised", "compromised_at": at }));
    let (_, zip) = desk.brief(&done.execution_id);
    same_as_kept("key-compromised.zip", &zip);
}
