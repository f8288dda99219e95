//! A log in that world, its clients, and what must hold whatever happened.

use super::*;

/// Of every run, and of the long one.
const SCHEDULES: u64 = 5_000;
const MANY_SCHEDULES: u64 = 100_000;
const THREADS: u64 = 2;

struct World {
    random: Random,
    weather: Weather,
    store: SharedStore,
    files: Rc<ShakyFiles>,
    rows: Rc<ShakyRows>,
    alarm: Rc<ShakyAlarm>,
    clock: ShakyClock,
    tasks: Rc<Tasks>,
    log: Rc<Log<SharedStore>>,
    tried: BTreeSet<u64>,
    /// Receipts that clients have, by number.
    acknowledged: Rc<RefCell<BTreeMap<u64, Receipt>>>,
}

impl World {
    fn new(seed: u64) -> Self {
        let random = Random::seeded(seed);
        let weather = Weather {
            random: random.clone(),
            fails_one_in: Rc::new(Cell::new(random.below(4) * 6)),
        };
        let files = Rc::new(ShakyFiles {
            weather: weather.clone(),
            files: MemoryBucket::default(),
            heads: RefCell::default(),
            late: RefCell::default(),
        });
        let rows = Rc::new(ShakyRows {
            weather: weather.clone(),
            keys: RefCell::default(),
        });
        let alarm = Rc::new(ShakyAlarm {
            weather: weather.clone(),
            is_set: Cell::new(false),
            rings: Cell::new(false),
        });
        let clock = ShakyClock {
            now_ms: Rc::new(Cell::new(i64::try_from(LOGGED_AT_MS).unwrap())),
        };
        let (store, tasks) = (SharedStore::default(), Rc::default());
        let log = Self::started(seed, &store, &files, &rows, &alarm, &clock, &tasks);
        Self {
            random,
            weather,
            store,
            files,
            rows,
            alarm,
            clock,
            tasks,
            log,
            tried: BTreeSet::new(),
            acknowledged: Rc::default(),
        }
    }

    fn started(
        seed: u64,
        store: &SharedStore,
        files: &Rc<ShakyFiles>,
        rows: &Rc<ShakyRows>,
        alarm: &Rc<ShakyAlarm>,
        clock: &ShakyClock,
        tasks: &Rc<Tasks>,
    ) -> Rc<Log<SharedStore>> {
        let store = store.clone();
        Log::new(LogPorts {
            open: Box::new(move || Ok((store.clone(), test_key()))),
            files: Rc::clone(files) as Rc<dyn Bucket>,
            rows: Rc::clone(rows) as Rc<dyn Database>,
            alarm: Rc::clone(alarm) as Rc<dyn Alarm>,
            clock: Rc::new(clock.clone()),
            entropy: Rc::new(SeededEntropy(Random::seeded(seed))),
            background: Rc::clone(tasks) as Rc<dyn Background>,
            log: Rc::new(FakeLog::default()),
            round_ms: 750,
        })
    }

    /// The program ends and another starts. What was stored stays; who waited hears nothing.
    fn crash(&mut self) {
        let tasks = std::mem::take(&mut *self.tasks.0.borrow_mut());
        drop(tasks);
        // One whose handler did not end rings again.
        if self.alarm.rings.replace(false) {
            self.alarm.is_set.set(true);
        }
        self.store.0.borrow().set_fault(None);
        let seed = self.random.next();
        self.log = Self::started(
            seed,
            &self.store,
            &self.files,
            &self.rows,
            &self.alarm,
            &self.clock,
            &self.tasks,
        );
    }

    /// A client that asks for some facts in one request, and may lose interest.
    fn ask(&mut self, numbers: Vec<u64>) {
        self.tried.extend(&numbers);
        let (log, acknowledged) = (Rc::clone(&self.log), Rc::clone(&self.acknowledged));
        let reply_lost = self.random.one_in(5);
        self.tasks.spawn(Box::pin(async move {
            let requests = numbers.iter().map(|number| request(*number)).collect();
            let Ok(answers) = log.append(requests).await else {
                return;
            };
            for (number, answer) in numbers.into_iter().zip(answers) {
                let receipt = answer.expect("only stores fail here");
                if !reply_lost {
                    acknowledge(&acknowledged, number, receipt);
                }
            }
        }));
    }

    fn ring(&self) {
        self.alarm.is_set.set(false);
        self.alarm.rings.set(true);
        let (log, alarm) = (Rc::clone(&self.log), Rc::clone(&self.alarm));
        self.tasks.spawn(Box::pin(async move {
            if log.tend().await.is_some() {
                alarm.is_set.set(true);
            }
            alarm.rings.set(false);
        }));
    }

    /// One task goes on a little, or time does.
    fn turn(&self) {
        self.clock
            .now_ms
            .set(self.clock.now_ms() + i64::try_from(self.random.below(300)).unwrap());
        let count = self.tasks.0.borrow().len() as u64;
        if count == 0 {
            return;
        }
        let chosen = usize::try_from(self.random.below(count)).unwrap();
        let mut task = self.tasks.0.borrow_mut().swap_remove(chosen);
        let mut context = Context::from_waker(Waker::noop());
        if task.as_mut().poll(&mut context).is_pending() {
            self.tasks.0.borrow_mut().push(task);
        }
    }

