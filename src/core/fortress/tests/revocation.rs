//! Keys that are revoked: softly, hardly, by hand; and what becomes of what they signed.

use super::keys::*;
use super::*;
use crate::ledger::tests::LOGGED_AT_MS;

impl World {
    fn revoke(&self, input: serde_json::Value) -> Result<HistoryEntry, FortressError> {
        let input: RevokeKeyInput = serde_json::from_value(input).unwrap();
        let done = self.clock.run(self.service.revoke_key(&input));
        done.map(|done| done.key)
    }

    /// As of an isolate that has just started.
    fn restart(&mut self) {
        self.service.keys = Rc::new(KeyRing::new(secrets()));
    }
}

/// A run by the first key, and one more that was never logged; then a rotation.
fn replaced() -> (World, String, VerifyInput, VerifyInput) {
    let world = World::new(vec![hi(), hi()]);
    let old = world.own_key();
    let logged = world.signed_run();
    let content = logged
        .content
        .replace("\"label\":\"test\"", "\"label\":\"other\"");
    let signature = world
        .service
        .keys
        .secrets
        .key
        .sign(content.as_bytes(), world.service.now_secs());
    let unlogged = VerifyInput {
        content,
        signature: signature.unwrap(),
        public_key: None,
        include_keys: false,
    };
    world.rotate(&old).unwrap();
    (world, old, logged, unlogged)
}

#[test]
fn a_soft_revocation_leaves_standing_what_is_provably_logged_before() {
    for (reason, refused, status) in [
        ("superseded", "key_superseded", KeyStatus::Superseded),
        ("retired", "key_retired", KeyStatus::Retired),
    ] {
        let (world, old, logged, unlogged) = replaced();
        assert!(
            world.verify(&unlogged).signature_valid,
            "dated in time, not revoked"
        );
        let key = world.revoke(json!({ "fingerprint": old, "reason": reason, "note": "drill" }));
        let key = key.unwrap();
        assert_eq!(
            (key.status, key.revocation.as_ref().unwrap().reason.as_str()),
            (status, reason)
        );
        let verdict = world.verify(&logged);
        assert!(verdict.signature_valid, "{}", verdict.explanation);
        assert!(verdict.explanation.contains("revoked since"));
        let standing = verdict.key.unwrap();
        assert_eq!(
            (standing.status, standing.logged.unwrap().log_index),
            (status, 0)
        );
        let verdict = world.verify(&unlogged);
        assert_eq!(
            (verdict.signature_valid, verdict.reason.as_str()),
            (false, refused)
        );

        let (fact, _) = world.log.fact(2);
        assert_eq!(fact.predicate, format!("revoked_as_{reason}"));
        let by = fact.metadata["signer_fingerprint"].as_str();
        let signer = world
            .history()
            .into_iter()
            .find(|key| key.fingerprint == by)
            .unwrap();
        assert_eq!(signer.status, KeyStatus::Active);
        let signer = PublicKey::from_armor(&signer.public_key).unwrap();
        let (statement, signature) = (&fact.metadata["statement"], &fact.metadata["signature"]);
        let now_secs = world.service.now_secs();
        assert!(crate::openpgp::verify(statement.as_bytes(), signature, &signer, now_secs).valid);
    }
}

#[test]
fn a_hard_revocation_leaves_nothing_valid_and_tells_apart_what_was_logged_before() {
    let (world, old, logged, unlogged) = replaced();
    let at = |ms: i64| crate::time::to_rfc3339(ms);
    let log_ms = i64::try_from(LOGGED_AT_MS).unwrap();
    world.clock.pass(60_000);
    let declared =
        json!({ "fingerprint": old, "reason": "compromised", "compromised_at": at(log_ms + 1) });
    let key = world.revoke(declared.clone()).unwrap();
    assert_eq!(key.status, KeyStatus::Compromised);
    for (question, before) in [(&logged, true), (&unlogged, false)] {
        let verdict = world.verify(question);
        assert_eq!(
            (verdict.signature_valid, verdict.reason.as_str()),
            (false, "key_revoked")
        );
        let standing = verdict.key.unwrap();
        assert_eq!(standing.before_compromise, Some(before));
        assert_eq!(verdict.explanation.contains("judge it apart"), before);
    }
    // It was stolen earlier than that, as they find.
    let earlier =
        json!({ "fingerprint": old, "reason": "compromised", "compromised_at": at(log_ms) });
    world.revoke(earlier).unwrap();
    assert_eq!(
        world.verify(&logged).key.unwrap().before_compromise,
        Some(false)
    );
    // Nobody moves it to a later time again.
    assert_eq!(
        world.revoke(declared).unwrap_err().code(),
        "KEY_REVOKED_ALREADY"
    );
    assert_eq!(world.log.size(), 4);
}

