mod faults;
mod rotation;

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::rc::Rc;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::*;
use crate::jose::{self, Algorithm};
use crate::secret::Secret;
use crate::sql::{Outcome, SqliteDatabase, Statement};
use crate::testing::{FakeClock, FakeEntropy, FakeLog, block_on};

const NOW: i64 = 1_795_262_349_123;

/// `SQLite` that can be taken away, counts, and lets another isolate go first.
struct Table {
    sqlite: SqliteDatabase,
    down: Cell<bool>,
    reads: Cell<usize>,
    before_batch: RefCell<Option<Box<dyn FnOnce()>>>,
}

impl Table {
    fn check(&self) -> Result<(), DatabaseError> {
        if self.down.get() {
            return Err(DatabaseError::Unavailable("down on purpose".into()));
        }
        Ok(())
    }
}

#[async_trait(?Send)]
impl Database for Table {
    async fn run(&self, statement: Statement) -> Result<Outcome, DatabaseError> {
        self.reads.set(self.reads.get() + 1);
        self.check()?;
        self.sqlite.run(statement).await
    }

    async fn batch(&self, statements: Vec<Statement>) -> Result<Vec<Outcome>, DatabaseError> {
        self.check()?;
        if let Some(other) = self.before_batch.take() {
            other();
        }
        self.sqlite.batch(statements).await
    }
}

struct World {
    table: Table,
    clock: FakeClock,
    entropy: FakeEntropy,
    sealer: Sealer,
    log: FakeLog,
}

impl World {
    fn new() -> Self {
        Self {
            table: Table {
                sqlite: SqliteDatabase::with_schema(),
                down: Cell::default(),
                reads: Cell::default(),
                before_batch: RefCell::default(),
            },
            clock: FakeClock::at(NOW),
            entropy: FakeEntropy::default(),
            sealer: Sealer::new(&Secret::new("ab".repeat(32)), &[]).unwrap(),
            log: FakeLog::default(),
        }
    }

    fn ports(&self) -> KeyPorts<'_> {
        KeyPorts {
            database: &self.table,
            clock: &self.clock,
            entropy: &self.entropy,
            sealer: &self.sealer,
            log: &self.log,
        }
    }

    fn signer(&self, keys: &SigningKeys) -> Result<String, KeyError> {
        block_on(keys.signer(&self.ports())).map(|key| key.kid().to_owned())
    }

    fn rotate(&self) -> bool {
        block_on(SigningKeys::default().rotate(&self.ports())).unwrap()
    }

    fn key(&self, keys: &SigningKeys, kid: &str) -> Result<Option<Rc<CheckingKey>>, DatabaseError> {
        block_on(keys.key(kid, &self.table, &self.clock))
    }

    fn jwks(&self, keys: &SigningKeys) -> Value {
        let document = block_on(keys.jwks(&self.ports())).unwrap();
        serde_json::from_slice(&document).unwrap()
    }

    fn kids(&self) -> HashSet<String> {
        let set = self.jwks(&SigningKeys::default());
        let kid = |jwk: &Value| jwk["kid"].as_str().unwrap().to_owned();
        set["keys"].as_array().unwrap().iter().map(kid).collect()
    }

    fn run(&self, sql: &'static str) -> Outcome {
        block_on(self.table.sqlite.run(Statement::new(sql))).unwrap()
    }

    fn count(&self) -> i64 {
        let outcome = self.run("SELECT count(*) AS n FROM signing_keys");
        outcome.first().unwrap().int("n").unwrap()
    }
}

#[test]
fn what_one_isolate_signs_another_checks() {
    let world = World::new();
    let signer = block_on(SigningKeys::default().signer(&world.ports())).unwrap();
    let token = signer.sign("at+jwt", &json!({"sub": "u-1"}));
    let elsewhere = SigningKeys::default();
    let key = world.key(&elsewhere, signer.kid()).unwrap().unwrap();
    let unverified = Unverified::parse(&token).unwrap();
    assert_eq!(block_on(elsewhere.check(&unverified, &key)), Ok(()));
    let decoded = unverified.into_decoded();
    assert_eq!(decoded.text("sub"), Some("u-1"));
    let set = world.jwks(&elsewhere);
    assert_eq!(jose::verify(&token, &set, &[Algorithm::Es256]), Ok(decoded));
}

