use std::rc::Rc;

use super::*;
use crate::fortress::tests::{Fault, Faulty};
use crate::secret::Secret;
use crate::testing::{FakeEntropy, block_on};

const NOW_MS: i64 = 1_795_262_349_000;

fn key(byte: u8) -> Secret {
    Secret::new(format!("{byte:02x}").repeat(32))
}

fn old() -> Sealer {
    Sealer::new(&key(1), &[]).unwrap()
}

/// The next key, with the one before.
fn rotated() -> Sealer {
    Sealer::new(&key(2), &[key(1)]).unwrap()
}

/// The next key alone.
fn alone() -> Sealer {
    Sealer::new(&key(2), &[]).unwrap()
}

struct World {
    db: Rc<Faulty>,
    entropy: FakeEntropy,
}

impl World {
    fn new() -> Self {
        Self {
            db: Faulty::new(),
            entropy: FakeEntropy::default(),
        }
    }

    fn run(&self, sql: impl Into<std::borrow::Cow<'static, str>>) -> Vec<Row> {
        block_on(self.db.inner.run(Statement::new(sql)))
            .unwrap()
            .rows
    }

    /// A row of each table, with all its columns sealed by `sealer`.
    fn fill(&self, sealer: &Sealer, id: &str) {
        let seal = |purpose: &str, aad: &[&str]| {
            sealer
                .seal(purpose, aad, purpose.as_bytes(), &self.entropy)
                .unwrap()
        };
        let hash = "a".repeat(64);
        let of = |purpose: &str| seal(purpose, &["ann", id]);
        self.run(format!("INSERT INTO secure_executions (id, user_id, prompt, prompt_hash, security_level, execution_method, created_at, updated_at, chatgpt_response, fortress_output) VALUES ('{id}', 'ann', '{}', '{hash}', 'fortress', 'sandboxed', 1, 1, '{}', '{}')", of("prompt"), of("response"), of("output")));
        self.run(format!("INSERT INTO fortress_jobs (id, user_id, label, sealed_prompt, sealed_output, prompt_hash, created_at, updated_at) VALUES ('{id}', 'ann', 'l', '{}', '{}', '{hash}', 1, 1)", of("prompt"), of("output")));
        self.run(format!("INSERT INTO evidence_packages (id, user_id, execution_id, package_format, package_text, status, created_at, updated_at) VALUES ('{id}', 'ann', '{id}', 'json', '{}', 'created', 1, 1)", of("package")));
        self.run(format!("INSERT INTO credentials (id, user_id, kind, secret, created_at) VALUES ('{id}', 'ann-{id}', 'totp', '{}', 1)", seal("totp", &[&format!("ann-{id}"), id])));
        let number = self.run("SELECT count(*) + 1 AS n FROM signing_keys")[0]
            .int("n")
            .unwrap();
        self.run(format!("INSERT INTO signing_keys (id, number, public_jwk, private_key, created_at, signs_from, signs_until, listed_until) VALUES ('{id}', {number}, '{{}}', '{}', 1, 1, 1, 1)", seal("signing_key", &[id])));
        self.run(format!("INSERT INTO fortress_keys (fingerprint, number, origin, public_key, private_key, created_at, statement, new_signature) VALUES ('{id}', {number}, 'made', 'p', '{}', 1, 's', 's')", seal("fortress_key", &[id])));
    }

    fn slice(&self) -> Result<Resealing, ResealError> {
        block_on(reseal_slice(&*self.db, &rotated(), &self.entropy, NOW_MS))
    }

    fn to_the_end(&self) -> u64 {
        let mut resealed = 0;
        for _ in 0..1_000 {
            let told = self.slice().unwrap();
            resealed += told.resealed;
            if told.done == told.columns {
                return resealed;
            }
        }
        panic!("it does not end");
    }

    /// How many texts there are, and how many of them `sealer` opens.
    fn opened_by(&self, sealer: &Sealer) -> (usize, usize) {
        let (mut all, mut opened) = (0, 0);
        for place in &PLACES {
            for row in block_on(self.db.inner.run(place.after("", 1_000)))
                .unwrap()
                .rows
            {
                let id = row.text("id").unwrap();
                let owner = row.text("owner").unwrap();
                let aad: Vec<&str> = if owner.is_empty() {
                    vec![&id]
                } else {
                    vec![&owner, &id]
                };
                let Some(text) = row.opt_text("sealed").unwrap() else {
                    continue;
                };
                all += 1;
                let plain = sealer.open(place.purpose, &aad, &text);
                opened += usize::from(plain.is_ok_and(|plain| plain == place.purpose.as_bytes()));
            }
        }
        (all, opened)
    }
}

