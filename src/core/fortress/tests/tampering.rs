//! Who writes the table of keys, or sets it back to an older day, and what the log says to that.

use super::keys::*;
use super::vouching::Words;
use super::*;
use crate::openpgp::make_key;

/// A key that signed a run, was replaced, and is known to be compromised; its public half as it
/// was before that.
struct Compromised {
    world: World,
    old: String,
    logged: VerifyInput,
    clean: String,
}

fn compromised() -> Compromised {
    let world = World::new(vec![hi(), hi(), hi()]);
    let old = world.own_key();
    let logged = world.signed_run();
    let clean = world.first_row().text("public_key").unwrap();
    world.rotate(&old).unwrap();
    let input: RevokeKeyInput = serde_json::from_value(json!({
        "fingerprint": old, "reason": "compromised", "compromised_at": "2026-01-01T00:00:00Z"
    }))
    .unwrap();
    world.clock.run(world.service.revoke_key(&input)).unwrap();
    assert!(!world.verify(&logged).signature_valid);
    Compromised {
        world,
        old,
        logged,
        clean,
    }
}

impl World {
    fn first_row(&self) -> Row {
        self.rows("SELECT * FROM fortress_keys WHERE number = 1")
            .remove(0)
    }

    /// A question about what that key signs today.
    fn signed_by(&self, key: &SigningKey, content: &str) -> VerifyInput {
        let signature = key.sign(content.as_bytes(), self.service.now_secs());
        VerifyInput {
            content: content.to_owned(),
            signature: signature.unwrap(),
            public_key: None,
            include_keys: true,
        }
    }

    fn thief(&self) -> SigningKey {
        let made = make_key("Thief", self.service.now_secs(), &FakeEntropy::default());
        SigningKey::from_armor(&made.unwrap(), None).unwrap()
    }

    /// A row with nothing but a key, as if it had been the first one.
    fn insert_thief(&self, thief: &SigningKey, number: i64) {
        self.write(
            Statement::new(
                "INSERT INTO fortress_keys (fingerprint, number, origin, public_key, created_at, \
                 statement, new_signature, valid_from, valid_from_index) \
                 VALUES (?1, ?2, 'secret', ?3, 1, 's', 's', 1, 0)",
            )
            .bind(thief.fingerprint())
            .bind(number)
            .bind(thief.public_key_armor()),
        );
    }

    fn was_put_right(&self) -> bool {
        let told = self.told.0.borrow();
        told.iter()
            .any(|(_, event, _)| event == "fortress_key_row_put_right")
    }
}

#[test]
fn a_revocation_that_is_in_the_log_cannot_be_taken_out_of_the_table() {
    let Compromised {
        world,
        old,
        logged,
        clean,
    } = compromised();
    // Who can write D1, or a D1 that was restored to the day before.
    world.write(
        Statement::new(
            "UPDATE fortress_keys SET public_key = ?1, revocation = NULL, \
             revocation_statement = NULL, revocation_signature = NULL, revocation_signer = NULL, \
             compromised_at = NULL, revoked_at = NULL, revoked_index = NULL, \
             revocation_fact = NULL WHERE number = 1",
        )
        .bind(clean),
    );
    let keys = world.known();
    assert_eq!(
        (&keys[0].fingerprint, keys[0].status),
        (&old, KeyStatus::Compromised)
    );
    let forged = world.signed_by(&world.service.keys.secrets.key, "forged with a stolen key");
    for question in [&logged, &forged] {
        assert_eq!(world.verify(question).reason, "key_revoked");
    }
    // The row says it again, and somebody is told.
    let row = world.first_row();
    assert_eq!(row.text("revocation").unwrap(), "compromised");
    assert!(row.int("revoked_index").is_ok() && world.was_put_right());
    // Without its certificate of revocation gpg would call it good.
    let file = world.clock.run(world.service.published_keys(KEYS_PATH));
    let crate::http::Body::Bytes(file) = file.unwrap().unwrap().body else {
        panic!("no bytes");
    };
    assert!(!crate::openpgp::tests::imported(&file).contains(&old));
}

#[test]
fn a_deleted_row_does_not_bring_a_compromised_key_back_as_the_one_that_signs() {
    let Compromised { world, old, .. } = compromised();
    world.rows("DELETE FROM fortress_keys WHERE number = 1");
    let before = world.log.size();
    let keys = world.known();
    let numbers: Vec<_> = keys.iter().map(|key| (key.number, key.status)).collect();
    assert_eq!(
        numbers,
        [(1, KeyStatus::Compromised), (2, KeyStatus::Active)]
    );
    let verdict = world.verify(&world.signed_run());
    assert!(verdict.signature_valid && verdict.key_fingerprint != old);
    assert_eq!(world.log.size(), before + 1);
}