    fn storage_fault(&self) {
        self.store.0.borrow().set_fault(Some(Fault {
            after_operations: u32::try_from(self.random.below(24)).unwrap(),
            but_persists: self.random.one_in(2),
        }));
    }

    /// Fine weather and nobody asks: the alarm alone brings out what is stored.
    fn settle_unasked(&self) {
        self.clear_up();
        let stored = self.store.0.borrow().entries.len();
        if stored > 0 {
            let head = publishing::rebuild(&self.files.files);
            assert_eq!(head.size, stored as u64, "stored and not published");
        }
        assert_eq!(self.rows.keys.borrow().len(), stored, "a row is missing");
    }

    /// Fine weather: who was not answered repeats, at most three times.
    fn settle(&mut self) {
        (0..3).for_each(|_| self.repeat());
    }

    fn repeat(&mut self) {
        let unanswered = |number: &u64| !self.acknowledged.borrow().contains_key(number);
        let numbers: Vec<u64> = self.tried.iter().copied().filter(unanswered).collect();
        self.ask(numbers);
        self.clear_up();
    }

    /// The alarm rings as long as it wants to.
    fn clear_up(&self) {
        self.weather.fails_one_in.set(0);
        self.store.0.borrow().set_fault(None);
        for turns in 0.. {
            assert!(turns < 100_000, "it never comes to rest");
            if self.tasks.0.borrow().is_empty() {
                if !self.alarm.is_set.get() {
                    return;
                }
                self.ring();
            }
            self.turn();
        }
    }

    fn check(&self) {
        let store = self.store.0.borrow();
        assert_eq!(store.entries.len(), self.tried.len(), "lost or doubled");
        let leaves: Vec<Hash> = (0..)
            .zip(store.entries.values())
            .map(|(index, row)| {
                assert_eq!(row.index, index, "a gap");
                row.entry().leaf_hash()
            })
            .collect();
        let times = store.entries.values().map(|row| row.logged_at_ms);
        assert!(times.is_sorted(), "time went back");
        let root = |size: u64| naive_root(&leaves[..usize::try_from(size).unwrap()]);
        // Every head that was ever published is of a prefix of the one log.
        let heads = self.files.heads.borrow();
        for (size, (_, head)) in &*heads {
            assert_eq!(root(*size), head.root, "a fork at {size}");
        }
        let head = publishing::rebuild(&self.files.files);
        assert_eq!(
            (head.size, head.root),
            (leaves.len() as u64, root(leaves.len() as u64))
        );
        for (number, receipt) in &*self.acknowledged.borrow() {
            let row = &store.entries[&receipt.leaf_index];
            assert_eq!(row.idempotency_key, format!("key-{number}"));
            let (published, head) = &heads[&receipt.tree_size];
            assert_eq!(*published, receipt.checkpoint, "never published");
            let leaf = &leaves[usize::try_from(receipt.leaf_index).unwrap()];
            let proof = &receipt.inclusion_proof;
            verify_inclusion(leaf, receipt.leaf_index, head.size, proof, &head.root).unwrap();
        }
        assert_eq!(
            self.rows.keys.borrow().len(),
            self.tried.len(),
            "a row is missing"
        );
    }
}

fn acknowledge(known: &RefCell<BTreeMap<u64, Receipt>>, number: u64, receipt: Receipt) {
    let receipt = Receipt {
        replayed: false,
        ..receipt
    };
    let before = known.borrow_mut().insert(number, receipt.clone());
    assert!(
        before.is_none_or(|before| before == receipt),
        "an acknowledged fact moved"
    );
}

struct SeededEntropy(Random);

impl crate::ports::Entropy for SeededEntropy {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), crate::ports::EntropyError> {
        for byte in bytes {
            *byte = self.0.next().to_le_bytes()[0];
        }
        Ok(())
    }
}

fn run_schedule(seed: u64) {
    let mut world = World::new(seed);
    let random = world.random.clone();
    let keys = 1 + random.below(6);
    for _ in 0..=random.below(3) {
        if random.one_in(3) {
            world.storage_fault();
        }
        for _ in 0..=random.below(2) {
            let numbers: BTreeSet<u64> =
                (0..=random.below(2)).map(|_| random.below(keys)).collect();
            world.ask(numbers.into_iter().collect());
        }
        if random.one_in(4) && world.alarm.is_set.get() && !world.alarm.rings.get() {
            world.ring();
        }
        (0..random.below(24)).for_each(|_| world.turn());
        if random.one_in(5) {
            world.crash();
        }
    }
    if random.one_in(3) {
        world.settle_unasked();
    }
    world.settle();
    world.files.land();
    world.check();
}

fn run_schedules(count: u64) {
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            scope.spawn(move || {
                for seed in (thread..count).step_by(usize::try_from(THREADS).unwrap()) {
                    let outcome = std::panic::catch_unwind(|| run_schedule(seed));
                    assert!(outcome.is_ok(), "schedule {seed}");
                }
            });
        }
    });
}

#[test]
fn whatever_fails_what_was_answered_is_published_once() {
    run_schedules(SCHEDULES);
}

/// `cargo test -p chitty-core --lib simulator -- --ignored`
#[test]
#[ignore = "takes minutes"]
fn the_same_a_hundred_thousand_times() {
    run_schedules(MANY_SCHEDULES);
}
