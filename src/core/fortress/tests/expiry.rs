//! A first key that expires: what was logged before stands, and a rotation leads on.

use super::*;
use crate::ledger::tests::LOGGED_AT_MS;
use crate::openpgp::tests::key_of_2023;

/// A deployment whose key expires in 2027, and how long until then.
fn expiring() -> (World, i64) {
    let mut world = World::new(vec![hi(), hi()]);
    let key = SigningKey::from_armor(&key_of_2023("Old <old@example.org>", "4y"), None).unwrap();
    let expires = key.public_key().expires_at_secs().unwrap();
    let left_ms = i64::try_from(expires).unwrap() * 1_000 - START_MS;
    let public_key = key.public_key().clone();
    world.service.keys = Rc::new(KeyRing::new(KeySecrets {
        key: Rc::new(key),
        public_key,
        next: None,
    }));
    world.rows("DELETE FROM fortress_keys");
    (world, left_ms)
}

fn reason(world: &World, question: &VerifyInput) -> (bool, String) {
    let verdict = world.verify(question);
    (verdict.signature_valid, verdict.reason)
}

#[test]
fn what_was_logged_before_its_key_expired_holds_for_good() {
    let (world, left_ms) = expiring();
    let (logged, old) = (world.signed_run(), world.own_key());
    let content = logged
        .content
        .replace("\"label\":\"test\"", "\"label\":\"other\"");
    let key = &world.service.keys.secrets.key;
    let signature = key.sign(content.as_bytes(), world.service.now_secs());
    let unlogged = VerifyInput {
        content,
        signature: signature.unwrap(),
        public_key: None,
        include_keys: false,
    };
    for question in [&logged, &unlogged] {
        assert_eq!(reason(&world, question), (true, "valid".to_owned()));
    }
    world.clock.pass(left_ms);
    let verdict = world.verify(&logged);
    assert!(verdict.signature_valid, "{}", verdict.explanation);
    assert_eq!(verdict.key.unwrap().logged.unwrap().log_index, 0);
    assert_eq!(reason(&world, &unlogged), (false, "key_expired".to_owned()));

    // It signs nothing more, and vouches for nobody; another takes its place.
    assert_eq!(
        world.execute(&input()).unwrap_err().code(),
        "SIGNING_FAILED"
    );
    let made = world.rotate(&old).unwrap();
    assert_eq!(made.key.rotation.unwrap().old_signature, None);
    let after = world.signed_run();
    assert_eq!(world.verify(&after).key_fingerprint, made.key.fingerprint);
    for (question, said) in [
        (&after, (true, "valid")),
        (&logged, (true, "valid")),
        (&unlogged, (false, "key_expired")),
    ] {
        let (valid, reason) = reason(&world, question);
        assert_eq!((valid, reason.as_str()), said);
    }
}

#[test]
fn what_was_logged_after_its_key_expired_does_not_hold() {
    let (world, left_ms) = expiring();
    let logged = world.signed_run();
    // Of these tests the log's clock stands still, so the key is older.
    let logged_secs = LOGGED_AT_MS / 1_000;
    let key = &world.service.keys.secrets.public_key;
    let there = |secs| {
        let content = logged.content.as_bytes();
        let now_secs = (START_MS + left_ms).unsigned_abs() / 1_000;
        crate::openpgp::verify_there(content, &logged.signature, key, now_secs, secs).reason
    };
    let expires = key.expires_at_secs().unwrap();
    assert_eq!(there(logged_secs), crate::openpgp::Reason::Valid);
    assert_eq!(there(expires - 1), crate::openpgp::Reason::Valid);
    assert_eq!(there(expires), crate::openpgp::Reason::KeyExpired);
}

#[test]
fn a_rotation_that_the_expired_key_signed_stands() {
    let (world, left_ms) = expiring();
    let made = world.rotate(&world.own_key()).unwrap();
    assert!(made.key.rotation.unwrap().old_signature.is_some());
    // Nothing but that signature vouches for the new one.
    world.rows("UPDATE fortress_keys SET private_key = NULL WHERE number = 2");
    world.clock.pass(left_ms);
    assert_eq!(world.known().len(), 2);
}

#[test]
fn who_has_a_key_that_expired_brings_in_no_other_under_an_earlier_date() {
    let (world, left_ms) = expiring();
    let old = world.own_key();
    world.clock.run(world.service.log_due()).unwrap();
    let stolen = Rc::clone(&world.service.keys.secrets.key);
    let dated_secs = world.service.now_secs();
    world.clock.pass(left_ms);
    let thief = crate::openpgp::make_key("Thief", dated_secs, &FakeEntropy::default());
    let thief = SigningKey::from_armor(&thief.unwrap(), None).unwrap();
    let statement = json!({
        "kind": "chittymcp/key-rotation/v1", "made_at_ms": dated_secs * 1_000, "number": 2,
        "new_fingerprint": thief.fingerprint(), "new_public_key_sha256": "",
        "old_fingerprint": old,
    })
    .to_string();
    let sign = |key: &SigningKey| key.sign(statement.as_bytes(), dated_secs).unwrap();
    world.write(
        Statement::new(
            "INSERT INTO fortress_keys (fingerprint, number, origin, public_key, created_at, \
             statement, old_signature, new_signature) VALUES (?1, 2, 'secret', ?2, 1, ?3, ?4, ?5)",
        )
        .bind(thief.fingerprint())
        .bind(thief.public_key_armor())
        .bind(statement.as_str())
        .bind(sign(&stolen))
        .bind(sign(&thief)),
    );
    assert_eq!((world.settle().unwrap(), world.log.size()), (0, 1));
    assert_eq!(world.known().len(), 1);
}