#[test]
fn every_sealed_column_moves_to_the_new_key_and_opens_as_before() {
    let world = World::new();
    for n in 0..25 {
        world.fill(&old(), &format!("row-{n:02}"));
    }
    world.fill(&alone(), "row-zz");
    assert_eq!(world.opened_by(&alone()), (26 * PLACES.len(), PLACES.len()));
    assert_eq!(world.to_the_end(), 25 * PLACES.len() as u64);
    assert_eq!(
        world.opened_by(&alone()),
        (26 * PLACES.len(), 26 * PLACES.len())
    );
    assert_eq!(world.slice().unwrap().resealed, 0);
}

#[test]
fn the_list_has_every_sealed_column() {
    // Of the tables whose rows live on; what expires by itself, and the vault's own, is not here.
    let world = World::new();
    world.fill(&old(), "row");
    let mut found = Vec::new();
    for table in world.run("SELECT name FROM sqlite_master WHERE type = 'table'") {
        let table = table.text("name").unwrap();
        for row in world.run(format!("SELECT * FROM {table}")) {
            for (column, value) in row.columns() {
                if matches!(value, crate::sql::Value::Text(text) if text.starts_with("v1.")) {
                    found.push(format!("{table}.{column}"));
                }
            }
        }
    }
    let mut listed: Vec<String> = PLACES.iter().map(Place::name).collect();
    found.sort();
    listed.sort();
    assert_eq!(found, listed);
}

#[test]
fn a_slice_is_bounded_and_the_next_goes_on() {
    let world = World::new();
    for n in 0..250 {
        world.fill(&old(), &format!("row-{n:03}"));
    }
    let most = u64::try_from(SLICE).unwrap() * u64::try_from(BATCH).unwrap();
    let first = world.slice().unwrap();
    assert_eq!((first.resealed, first.done), (most, 0));
    world.to_the_end();
    let all = 250 * PLACES.len();
    assert_eq!(world.opened_by(&alone()), (all, all));
}

#[test]
fn at_every_failing_call_nothing_is_lost() {
    for fault in [Fault::Fails, Fault::FailsButPersists] {
        for call in 0..40 {
            let world = World::new();
            for n in 0..12 {
                world.fill(&old(), &format!("row-{n:02}"));
            }
            world.db.fail(fault, call, 1);
            world.slice().ok();
            world.db.heal();
            world.to_the_end();
            let all = 12 * PLACES.len();
            assert_eq!(world.opened_by(&alone()), (all, all), "{fault:?} {call}");
        }
    }
}

#[test]
fn a_writer_beside_it_keeps_what_it_wrote() {
    let world = World::new();
    world.fill(&old(), "row");
    let new = rotated()
        .seal(
            "output",
            &["ann", "row"],
            b"written meanwhile",
            &world.entropy,
        )
        .unwrap();
    let sql = format!("UPDATE fortress_jobs SET sealed_output = '{new}'");
    // Between reading the row and writing it: the calls are the progress, the rows, the batch.
    for at in 0..60 {
        let world = World::new();
        world.fill(&old(), "row");
        world.db.interpose(at, String::leak(sql.clone()));
        world.slice().unwrap();
        world.to_the_end();
        let row = &world.run("SELECT sealed_output FROM fortress_jobs")[0];
        let kept = row.text("sealed_output").unwrap();
        let plain = alone().open("output", &["ann", "row"], &kept).unwrap();
        let expected: [&[u8]; 2] = [b"written meanwhile", b"output"];
        assert!(expected.contains(&plain.as_slice()), "{at}");
        if world.db.calls.get() > at {
            assert_eq!(plain, b"written meanwhile", "{at}");
        }
    }
}

#[test]
fn an_old_worker_that_wrote_late_is_caught_up_with_a_day_after() {
    let world = World::new();
    world.fill(&old(), "row-1");
    world.to_the_end();
    world.fill(&old(), "row-0");
    assert_eq!(world.slice().unwrap().resealed, 0);
    let sealer = rotated();
    let later = reseal_slice(&*world.db, &sealer, &world.entropy, NOW_MS + DAY_MS);
    assert_eq!(block_on(later).unwrap().resealed, PLACES.len() as u64);
    let all = 2 * PLACES.len();
    assert_eq!(world.opened_by(&alone()), (all, all));
}

#[test]
fn what_does_not_open_is_told_and_keeps_nothing_up() {
    let world = World::new();
    world.fill(&Sealer::new(&key(9), &[]).unwrap(), "row-0");
    world.fill(&old(), "row-1");
    let told = world.slice().unwrap();
    let columns = PLACES.len() as u64;
    assert_eq!(told.resealed, columns);
    assert!(told.unopened >= columns);
    world.to_the_end();
    assert_eq!(world.opened_by(&alone()), (2 * PLACES.len(), PLACES.len()));
}

#[test]
fn without_an_older_key_nothing_is_read() {
    let world = World::new();
    world.fill(&old(), "row");
    let told = block_on(reseal_slice(&*world.db, &alone(), &world.entropy, NOW_MS)).unwrap();
    assert_eq!(
        (told.done, told.resealed, world.db.calls.get()),
        (told.columns, 0, 0)
    );
}
