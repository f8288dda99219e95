//! The whole log on stores that fail or seem to, with clients that repeat and programs that end
//! at any await: whatever happens, what was answered is published, once and for good.

mod schedules;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use futures::future::LocalBoxFuture;

use super::shared::SharedStore;
use super::*;
use crate::chain::checkpoint::Checkpoint;
use crate::chain::hash::Hash;
use crate::chain::tests::memory::{Fault, naive_root};
use crate::chain::tiles::{CHECKPOINT, added};
use crate::chain::verify::verify_inclusion;
use crate::ports::{Background, BucketError, Clock, Object};
use crate::testing::Random;

/// Ready when looked at for the so-many-th time.
struct Later(u64);

impl Future for Later {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.0 == 0 {
            return Poll::Ready(());
        }
        self.0 -= 1;
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Done,
    Fails,
    FailsButPersists,
}

/// What the stores outside share: when they answer, and what goes wrong.
#[derive(Clone)]
struct Weather {
    random: Random,
    /// One operation of so many fails; 0 is never.
    fails_one_in: Rc<Cell<u64>>,
}

impl Weather {
    async fn step(&self) -> Step {
        Later(self.random.below(3)).await;
        match self.fails_one_in.get() {
            0 => Step::Done,
            chance if !self.random.one_in(chance) => Step::Done,
            _ if self.random.one_in(2) => Step::Fails,
            _ => Step::FailsButPersists,
        }
    }
}

/// The published log. Every checkpoint that was ever there is kept, and checked as it comes.
struct ShakyFiles {
    weather: Weather,
    files: MemoryBucket,
    heads: RefCell<BTreeMap<u64, (String, Checkpoint)>>,
    late: RefCell<Vec<Swap>>,
}

/// Key, object, and the version it is to replace.
type Swap = (String, Object, Option<String>);

impl ShakyFiles {
    fn swap_now(&self, (key, object, version): &Swap) -> Option<String> {
        let swapped = block_on(self.files.swap(key, object.clone(), version.as_deref())).unwrap();
        if swapped.is_some() {
            self.look_at(key, object);
        }
        swapped
    }

    /// What was given up and is on its way arrives.
    fn land(&self) {
        for swap in self.late.take() {
            self.swap_now(&swap);
        }
    }

    fn look_at(&self, key: &str, object: &Object) {
        if key != CHECKPOINT {
            return;
        }
        let text = std::str::from_utf8(&object.bytes).unwrap().to_owned();
        let mut heads = self.heads.borrow_mut();
        let known = heads.values().find(|(known, _)| *known == text);
        let head = match known {
            Some((_, head)) => head.clone(),
            None => Checkpoint::open(&text, test_key().verifier()).unwrap(),
        };
        // The files of the head are there before it.
        for tile in added(0, head.size) {
            let path = tile.to_string();
            assert!(
                self.files.0.borrow().contains_key(&path),
                "{path} is missing"
            );
        }
        let size = head.size;
        let before = heads.insert(size, (text.clone(), head));
        assert!(
            before.is_none_or(|(before, _)| before == text),
            "two heads of one size"
        );
        let newest = heads.keys().next_back().copied();
        assert_eq!(Some(size), newest, "the published log went back");
    }
}

#[async_trait(?Send)]
impl Bucket for ShakyFiles {
    async fn get(&self, key: &str, limit: usize) -> Result<Option<Object>, BucketError> {
        match self.weather.step().await {
            Step::Done => self.files.get(key, limit).await,
            _ => Err(BucketError::Unavailable("shaky".into())),
        }
    }

    async fn put(&self, key: &str, object: Object) -> Result<(), BucketError> {
        let step = self.weather.step().await;
        if step != Step::Fails {
            self.look_at(key, &object);
            self.files.put(key, object).await?;
        }
        match step {
            Step::Done => Ok(()),
            _ => Err(BucketError::Unavailable("shaky".into())),
        }
    }

    async fn swap(
        &self,
        key: &str,
        object: Object,
        version: Option<&str>,
    ) -> Result<Option<String>, BucketError> {
        let step = self.weather.step().await;
        let swap = (key.to_owned(), object, version.map(str::to_owned));
        if step == Step::Fails {
            if self.weather.random.one_in(2) {
                self.late.borrow_mut().push(swap);
            }
            return Err(BucketError::Unavailable("shaky".into()));
        }
        // One that was given up may come first.
        if self.weather.random.one_in(3) {
            self.land();
        }
        let swapped = self.swap_now(&swap);
        match step {
            Step::Done => Ok(swapped),
            _ => Err(BucketError::Unavailable("shaky".into())),
        }
    }

    async fn delete(&self, keys: &[String]) -> Result<(), BucketError> {
        match self.weather.step().await {
            Step::Fails => Err(BucketError::Unavailable("shaky".into())),
            _ => self.files.delete(keys).await,
        }
    }
}

/// Rows by the index of their entry, which is their third parameter's column in SQL.
struct ShakyRows {
    weather: Weather,
    keys: RefCell<BTreeSet<String>>,
}

#[async_trait(?Send)]
impl Database for ShakyRows {
    async fn run(&self, statement: Statement) -> Result<Outcome, DatabaseError> {
        self.batch(vec![statement])
            .await
            .map(|_| Outcome::default())
    }

    async fn batch(&self, statements: Vec<Statement>) -> Result<Vec<Outcome>, DatabaseError> {
        let step = self.weather.step().await;
        if step != Step::Fails {
            let keys = statements
                .iter()
                .map(|statement| format!("{:?}", statement.params[0]));
            self.keys.borrow_mut().extend(keys);
        }
        match step {
            Step::Done => Ok(statements.iter().map(|_| Outcome::default()).collect()),
            _ => Err(DatabaseError::Unavailable("shaky".into())),
        }
    }
}

#[derive(Clone)]
struct ShakyClock {
    now_ms: Rc<Cell<i64>>,
}

impl Clock for ShakyClock {
    fn now_ms(&self) -> i64 {
        self.now_ms.get()
    }

    fn sleep(&self, ms: u64) -> LocalBoxFuture<'static, ()> {
        let clock = self.clone();
        let until_ms = clock.now_ms() + i64::try_from(ms).unwrap();
        Box::pin(std::future::poll_fn(move |_| {
            if clock.now_ms() >= until_ms {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        }))
    }
}

/// Set or not; outlives the program.
struct ShakyAlarm {
    weather: Weather,
    is_set: Cell<bool>,
    rings: Cell<bool>,
}

#[async_trait(?Send)]
impl Alarm for ShakyAlarm {
    async fn set(&self, _ms: u64) -> Result<(), String> {
        let step = self.weather.step().await;
        self.is_set.set(self.is_set.get() || step != Step::Fails);
        if step == Step::Done {
            Ok(())
        } else {
            Err("shaky".to_owned())
        }
    }
}

#[derive(Default)]
struct Tasks(RefCell<Vec<LocalBoxFuture<'static, ()>>>);

impl Background for Tasks {
    fn spawn(&self, work: LocalBoxFuture<'static, ()>) {
        self.0.borrow_mut().push(work);
    }
}