#[test]
fn without_the_row_of_the_key_that_signs_nobody_else_signs() {
    let world = World::new(vec![hi()]);
    let second = world.rotate(&world.own_key()).unwrap().key.fingerprint;
    world.rows("DELETE FROM fortress_keys WHERE number = 2");
    assert_eq!(world.known().len(), 1);
    let error = world.execute(&input()).unwrap_err();
    assert!(error.to_string().contains(&second), "{error}");
    assert!(error.to_string().contains("from a backup"), "{error}");
    assert_eq!((world.asked(), world.log.size()), (0, 1));
    let error = world.rotate(&world.own_key()).unwrap_err();
    assert!(
        error.to_string().contains("put the right row back"),
        "{error}"
    );
}

#[test]
fn a_compromised_key_vouches_for_no_successor() {
    let Compromised { world, old, .. } = compromised();
    let (thief, now) = (world.thief(), world.service.now_secs());
    let stolen = Rc::clone(&world.service.keys.secrets.key);
    for number in [2, 3] {
        let statement = json!({
            "kind": "chittymcp/key-rotation/v1", "made_at_ms": START_MS, "number": number,
            "new_fingerprint": thief.fingerprint(), "new_public_key_sha256": "",
            "old_fingerprint": old,
        })
        .to_string();
        world.rows("DELETE FROM fortress_keys WHERE number >= 2");
        world.write(
            Statement::new(
                "INSERT INTO fortress_keys (fingerprint, number, origin, public_key, created_at, \
                 statement, old_signature, new_signature) VALUES (?1, ?6, 'secret', ?2, 1, ?3, ?4, ?5)",
            )
            .bind(thief.fingerprint())
            .bind(thief.public_key_armor())
            .bind(statement.as_str())
            .bind(stolen.sign(statement.as_bytes(), now).unwrap())
            .bind(thief.sign(statement.as_bytes(), now).unwrap())
            .bind(number),
        );
        let before = world.log.size();
        assert_eq!((world.settle().unwrap(), world.log.size()), (0, before));
        assert_eq!(world.known().len(), 1);
        assert!(
            !world
                .verify(&world.signed_by(&thief, "forged"))
                .signature_valid
        );
    }
}

#[test]
fn a_compromised_key_revokes_no_other() {
    let world = World::new(vec![hi()]);
    let first = world.own_key();
    let logged = world.signed_run();
    let second = world.rotate(&first).unwrap().key.fingerprint;
    let signer = world.clock.run(world.service.signer()).unwrap();
    world.rotate(&second).unwrap();
    let revoke: RevokeKeyInput = serde_json::from_value(json!({
        "fingerprint": second, "reason": "compromised", "compromised_at": "2026-01-01T00:00:00Z"
    }))
    .unwrap();
    world.clock.run(world.service.revoke_key(&revoke)).unwrap();
    let words = Words {
        of: first,
        reason: "retired",
        signer: second,
    };
    let now = world.service.now_secs();
    let signature = signer.key.sign(words.text().as_bytes(), now).unwrap();
    world.write_revocation(&words, signature);
    assert_eq!(world.known()[0].revocation, None);
    assert_eq!(world.settle().unwrap(), 0);
    assert!(world.verify(&logged).signature_valid);
    assert!(world.was_put_right());
}

#[test]
fn packages_list_no_key_that_nobody_vouches_for() {
    let world = World::new(vec![]);
    let thief = world.thief();
    world.insert_thief(&thief, 2);
    let verdict = world.verify(&world.signed_by(&thief, "forged"));
    let keys = verdict.keys.unwrap();
    assert_eq!(keys, world.known());
    let prints: Vec<_> = keys.iter().map(|key| &key.fingerprint).collect();
    assert_eq!(prints, [&world.own_key()]);
}

#[test]
fn the_reason_and_time_of_a_revocation_are_what_was_signed() {
    let Compromised {
        world, old, logged, ..
    } = compromised();
    for change in [
        "UPDATE fortress_keys SET compromised_at = 99999999999999 WHERE number = 1",
        "UPDATE fortress_keys SET revocation = 'retired', compromised_at = NULL WHERE number = 1",
    ] {
        world.rows(change);
        let key = world.known().remove(0);
        assert_eq!(
            (&key.fingerprint, key.status),
            (&old, KeyStatus::Compromised)
        );
        let at = key.revocation.unwrap().compromised_at;
        assert!(at.unwrap().starts_with("2026-01-01T00:00:00"));
        let verdict = world.verify(&logged);
        assert_eq!(verdict.reason, "key_revoked");
        assert_eq!(verdict.key.unwrap().before_compromise, Some(false));
        assert_eq!(world.first_row().text("revocation").unwrap(), "compromised");
    }
}

#[test]
fn a_fact_about_keys_that_cannot_be_read_leaves_no_verdict() {
    let Compromised { world, logged, .. } = compromised();
    let fresh = KeyRing::new(secrets());
    world.log.erase(2);
    let service = FortressService {
        keys: Rc::new(fresh),
        ..world.service.clone()
    };
    let error = world.clock.run(service.verify(&logged)).unwrap_err();
    assert_eq!(error.code(), "CHAIN_UNAVAILABLE");
    assert!(error.to_string().contains("cannot be read"), "{error}");
}