#[test]
fn the_private_half_is_sealed_and_never_published() {
    let world = World::new();
    let signer = block_on(SigningKeys::default().signer(&world.ports())).unwrap();
    let rows = world.run("SELECT * FROM signing_keys");
    let row = format!("{:?}", rows.first().unwrap());
    let bytes = signer.to_bytes();
    assert!(!row.contains(&hex::encode(*bytes)));
    let private_key = rows.first().unwrap().text("private_key").unwrap();
    assert!(private_key.starts_with("v1."));
    let set = world.jwks(&SigningKeys::default());
    assert!(jose::public_only(&set).is_ok());
    let members = set["keys"][0].as_object().unwrap();
    let names: HashSet<_> = members.keys().map(String::as_str).collect();
    let public = ["kty", "crv", "x", "y", "kid", "alg", "use"];
    assert_eq!(names, HashSet::from(public));
}

#[test]
fn isolates_that_race_for_the_first_key_end_up_with_one() {
    let world = Rc::new(World::new());
    let other = Rc::new(RefCell::new(None));
    let (shared, found) = (Rc::clone(&world), Rc::clone(&other));
    *world.table.before_batch.borrow_mut() = Some(Box::new(move || {
        *found.borrow_mut() = Some(shared.signer(&SigningKeys::default()).unwrap());
    }));
    let mine = world.signer(&SigningKeys::default()).unwrap();
    assert_eq!(other.take().as_ref(), Some(&mine));
    for _ in 0..20 {
        assert_eq!(world.signer(&SigningKeys::default()).unwrap(), mine);
    }
    assert_eq!(world.count(), 1);
}

#[test]
fn the_published_set_is_never_empty() {
    let world = World::new();
    let set = world.jwks(&SigningKeys::default());
    assert_eq!(set["keys"].as_array().unwrap().len(), 1);
    let signer = world.signer(&SigningKeys::default()).unwrap();
    assert_eq!(set["keys"][0]["kid"], signer);
}

#[test]
fn the_table_is_read_once_in_a_while() {
    let world = World::new();
    let keys = SigningKeys::default();
    let kid = world.signer(&keys).unwrap();
    world.jwks(&keys);
    let reads = world.table.reads.get();
    for _ in 0..100 {
        assert_eq!(world.signer(&keys).unwrap(), kid);
        assert!(world.key(&keys, &kid).unwrap().is_some());
        world.jwks(&keys);
        world.clock.advance(FRESH_MS / 200);
    }
    assert_eq!(world.table.reads.get(), reads);
    world.clock.advance(FRESH_MS);
    world.key(&keys, &kid).unwrap();
    world.signer(&keys).unwrap();
    assert_eq!(world.table.reads.get(), reads + 2);
}

#[test]
fn unknown_keys_cost_one_reading_a_minute() {
    let world = World::new();
    let keys = SigningKeys::default();
    world.signer(&keys).unwrap();
    assert!(world.key(&keys, "no such key").unwrap().is_none());
    let reads = world.table.reads.get();
    for n in 0..50 {
        let found = world.key(&keys, &format!("guess {n}")).unwrap();
        assert!(found.is_none());
        world.clock.advance(MISSED_MS / 50);
    }
    assert_eq!(world.table.reads.get(), reads);
    world.key(&keys, "no such key").unwrap();
    assert_eq!(world.table.reads.get(), reads + 1);
}

#[test]
fn a_first_key_is_known_at_once_to_who_looked_before() {
    let world = World::new();
    let keys = SigningKeys::default();
    assert!(world.key(&keys, "too early").unwrap().is_none());
    let kid = world.signer(&SigningKeys::default()).unwrap();
    assert!(world.key(&keys, &kid).unwrap().is_some());
}

#[test]
fn a_deleted_key_stops_to_count() {
    let world = World::new();
    let keys = SigningKeys::default();
    let kid = world.signer(&keys).unwrap();
    assert!(world.key(&keys, &kid).unwrap().is_some());
    world.run("DELETE FROM signing_keys");
    world.clock.advance(FRESH_MS);
    assert!(world.key(&keys, &kid).unwrap().is_none());
    assert_ne!(world.signer(&keys).unwrap(), kid);
}
