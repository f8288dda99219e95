//! Keys that are replaced: by a fact that both signed, once, whatever fails on the way.

use super::keys::*;
use super::*;
use crate::digest::sha256_hex;

impl World {
    pub(super) fn rotate(&self, from: &str) -> Result<RotateKeyOutput, FortressError> {
        let input = RotateKeyInput {
            from_fingerprint: from.to_owned(),
            use_secret: false,
        };
        self.clock.run(self.service.rotate_key(&input))
    }

    pub(super) fn settle(&self) -> Result<usize, FortressError> {
        self.clock.run(self.service.settle_keys())
    }

    pub(super) fn history(&self) -> Vec<HistoryEntry> {
        self.clock.run(self.service.key_history()).unwrap().keys
    }

    /// A run of its own.
    pub(super) fn signed_run(&self) -> VerifyInput {
        let run = ExecuteInput {
            evidence_id: None,
            ..input()
        };
        let run = self.execute(&run).unwrap();
        VerifyInput {
            content: run.manifest,
            signature: run.signature,
            public_key: None,
            include_keys: false,
        }
    }
}

impl World {
    /// A package's tag manifest, signed by that key now.
    fn package(&self, key: &SigningKey, content: &str) -> VerifyInput {
        let signature = key.sign(content.as_bytes(), self.service.now_secs());
        VerifyInput {
            content: content.to_owned(),
            signature: signature.unwrap(),
            public_key: None,
            include_keys: false,
        }
    }

    /// As if the fortress had sealed it.
    fn log_package(&self, key: &SigningKey, signed: &VerifyInput) {
        let input = SealInput {
            package_id: "PKG-1".to_owned(),
            tag_manifest: signed.content.clone(),
        };
        let sealed = SealOutput {
            signature: signed.signature.clone(),
            key_fingerprint: key.fingerprint(),
        };
        let now_secs = self.service.now_secs();
        let logging = super::logging::log_seal(&*self.service.ledger, &input, &sealed, now_secs);
        self.clock.run(logging).unwrap();
    }
}

fn status(world: &World) -> Vec<KeyStatus> {
    world.history().iter().map(|key| key.status).collect()
}

#[test]
fn a_rotation_is_a_fact_that_both_keys_signed() {
    let world = World::new(vec![hi(), hi()]);
    let old = world.own_key();
    let before = world.signed_run();
    let made = world.rotate(&old).unwrap();
    assert_eq!((made.key.number, made.key.status), (2, KeyStatus::Active));
    assert_eq!(
        (&made.previous.fingerprint, made.previous.status),
        (&old, KeyStatus::Replaced)
    );
    let (fact, _) = world.log.fact(1);
    assert_eq!(
        fact.subject,
        format!("fortress:key:{}", made.key.fingerprint)
    );
    assert_eq!(
        (fact.predicate.as_str(), fact.source.as_str()),
        ("rotated_in", "fortress-keys")
    );
    assert_eq!(made.key.valid_from.as_ref().unwrap().log_index, Some(1));

    // The same canonical bytes, under each key by itself.
    let rotation = made.key.rotation.unwrap();
    let now_secs = world.service.now_secs();
    for (signature, key) in [
        (&fact.metadata["old_signature"], &made.previous.public_key),
        (&fact.metadata["new_signature"], &made.key.public_key),
    ] {
        let key = PublicKey::from_armor(key).unwrap();
        let statement = fact.metadata["statement"].as_bytes();
        assert!(crate::openpgp::verify(statement, signature, &key, now_secs).valid);
    }
    assert_eq!(fact.metadata["statement"], rotation.statement);
    let said: serde_json::Value = serde_json::from_str(&rotation.statement).unwrap();
    assert_eq!(said["old_fingerprint"], json!(old));
    assert_eq!(
        said["new_public_key_sha256"],
        json!(sha256_hex(&made.key.public_key))
    );
    assert_eq!(
        serde_json_canonicalizer::to_string(&said).unwrap(),
        rotation.statement
    );

    // The new one signs; what the old one signed stands.
    let after = world.signed_run();
    let verdict = world.verify(&after);
    assert!(verdict.signature_valid && verdict.key_fingerprint == made.key.fingerprint);
    let verdict = world.verify(&before);
    assert!(verdict.signature_valid, "{}", verdict.explanation);
    let key = verdict.key.unwrap();
    assert_eq!(
        (key.status, key.logged.unwrap().log_index),
        (KeyStatus::Replaced, 0)
    );
}