#[test]
fn a_time_stamp_says_more_of_a_compromise_than_the_logs_own_clock() {
    let (mut world, old, logged, _) = replaced();
    let log = || Rc::clone(&world.log) as Rc<dyn Http>;
    let anchors = crate::anchoring::tests::World::over(log(), 2);
    world.service.ledger = anchors.anchored(log());
    anchors.anchor();
    // The authority's clock is the real one, later than the log's.
    let now = std::time::SystemTime::now();
    let now = now.duration_since(std::time::UNIX_EPOCH).unwrap();
    let real_ms = i64::try_from(now.as_millis()).unwrap();
    let year_ms = 365 * 86_400_000;
    world.clock.pass(real_ms - START_MS + 2 * year_ms);
    let declare = |ms: i64| {
        let at = crate::time::to_rfc3339(ms);
        let said = json!({ "fingerprint": old, "reason": "compromised", "compromised_at": at });
        world.revoke(said).unwrap();
        let verdict = world.verify(&logged);
        assert!(!verdict.signature_valid);
        (verdict.key.unwrap(), verdict.explanation)
    };
    let (standing, said) = declare(real_ms + year_ms);
    assert_eq!(standing.before_compromise, Some(true));
    assert!(said.contains("stamped by 20"), "{said}");
    // Between the log's word and the stamp: the log alone does not show it.
    let (standing, _) = declare(i64::try_from(LOGGED_AT_MS + 1).unwrap());
    assert!(standing.stamped_by.is_some());
    assert_eq!(standing.before_compromise, Some(false));
}

#[test]
fn the_published_key_carries_the_revocation_and_gpg_sees_it() {
    for reason in ["superseded", "retired", "compromised"] {
        let (world, old, ..) = replaced();
        let mut asked = json!({ "fingerprint": old, "reason": reason });
        if reason == "compromised" {
            asked["compromised_at"] = json!("2026-01-01T00:00:00Z");
        }
        let key = world.revoke(asked).unwrap();
        let public = PublicKey::from_armor(&key.public_key).unwrap();
        assert!(public.revocation().is_some());
        let listing = crate::openpgp::tests::imported(key.public_key.as_bytes());
        assert!(
            listing.lines().any(|line| line.starts_with("pub:r:")),
            "{listing}"
        );
    }
}

#[test]
fn asking_again_changes_nothing_and_a_graver_reason_may_follow() {
    let (world, old, ..) = replaced();
    let soft = json!({ "fingerprint": old, "reason": "retired" });
    let first = world.revoke(soft.clone()).unwrap();
    world.clock.pass(1_000);
    assert_eq!(world.revoke(soft.clone()).unwrap(), first);
    let other = json!({ "fingerprint": old, "reason": "superseded" });
    assert_eq!(
        world.revoke(other).unwrap_err().code(),
        "KEY_REVOKED_ALREADY"
    );
    let hard = json!({ "fingerprint": old, "reason": "compromised", "compromised_at": "2026-01-01T00:00:00Z" });
    assert_eq!(world.revoke(hard).unwrap().status, KeyStatus::Compromised);
    assert_eq!(
        world.revoke(soft).unwrap_err().code(),
        "KEY_REVOKED_ALREADY"
    );
    assert_eq!(world.log.size(), 4);
}

#[test]
fn a_compromised_keys_private_half_is_erased() {
    let world = World::new(vec![]);
    let second = world.rotate(&world.own_key()).unwrap().key.fingerprint;
    world.rotate(&second).unwrap();
    let halves = || {
        world.rows("SELECT private_key FROM fortress_keys WHERE number = 2")[0]
            .opt_text("private_key")
    };
    world
        .revoke(json!({ "fingerprint": second, "reason": "retired" }))
        .unwrap();
    assert!(halves().unwrap().is_some(), "kept for a graver word");
    let hard = json!({ "fingerprint": second, "reason": "compromised", "compromised_at": "2026-01-01T00:00:00Z" });
    world.revoke(hard).unwrap();
    assert_eq!(halves().unwrap(), None);
}