#[test]
fn two_revocations_at_once_are_not_lost_on_each_other() {
    let world = World::new(vec![]);
    let old = world.own_key();
    world.rotate(&old).unwrap();
    let revoke = |at: &str| {
        let asked = json!({ "fingerprint": old, "reason": "compromised", "compromised_at": at });
        let input: RevokeKeyInput = serde_json::from_value(asked).unwrap();
        world.clock.run(world.service.revoke_key(&input))
    };
    // Between reading the row and writing it.
    let other = "UPDATE fortress_keys SET revocation = 'retired', revocation_statement = 's', \
                 revocation_signature = 's' WHERE number = 1";
    world.db.interpose(1, other);
    assert_eq!(
        revoke("2026-01-02T00:00:00Z").unwrap_err().code(),
        "KEY_CHANGED"
    );
    let done = revoke("2026-01-01T00:00:00Z").unwrap();
    assert_eq!(done.key.status, KeyStatus::Compromised);
}

#[test]
fn a_revocation_that_did_not_last_is_not_called_done() {
    let world = World::new(vec![]);
    let old = world.own_key();
    world.rotate(&old).unwrap();
    let asked = json!({ "fingerprint": old, "reason": "retired" });
    let input: RevokeKeyInput = serde_json::from_value(asked).unwrap();
    // Once it is written, and before it is read again to be logged.
    let other = "UPDATE fortress_keys SET revocation = NULL WHERE number = 1";
    world.db.interpose(2, other);
    let revoke = || world.clock.run(world.service.revoke_key(&input));
    assert_eq!(revoke().unwrap_err().code(), "KEY_CHANGED");
    assert_eq!(revoke().unwrap().key.status, KeyStatus::Retired);
}

/// No key is stolen here, no secret known: the table alone is written to.
#[test]
fn who_writes_the_table_signs_no_runs() {
    let world = World::new(vec![hi(), hi(), hi(), hi()]);
    world.signed_run();
    let thief = world.thief();
    world.rows("DELETE FROM fortress_keys");
    world.insert_thief(&thief, 1);
    // A run that never was, signed by the thief's key.
    let real = world.rows("SELECT manifest FROM fortress_jobs")[0].text("manifest");
    let mut forged: serde_json::Value = serde_json::from_str(&real.unwrap()).unwrap();
    forged["job_id"] = json!("JOB-forged");
    forged["label"] = json!("the model said: pay the thief");
    forged["signer_fingerprint"] = json!(thief.fingerprint());
    let forged = serde_json_canonicalizer::to_string(&forged).unwrap();
    let question = world.signed_by(&thief, &forged);
    world.known();
    assert_eq!(world.verify(&question).reason, "wrong_key");
    world.write(
        Statement::new(
            "INSERT INTO fortress_jobs (id, user_id, label, status, idempotency_key, request_id, \
             sealed_prompt, sealed_output, prompt_hash, output_hash, output_file, manifest, \
             signature, key_fingerprint, policy, model_requested, model_answered, created_at, \
             started_at, completed_at, updated_at) SELECT 'JOB-forged', user_id, label, status, \
             'forged', request_id, sealed_prompt, sealed_output, prompt_hash, output_hash, \
             'JOB-forged.txt', ?1, ?2, ?3, policy, model_requested, model_answered, created_at, \
             started_at, completed_at, updated_at FROM fortress_jobs LIMIT 1",
        )
        .bind(question.content.as_str())
        .bind(question.signature.as_str())
        .bind(thief.fingerprint()),
    );
    // The next run, as ever; the cron, as ever.
    let next = world.signed_run();
    assert_eq!(world.verify(&next).key_fingerprint, world.own_key());
    assert_eq!(world.sweep().unwrap_err().code(), "RUN_NOT_AS_SIGNED");
    assert_eq!(world.log.size(), 2);
    // Days later.
    world.clock.pass(3 * OVERLAP_MS);
    world.signed_run();
    let prints: Vec<_> = world
        .known()
        .into_iter()
        .map(|key| key.fingerprint)
        .collect();
    assert_eq!(prints, [world.own_key()]);
    let later = world.verify(&question);
    assert_eq!((later.reason.as_str(), later.key), ("wrong_key", None));
}

#[test]
fn what_the_log_has_of_a_signature_is_found_without_the_table_of_facts() {
    let world = World::new(vec![hi()]);
    let seal = SealInput {
        package_id: "PKG-1".to_owned(),
        tag_manifest: format!("{}  manifest-sha256.txt\n", "0".repeat(64)),
    };
    let run = world.signed_run();
    let sealed = world.clock.run(world.service.seal(&seal)).unwrap();
    let package = VerifyInput {
        content: seal.tag_manifest,
        signature: sealed.signature,
        ..run.clone()
    };
    world.rotate(&world.own_key()).unwrap();
    world.clock.pass(OVERLAP_MS + 1_000);
    world.rows("DELETE FROM chitty_chain_facts");
    for (question, index) in [(&run, 0), (&package, 1)] {
        let verdict = world.verify(question);
        assert!(verdict.signature_valid, "{}", verdict.explanation);
        assert_eq!(verdict.key.unwrap().logged.unwrap().log_index, index);
    }
}
