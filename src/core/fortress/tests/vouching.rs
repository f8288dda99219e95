//! Rows of `fortress_keys` that somebody wrote who has no key.

use super::keys::*;
use super::*;

impl World {
    /// The keys as they are published.
    pub(super) fn known(&self) -> Vec<HistoryEntry> {
        self.clock.pass(FRESH_MS);
        let published = self.service.published_keys(HISTORY_PATH);
        let reply = self.clock.run(published).unwrap().unwrap();
        let crate::http::Body::Bytes(json) = reply.body else {
            panic!("no bytes");
        };
        let known: KeyHistory = serde_json::from_slice(&json).unwrap();
        known.keys
    }

    /// A rotation whose fact does not come to be logged.
    fn rotate_unlogged(&self) {
        let lost = [LogFault::RequestLost; 3];
        let (read, read_again) = (LogFault::None, LogFault::None);
        let mut faults = self.log.faults.borrow_mut();
        faults.extend([read, read_again].into_iter().chain(lost));
        drop(faults);
        let error = self.rotate(&self.own_key()).unwrap_err();
        assert_eq!(error.code(), "CHAIN_UNAVAILABLE");
    }

    pub(super) fn write(&self, statement: Statement) {
        self.clock.run(self.db.inner.run(statement)).unwrap();
    }

    /// Puts a revocation of the first key into its row. Hard ones are since 1970.
    pub(super) fn write_revocation(&self, words: &Words, signature: String) {
        let set = "UPDATE fortress_keys SET revocation = ?1, revocation_statement = ?2, \
                   revocation_signature = ?3, revocation_signer = ?4, compromised_at = ?5 \
                   WHERE number = 1";
        let set = Statement::new(set).bind(words.reason).bind(words.text());
        let set = set.bind(signature).bind(words.signer.as_str());
        self.write(set.bind(words.compromised_at()));
    }
}

/// What a revocation says.
pub(super) struct Words {
    pub of: String,
    pub reason: &'static str,
    pub signer: String,
}

impl Words {
    fn compromised_at(&self) -> Option<i64> {
        (self.reason == "compromised").then_some(1)
    }

    pub fn text(&self) -> String {
        json!({
            "compromised_at_ms": self.compromised_at(), "declared_at_ms": START_MS,
            "fingerprint": self.of, "kind": "chittymcp/key-revocation/v1", "note": null,
            "reason": self.reason, "signer_fingerprint": self.signer,
        })
        .to_string()
    }
}

fn new_key(world: &World) -> SigningKey {
    let entropy = FakeEntropy::default();
    let text = crate::openpgp::make_key("Forger", world.service.now_secs(), &entropy);
    SigningKey::from_armor(&text.unwrap(), None).unwrap()
}

/// A row as a rotation writes it, without the private half of the key before.
struct Forged {
    key: SigningKey,
    statement: String,
    by_itself: String,
    private_key: Option<String>,
    old_signature: Option<String>,
    /// As if it were logged.
    valid_from: Option<i64>,
}

impl Forged {
    fn new(world: &World) -> Self {
        let key = new_key(world);
        let statement = json!({
            "kind": "chittymcp/key-rotation/v1", "made_at_ms": START_MS, "number": 2,
            "new_fingerprint": key.fingerprint(), "new_public_key_sha256": "",
            "old_fingerprint": world.own_key(),
        })
        .to_string();
        let by_itself = key.sign(statement.as_bytes(), world.service.now_secs());
        Self {
            by_itself: by_itself.unwrap(),
            key,
            statement,
            private_key: None,
            old_signature: None,
            valid_from: None,
        }
    }

    fn insert(&self) -> Statement {
        let origin = if self.private_key.is_some() {
            "made"
        } else {
            "secret"
        };
        Statement::new(
            "INSERT INTO fortress_keys (fingerprint, number, origin, public_key, private_key, \
             created_at, statement, old_signature, new_signature, valid_from, valid_from_index) \
             VALUES (?1, 2, ?2, ?3, ?4, 1, ?5, ?6, ?7, ?8, ?8)",
        )
        .bind(self.key.fingerprint())
        .bind(origin)
        .bind(self.key.public_key_armor())
        .bind(self.private_key.clone())
        .bind(self.statement.as_str())
        .bind(self.old_signature.clone())
        .bind(self.by_itself.as_str())
        .bind(self.valid_from)
    }
}

