//! Seeded schedules of calls that overlap, are repeated, lose their replies, end or never end,
//! under a clock that jumps. After every step the account must be what the model says.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::super::{SqlStore, Store};
use super::memory::{MemoryStore, ShakySql, shaky};
use super::schedule::Run;

const STEPS: u64 = 18;

/// splitmix64: small, seeded, the same everywhere.
pub struct Random(pub u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub fn upto(&mut self, bound: i64) -> i64 {
        self.below(bound.unsigned_abs() + 1).cast_signed()
    }

    pub fn one_in(&mut self, chance: u64) -> bool {
        self.below(chance) == 0
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[usize::try_from(self.below(from.len() as u64)).unwrap()]
    }
}

fn on_memory(seed: u64, traced: bool) -> (Vec<String>, BTreeSet<&'static str>) {
    let store = MemoryStore::default();
    let mut run = Run::new(seed, (&store, &store.fault), traced);
    for _ in 0..STEPS {
        run.step();
    }
    run.end();
    (run.trace, run.seen)
}

/// After each step it knows what one that was opened just now would read.
fn on_sqlite(seed: u64) -> Vec<String> {
    let (store, file) = shaky();
    let mut run = Run::new(seed, (&store, &file.fault), true);
    for _ in 0..STEPS {
        run.step();
        knows_its_file(&store, &file);
    }
    run.end();
    knows_its_file(&store, &file);
    run.trace
}

fn knows_its_file(store: &SqlStore<Rc<ShakySql>>, file: &Rc<ShakySql>) {
    let fresh = SqlStore::open(Rc::clone(file)).unwrap();
    let spans = store.memory().unwrap().spans();
    assert_eq!(
        store.spending(&spans).unwrap(),
        fresh.spending(&spans).unwrap()
    );
    assert_eq!(*store.memory().unwrap(), *fresh.memory().unwrap());
}

fn run_all(seeds: std::ops::Range<u64>) {
    let mut seen = BTreeSet::new();
    for seed in seeds {
        let outcome = std::panic::catch_unwind(|| on_memory(seed, false));
        seen.extend(outcome.unwrap_or_else(|_| panic!("seed {seed}")).1);
    }
    let everything = [
        "admitted",
        "budget",
        "clamped",
        "concurrency",
        "corrected",
        "ended",
        "replayed",
        "requests",
        "tokens",
        "too large",
        "unpriced",
    ];
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), everything);
}

/// In four parts, for as many processors.
#[test]
fn every_schedule_keeps_the_books_1() {
    run_all(0..25_000);
}

#[test]
fn every_schedule_keeps_the_books_2() {
    run_all(25_000..50_000);
}

#[test]
fn every_schedule_keeps_the_books_3() {
    run_all(50_000..75_000);
}

#[test]
fn every_schedule_keeps_the_books_4() {
    run_all(75_000..100_000);
}

#[test]
fn sqlite_does_what_memory_does() {
    for seed in 0..2_000 {
        let outcome = std::panic::catch_unwind(|| on_sqlite(seed));
        let sqlite = outcome.unwrap_or_else(|_| panic!("seed {seed}"));
        assert_eq!(sqlite, on_memory(seed, true).0, "seed {seed}");
    }
}