#[test]
fn the_private_half_is_sealed_and_asking_again_changes_nothing() {
    let world = World::new(vec![]);
    let old = world.own_key();
    let first = world.rotate(&old).unwrap();
    let again = world.rotate(&old.to_lowercase()).unwrap();
    assert_eq!(first.key, again.key);
    assert_eq!(world.log.size(), 1);
    let rows = world.rows("SELECT * FROM fortress_keys ORDER BY number");
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[0].opt_text("private_key").unwrap(), None);
    let sealed = rows[1].text("private_key").unwrap();
    let opened = sealer().open("fortress_key", &[&first.key.fingerprint], &sealed);
    let text = String::from_utf8(opened.unwrap()).unwrap();
    assert!(text.starts_with("-----BEGIN PGP PRIVATE KEY BLOCK-----"));
    assert!(!format!("{rows:?}").contains("PRIVATE KEY BLOCK"));

    let second = world.rotate(&first.key.fingerprint).unwrap();
    assert_eq!(second.key.number, 3);
    let late = world.rotate(&old).unwrap_err();
    assert_eq!(late.code(), "KEY_NOT_ACTIVE");
    assert_eq!(
        world.rotate(&"0".repeat(40)).unwrap_err().code(),
        "KEY_NOT_FOUND"
    );
}

#[test]
fn a_key_given_as_a_secret_is_taken_once() {
    let mut world = World::new(vec![hi()]);
    let old = world.own_key();
    let entropy = FakeEntropy::default();
    let text = crate::openpgp::make_key("Next", world.service.now_secs(), &entropy).unwrap();
    let next = SigningKey::from_armor(&text, None).unwrap().fingerprint();
    let ask = |world: &World, from: &str| {
        let input = RotateKeyInput {
            from_fingerprint: from.to_owned(),
            use_secret: true,
        };
        world.clock.run(world.service.rotate_key(&input))
    };
    assert_eq!(ask(&world, &old).unwrap_err().code(), "NO_NEXT_KEY");
    let secrets = KeySecrets {
        next: Some(Secret::new(text.as_str())),
        ..secrets()
    };
    world.service.keys = Rc::new(KeyRing::new(secrets));
    assert_eq!(ask(&world, &old).unwrap().key.fingerprint, next);
    assert_eq!(ask(&world, &next).unwrap_err().code(), "NO_NEXT_KEY");
    let question = world.signed_run();
    assert_eq!(world.verify(&question).key_fingerprint, next);
}

#[test]
fn the_old_key_has_a_day_and_then_an_index_at_which_it_ends() {
    let world = World::new(vec![]);
    let old = world.own_key();
    let made = world.rotate(&old).unwrap();
    assert_eq!(made.previous.valid_until.unwrap().log_index, None);
    assert_eq!(world.settle().unwrap(), 0);
    // The log of these tests has a clock of its own, which is a second ahead.
    world.clock.pass(OVERLAP_MS + 1_000);
    assert_eq!((world.settle().unwrap(), world.settle().unwrap()), (1, 0));
    let ended = &world.history()[0];
    assert_eq!(ended.valid_until.as_ref().unwrap().log_index, Some(1));
    let (fact, _) = world.log.fact(1);
    assert_eq!(fact.predicate, "no_longer_signs");
    assert_eq!(
        world.history()[0].end_fact_id.as_ref().map(String::len),
        Some(64)
    );
}

#[test]
fn what_the_old_key_signs_after_its_end_does_not_hold() {
    let world = World::new(vec![hi()]);
    let (old, in_time) = (world.own_key(), world.signed_run());
    world.rotate(&old).unwrap();
    // Someone goes on signing with the old key.
    let key = Rc::clone(&world.service.keys.secrets.key);
    let forged = world.package(&key, "forged");
    assert!(
        world.verify(&forged).signature_valid,
        "dated within the overlap"
    );
    // The log of these tests has a clock of its own, which is a second ahead.
    world.clock.pass(OVERLAP_MS + 1_000);
    world.settle().unwrap();
    assert_eq!(world.verify(&forged).reason, "not_logged");
    // What a row says of its run's fact changes nothing.
    world.rows("UPDATE fortress_jobs SET assertion_id = NULL");
    assert!(
        world.verify(&in_time).signature_valid,
        "logged before the end"
    );
    world.log_package(&key, &forged);
    assert_eq!(world.verify(&forged).reason, "key_superseded");
}

#[test]
fn what_is_logged_before_its_key_came_in_does_not_hold() {
    let mut world = World::new(vec![]);
    let text = crate::openpgp::make_key("Next", world.service.now_secs(), &FakeEntropy::default());
    let text = text.unwrap();
    let next = SigningKey::from_armor(&text, None).unwrap();
    let early = world.package(&next, "early");
    world.log_package(&next, &early);
    world.service.keys = Rc::new(KeyRing::new(KeySecrets {
        next: Some(Secret::new(text.as_str())),
        ..secrets()
    }));
    let input = RotateKeyInput {
        from_fingerprint: world.own_key(),
        use_secret: true,
    };
    world.clock.run(world.service.rotate_key(&input)).unwrap();
    world.rotate(&next.fingerprint()).unwrap();
    let verdict = world.verify(&early);
    assert_eq!(verdict.reason, "key_not_yet_valid");
    assert!(verdict.explanation.contains("before the key came in"));
}