#[test]
fn who_writes_the_table_brings_in_no_key() {
    type Change = fn(&mut Forged);
    let changes: [Change; 5] = [
        |_| (),
        |row| row.valid_from = Some(0),
        |row| row.old_signature = Some(row.by_itself.clone()),
        |row| row.private_key = Some("v1.key.nonce.text".to_owned()),
        |row| row.private_key = Some(crate::openpgp::tests::lasting_key().to_owned()),
    ];
    for change in changes {
        let world = World::new(vec![hi()]);
        let mut row = Forged::new(&world);
        change(&mut row);
        world.write(row.insert());
        assert_eq!(world.known().len(), 1);
        let content = "anything".to_owned();
        let signature = row.key.sign(content.as_bytes(), world.service.now_secs());
        let question = VerifyInput {
            signature: signature.unwrap(),
            content,
            public_key: None,
            include_keys: false,
        };
        let verdict = world.verify(&question);
        assert_eq!(
            (verdict.signature_valid, verdict.reason.as_str()),
            (false, "wrong_key")
        );
        // Nothing of it is logged, and runs are signed as before.
        assert_eq!(world.settle().unwrap(), 0);
        let run = world.signed_run();
        assert_eq!(world.verify(&run).key_fingerprint, world.own_key());
        assert_eq!(world.log.size(), 1);
        // It takes the next number's place: who rotates is told.
        let error = world.rotate(&world.own_key()).unwrap_err();
        assert!(error.to_string().contains("nobody vouches"), "{error}");
        world.rows("DELETE FROM fortress_keys WHERE number = 2");
        assert_eq!(world.rotate(&world.own_key()).unwrap().key.number, 2);
    }
}

#[test]
fn a_row_that_does_not_go_together_is_passed_over() {
    for change in [
        "UPDATE fortress_keys SET new_signature = old_signature WHERE number = 2",
        "UPDATE fortress_keys SET statement = statement || ' ' WHERE number = 2",
        "UPDATE fortress_keys SET number = 3 WHERE number = 2",
        "UPDATE fortress_keys SET public_key = (SELECT public_key FROM fortress_keys WHERE number = 1) WHERE number = 2",
        "UPDATE fortress_keys SET public_key = 'none' WHERE number = 2",
        "UPDATE fortress_keys SET old_signature = NULL, private_key = NULL WHERE number = 2",
    ] {
        let world = World::new(vec![]);
        world.rotate_unlogged();
        assert_eq!(world.known()[1].status, KeyStatus::Next);
        world.rows(change);
        assert_eq!(world.known().len(), 1, "{change}");
    }
}

#[test]
fn one_that_vouches_is_enough() {
    for change in [
        "UPDATE fortress_keys SET old_signature = NULL WHERE number = 2",
        "UPDATE fortress_keys SET private_key = NULL WHERE number = 2",
    ] {
        let world = World::new(vec![]);
        world.rotate_unlogged();
        world.rows(change);
        assert_eq!(world.known().len(), 2, "{change}");
    }
}

#[test]
fn of_a_key_that_is_logged_the_row_says_nothing() {
    for change in [
        "UPDATE fortress_keys SET new_signature = old_signature WHERE number = 2",
        "UPDATE fortress_keys SET statement = statement || ' ' WHERE number = 2",
        "UPDATE fortress_keys SET number = 3 WHERE number = 2",
        "UPDATE fortress_keys SET old_signature = NULL WHERE number = 2",
        "UPDATE fortress_keys SET valid_from = NULL, valid_from_index = NULL",
        "UPDATE fortress_keys SET valid_until = 1, valid_until_index = 0 WHERE number = 2",
        "UPDATE fortress_keys SET valid_until = NULL WHERE number = 1",
    ] {
        let world = World::new(vec![]);
        world.rotate(&world.own_key()).unwrap();
        let (known, rows) = (world.known(), world.rows("SELECT * FROM fortress_keys"));
        world.rows(change);
        assert_eq!(world.known(), known, "{change}");
        let after = world.rows("SELECT * FROM fortress_keys");
        assert_eq!(format!("{after:?}"), format!("{rows:?}"), "{change}");
    }
}

