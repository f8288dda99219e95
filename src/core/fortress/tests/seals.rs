//! Seals of packages outlive their key as runs do.

use super::keys::*;
use super::*;

#[test]
fn a_seal_that_is_logged_holds_when_its_key_signs_no_more() {
    let world = World::new(vec![]);
    let input = SealInput {
        package_id: "PKG-1".to_owned(),
        tag_manifest: format!("{}  manifest-sha256.txt\n", "0".repeat(64)),
    };
    let sealed = world.clock.run(world.service.seal(&input)).unwrap();
    let again = world.clock.run(world.service.seal(&input)).unwrap();
    assert_eq!((&sealed.signature, world.log.size()), (&again.signature, 1));
    let question = |signature: String| VerifyInput {
        content: input.tag_manifest.clone(),
        signature,
        public_key: None,
        include_keys: false,
    };
    let key = Rc::clone(&world.service.keys.secrets.key);
    // A second later, so it is another signature.
    let unlogged = key.sign(input.tag_manifest.as_bytes(), world.service.now_secs() + 1);
    let (logged, unlogged) = (question(sealed.signature), question(unlogged.unwrap()));
    let old = world.own_key();
    world.rotate(&old).unwrap();
    world.clock.pass(OVERLAP_MS + 1_000);
    let verdict = world.verify(&logged);
    assert!(verdict.signature_valid, "{}", verdict.explanation);
    assert_eq!(verdict.key.unwrap().logged.unwrap().log_index, 0);
    assert_eq!(world.verify(&unlogged).reason, "not_logged");
    let input = serde_json::from_value(json!({ "fingerprint": old, "reason": "retired" }));
    world
        .clock
        .run(world.service.revoke_key(&input.unwrap()))
        .unwrap();
    assert!(world.verify(&logged).signature_valid);
    assert_eq!(world.verify(&unlogged).reason, "key_retired");
}

#[test]
fn a_seal_by_a_key_that_only_the_table_has_sign_is_neither_logged_nor_given_out() {
    let world = World::new(vec![]);
    let old = world.own_key();
    world.rotate(&old).unwrap();
    let revoke = json!({
        "fingerprint": old, "reason": "compromised", "compromised_at": "2026-01-01T00:00:00Z"
    });
    let revoke: RevokeKeyInput = serde_json::from_value(revoke).unwrap();
    world.clock.run(world.service.revoke_key(&revoke)).unwrap();
    // The table as of the first day, and the log does not answer once.
    world.rows("DELETE FROM fortress_keys");
    world.clock.pass(FRESH_MS);
    *world.log.faults.borrow_mut() = [LogFault::RequestLost].into();
    let input = SealInput {
        package_id: "PKG-1".to_owned(),
        tag_manifest: format!("{}  manifest-sha256.txt\n", "0".repeat(64)),
    };
    let error = world.clock.run(world.service.seal(&input)).unwrap_err();
    assert_eq!((error.code(), world.log.size()), ("SIGNING_FAILED", 2));
}