#[test]
fn what_cannot_be_is_refused() {
    let (world, old, ..) = replaced();
    let active = world.history()[1].fingerprint.clone();
    for (input, code) in [
        (
            json!({ "fingerprint": active, "reason": "retired" }),
            "KEY_IN_USE",
        ),
        (
            json!({ "fingerprint": "0".repeat(40), "reason": "retired" }),
            "KEY_NOT_FOUND",
        ),
        (
            json!({ "fingerprint": old, "reason": "compromised" }),
            "INVALID_INPUT",
        ),
        (
            json!({ "fingerprint": old, "reason": "retired", "compromised_at": "2026-01-01T00:00:00Z" }),
            "INVALID_INPUT",
        ),
        (
            json!({ "fingerprint": old, "reason": "compromised", "compromised_at": "2126-01-01T00:00:00Z" }),
            "INVALID_INPUT",
        ),
        (
            json!({ "fingerprint": old, "reason": "compromised", "compromised_at": "yesterday" }),
            "INVALID_INPUT",
        ),
        (
            json!({ "fingerprint": old, "reason": "retired", "revoked_key": "none" }),
            "INVALID_INPUT",
        ),
        (
            json!({ "fingerprint": old, "reason": "retired", "revoked_key": world.history()[0].public_key }),
            "INVALID_INPUT",
        ),
    ] {
        assert_eq!(
            world.revoke(input.clone()).unwrap_err().code(),
            code,
            "{input}"
        );
    }
    assert_eq!(world.log.size(), 2);
}

#[test]
fn a_revocation_made_with_other_tools_counts_and_can_be_handed_in() {
    let (mut world, old, logged, _) = replaced();
    let key = SigningKey::from_armor(lasting_key(), None).unwrap();
    let revoked = key.revoke(
        key.public_key(),
        crate::openpgp::Revocation::Hard,
        "",
        world.service.now_secs(),
    );
    let revoked = revoked.unwrap();
    // Put into PGP_PUBLIC_KEY.
    world.publish(revoked.clone());
    let verdict = world.verify(&logged);
    assert_eq!(
        (verdict.signature_valid, verdict.reason.as_str()),
        (false, "key_revoked")
    );
    assert_eq!(verdict.key.unwrap().before_compromise, Some(false));
    // Or given to the tool.
    world.restart();
    let handed = json!({
        "fingerprint": old, "reason": "compromised", "compromised_at": "2026-01-01T00:00:00Z",
        "revoked_key": revoked.to_armor()
    });
    assert_eq!(world.revoke(handed).unwrap().public_key, revoked.to_armor());
}

#[test]
fn at_every_failing_call_a_revocation_can_be_repeated() {
    for fault in [Fault::Fails, Fault::FailsButPersists] {
        for call in 0..10 {
            let (world, old, logged, _) = replaced();
            world.db.fail(fault, call, 1);
            let asked = json!({ "fingerprint": old, "reason": "superseded" });
            let done = world.revoke(asked.clone()).or_else(|_| world.revoke(asked));
            world.db.heal();
            assert_eq!(
                done.unwrap().status,
                KeyStatus::Superseded,
                "{fault:?} {call}"
            );
            assert_eq!(world.log.size(), 3, "{fault:?} {call}");
            assert!(world.verify(&logged).signature_valid, "{fault:?} {call}");
        }
    }
}

#[test]
fn what_the_secrets_say_of_a_key_outlives_them() {
    let (mut world, old, logged, _) = replaced();
    let key = SigningKey::from_armor(lasting_key(), None).unwrap();
    let hard = crate::openpgp::Revocation::Hard;
    let revoked = key.revoke(key.public_key(), hard, "", world.service.now_secs());
    // Revoked with other tools, put into PGP_PUBLIC_KEY; later another pair comes in its place.
    world.publish(revoked.unwrap());
    assert_eq!(world.known()[0].status, KeyStatus::Compromised);
    let next = crate::openpgp::make_key("Next", world.service.now_secs(), &FakeEntropy::default());
    let next = SigningKey::from_armor(&next.unwrap(), None).unwrap();
    world.service.keys = Rc::new(KeyRing::new(KeySecrets {
        public_key: next.public_key().clone(),
        key: Rc::new(next),
        next: None,
    }));
    let first = world.known().remove(0);
    assert_eq!(
        (&first.fingerprint, first.status),
        (&old, KeyStatus::Compromised)
    );
    assert_eq!(world.verify(&logged).reason, "key_revoked");
}

#[test]
fn a_time_of_compromise_is_moved_only_so_often() {
    let (world, old, ..) = replaced();
    let moved = (1..=20).map(|n| {
        let at = format!("2026-01-{:02}T00:00:00Z", 21 - n);
        let asked = json!({ "fingerprint": old, "reason": "compromised", "compromised_at": at });
        world.revoke(asked).map(drop).map_err(|error| error.code())
    });
    let moved: Vec<_> = moved.collect();
    let taken = moved.iter().take_while(|moved| moved.is_ok()).count();
    assert!((5..15).contains(&taken), "{moved:?}");
    assert!(
        moved[taken..]
            .iter()
            .all(|moved| *moved == Err("INVALID_INPUT"))
    );
    assert!(world.history().iter().any(|key| key.fingerprint == old));
}