#[test]
fn a_key_whose_rotation_is_not_logged_is_not_valid_yet() {
    let mut world = World::new(vec![]);
    let text = crate::openpgp::make_key("Next", world.service.now_secs(), &FakeEntropy::default());
    let text = text.unwrap();
    let next = SigningKey::from_armor(&text, None).unwrap();
    world.service.keys = Rc::new(KeyRing::new(KeySecrets {
        next: Some(Secret::new(text.as_str())),
        ..secrets()
    }));
    let ask = RotateKeyInput {
        from_fingerprint: world.own_key(),
        use_secret: true,
    };
    let lost = [LogFault::RequestLost; 3];
    let faults = [LogFault::None; 2].into_iter().chain(lost);
    world.log.faults.borrow_mut().extend(faults);
    let error = world.clock.run(world.service.rotate_key(&ask)).unwrap_err();
    assert_eq!(error.code(), "CHAIN_UNAVAILABLE");
    let question = VerifyInput {
        content: "early".to_owned(),
        signature: next.sign(b"early", world.service.now_secs()).unwrap(),
        public_key: None,
        include_keys: false,
    };
    // Who only reads logs nothing.
    assert_eq!(world.known()[1].status, KeyStatus::Next);
    let verdict = world.verify(&question);
    assert_eq!(
        (
            verdict.signature_valid,
            verdict.reason.as_str(),
            world.log.size()
        ),
        (false, "key_not_yet_valid", 0)
    );
    assert!(verdict.explanation.contains("not in the log yet"));
    assert_eq!(world.settle().unwrap(), 1);
    assert!(world.verify(&question).signature_valid);
}

#[test]
fn a_revocation_that_no_key_signed_is_not_logged() {
    let world = World::new(vec![]);
    let old = world.own_key();
    let made = world.rotate(&old).unwrap();
    let rotation = made.key.rotation.unwrap();
    let forged = Words {
        of: old,
        reason: "compromised",
        signer: made.key.fingerprint,
    };
    world.write_revocation(&forged, rotation.new_signature);
    assert_eq!((world.settle().unwrap(), world.log.size()), (0, 1));
}

#[test]
fn a_key_whose_day_is_over_revokes_no_other() {
    let world = World::new(vec![]);
    let first = world.own_key();
    let second = world.rotate(&first).unwrap().key.fingerprint;
    let signer = world.clock.run(world.service.signer()).unwrap();
    world.rotate(&second).unwrap();
    let words = Words {
        of: first,
        reason: "compromised",
        signer: second,
    };
    let now = world.service.now_secs();
    let signature = signer.key.sign(words.text().as_bytes(), now).unwrap();
    world.write_revocation(&words, signature);
    // The log of these tests has a clock of its own, which is a second ahead.
    world.clock.pass(OVERLAP_MS + 1_000);
    assert_eq!(world.known()[0].revocation, None);
    // The ends of both keys, and no revocation.
    assert_eq!((world.settle().unwrap(), world.log.size()), (2, 4));
}

#[test]
fn a_key_that_came_in_while_the_keys_were_read_is_among_them() {
    let world = World::new(vec![]);
    let made = world.rotate(&world.own_key()).unwrap();
    world.rows("CREATE TABLE late AS SELECT * FROM fortress_keys WHERE number = 2");
    world.rows("DELETE FROM fortress_keys WHERE number = 2");
    world.clock.pass(FRESH_MS);
    // The rows are read first, then the log, which has the rotation by then.
    world
        .db
        .interpose(1, "INSERT INTO fortress_keys SELECT * FROM late");
    assert_eq!(world.history(), [made.previous, made.key]);
}

#[test]
fn with_its_private_half_in_the_secrets_a_key_signs_whatever_the_table_has() {
    let world = World::new(vec![hi()]);
    world.rows("UPDATE fortress_keys SET private_key = 'v1.key.nonce.text'");
    world.clock.pass(FRESH_MS);
    let run = world.signed_run();
    assert_eq!(world.verify(&run).key_fingerprint, world.own_key());
}