#[test]
fn a_rush_of_rotations_makes_one_successor() {
    let db = Faulty::new();
    let clock = JumpClock::at(START_MS);
    let worlds: Vec<World> = (0..4)
        .map(|_| World::on(&clock, Rc::clone(&db), vec![]))
        .collect();
    // All write to one log.
    let ledger = Rc::clone(&worlds[0].service.ledger);
    let services: Vec<FortressService> = worlds
        .iter()
        .map(|world| FortressService {
            ledger: Rc::clone(&ledger),
            ..world.service.clone()
        })
        .collect();
    db.pause_every_call();
    let input = RotateKeyInput {
        from_fingerprint: worlds[0].own_key(),
        use_secret: false,
    };
    let all = futures::future::join_all(services.iter().map(|service| service.rotate_key(&input)));
    let made: Vec<RotateKeyOutput> = clock.run(all).into_iter().map(Result::unwrap).collect();
    assert!(made.iter().all(|one| one.key == made[0].key));
    db.resume();
    assert_eq!((worlds[0].history().len(), worlds[0].log.size()), (2, 1));
}

#[test]
fn at_every_failing_call_a_rotation_can_be_repeated() {
    for fault in [Fault::Fails, Fault::FailsButPersists] {
        for call in 0..10 {
            let world = World::new(vec![hi()]);
            let old = world.own_key();
            world.db.fail(fault, call, 1);
            let made = world.rotate(&old).or_else(|_| world.rotate(&old)).unwrap();
            world.db.heal();
            assert_eq!(
                status(&world),
                [KeyStatus::Replaced, KeyStatus::Active],
                "{fault:?} {call}"
            );
            assert_eq!(world.log.size(), 1, "{fault:?} {call}");
            let question = world.signed_run();
            assert_eq!(
                world.verify(&question).key_fingerprint,
                made.key.fingerprint
            );
        }
    }
    for fault in [LogFault::RequestLost, LogFault::ReplyLost] {
        let world = World::new(vec![hi()]);
        let old = world.own_key();
        // All of a client's tries, once the log has said which keys there are.
        let faults = [LogFault::None; 2].into_iter().chain([fault; 3]);
        world.log.faults.borrow_mut().extend(faults);
        assert_eq!(world.rotate(&old).unwrap_err().code(), "CHAIN_UNAVAILABLE");
        // The next one to look logs it, without being asked to.
        world.clock.pass(FRESH_MS);
        let question = world.signed_run();
        assert_ne!(world.verify(&question).key_fingerprint, old);
        assert_eq!(world.rotate(&old).unwrap().key.number, 2);
        assert_eq!(world.log.size(), 2);
    }
}

/// The world with another pair as its secrets. Returns its fingerprint.
fn replace_by_hand(world: &mut World) -> String {
    let text =
        crate::openpgp::make_key("By hand", world.service.now_secs(), &FakeEntropy::default());
    let key = SigningKey::from_armor(&text.unwrap(), None).unwrap();
    let print = key.fingerprint();
    let secrets = KeySecrets {
        public_key: key.public_key().clone(),
        key: Rc::new(key),
        next: None,
    };
    world.service.keys = Rc::new(KeyRing::new(secrets));
    print
}

#[test]
fn secrets_replaced_by_hand_come_next_and_nobody_vouches_for_them() {
    let mut world = World::new(vec![hi(), hi()]);
    let before = world.signed_run();
    world.clock.run(world.service.log_due()).unwrap();
    let print = replace_by_hand(&mut world);
    let question = world.signed_run();
    assert_eq!(world.verify(&question).key_fingerprint, print);
    let next = world.history().remove(1);
    assert_eq!(next.rotation.unwrap().old_signature, None);
    assert!(world.verify(&before).signature_valid);
}

#[test]
fn secrets_replaced_before_the_log_named_a_key_are_the_first() {
    let mut world = World::new(vec![hi(), hi()]);
    let before = world.signed_run();
    let print = replace_by_hand(&mut world);
    let question = world.signed_run();
    assert!(world.verify(&question).signature_valid);
    assert_eq!(world.history().len(), 1);
    assert_eq!(world.verify(&before).reason, "wrong_key");
    world.clock.run(world.service.log_due()).unwrap();
    assert_eq!(world.history()[0].fingerprint, print);
}

#[test]
fn the_keys_are_published_as_gpg_reads_them() {
    let world = World::new(vec![]);
    let made = world.rotate(&world.own_key()).unwrap();
    let get = |path: &str| world.clock.run(world.service.published_keys(path));
    let file = get(KEYS_PATH).unwrap().unwrap();
    let crate::http::Body::Bytes(file) = file.body else {
        panic!("no bytes");
    };
    let gpg = crate::openpgp::tests::imported(&file);
    for print in [&made.key.fingerprint, &made.previous.fingerprint] {
        assert!(gpg.contains(print.as_str()), "{gpg}");
    }
    let told = get(HISTORY_PATH).unwrap().unwrap();
    assert!(
        told.headers
            .contains(&("cache-control", "public, max-age=60".to_owned()))
    );
    let crate::http::Body::Bytes(json) = told.body else {
        panic!("no bytes");
    };
    let told: KeyHistory = serde_json::from_slice(&json).unwrap();
    assert_eq!(told.keys, world.history());
    assert!(get("/keys/other").is_none());
}
