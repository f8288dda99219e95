//! Fakes of the ports for native tests.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use async_trait::async_trait;
use futures::future::LocalBoxFuture;

use crate::digest::sha256_hex;
use crate::ports::{
    Background, Bucket, BucketError, Clock, Entropy, EntropyError, Level, Log, Object, TimeZones,
};

/// Polls until ready. For futures that only wait for fakes.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
    }
}

/// splitmix64: small, seeded, the same everywhere. Its copies go on together.
#[derive(Clone)]
pub struct Random(Rc<Cell<u64>>);

impl Random {
    pub fn seeded(seed: u64) -> Self {
        Self(Rc::new(Cell::new(seed)))
    }

    pub fn next(&self) -> u64 {
        self.0.set(self.0.get().wrapping_add(0x9e37_79b9_7f4a_7c15));
        let mut z = self.0.get();
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&self, limit: u64) -> u64 {
        self.next() % limit
    }

    /// An index of something so long.
    ///
    /// # Panics
    /// Of nothing there is no index.
    pub fn at(&self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).unwrap()
    }

    pub fn one_in(&self, chance: u64) -> bool {
        self.below(chance) == 0
    }
}

/// Stands still unless moved; sleeping takes no time.
#[derive(Clone)]
pub struct FakeClock(Rc<Cell<i64>>);

impl FakeClock {
    pub fn at(ms: i64) -> Self {
        Self(Rc::new(Cell::new(ms)))
    }

    pub fn advance(&self, ms: i64) {
        self.0.set(self.0.get() + ms);
    }
}

impl Clock for FakeClock {
    fn now_ms(&self) -> i64 {
        self.0.get()
    }

    fn sleep(&self, _ms: u64) -> LocalBoxFuture<'static, ()> {
        Box::pin(std::future::ready(()))
    }
}

/// The IANA database, compiled in.
pub struct BundledZones;

impl TimeZones for BundledZones {
    fn offset_ms(&self, zone: &str, at_ms: i64) -> Option<i64> {
        let zone = jiff::tz::TimeZone::get(zone).ok()?;
        let at = jiff::Timestamp::from_millisecond(at_ms).ok()?;
        Some(i64::from(zone.to_offset(at).seconds()) * 1_000)
    }
}

/// Counts instead of drawing: different at every call, the same in every run.
#[derive(Default)]
pub struct FakeEntropy {
    calls: Cell<u64>,
    broken: bool,
}

impl FakeEntropy {
    pub fn broken() -> Self {
        Self {
            broken: true,
            ..Self::default()
        }
    }
}

impl Entropy for FakeEntropy {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError> {
        if self.broken {
            return Err(EntropyError("broken on purpose".into()));
        }
        self.calls.set(self.calls.get() + 1);
        let count = self.calls.get().to_le_bytes();
        for (byte, value) in bytes.iter_mut().zip(count.iter().cycle()) {
            *byte = *value;
        }
        Ok(())
    }
}

/// Keeps what was spawned until the test runs it.
#[derive(Default)]
pub struct FakeBackground(RefCell<Vec<LocalBoxFuture<'static, ()>>>);

impl FakeBackground {
    pub fn run_all(&self) {
        loop {
            let work = std::mem::take(&mut *self.0.borrow_mut());
            if work.is_empty() {
                return;
            }
            for future in work {
                block_on(future);
            }
        }
    }
}

impl FakeBackground {
    /// `main`, while what is in the background goes on. What is not done then stays.
    pub async fn beside<T>(&self, main: impl Future<Output = T>) -> T {
        let mut main = Box::pin(main);
        std::future::poll_fn(|context| {
            let done = main.as_mut().poll(context);
            self.poll_all(context);
            // What the background has just told is heard now.
            match done {
                Poll::Pending => main.as_mut().poll(context),
                done @ Poll::Ready(_) => done,
            }
        })
        .await
    }

    /// The program dies: nothing goes on.
    pub fn lose(&self) {
        self.0.borrow_mut().clear();
    }

    /// All that is left, to its end.
    pub async fn rest(&self) {
        std::future::poll_fn(|context| {
            self.poll_all(context);
            if self.0.borrow().is_empty() {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }

    fn poll_all(&self, context: &mut Context<'_>) {
        let mut going = Vec::new();
        loop {
            let work = std::mem::take(&mut *self.0.borrow_mut());
            if work.is_empty() {
                break;
            }
            for mut future in work {
                if future.as_mut().poll(context).is_pending() {
                    going.push(future);
                }
            }
        }
        *self.0.borrow_mut() = going;
    }
}

impl Background for FakeBackground {
    fn spawn(&self, work: LocalBoxFuture<'static, ()>) {
        self.0.borrow_mut().push(work);
    }
}

/// Keeps the lines.
#[derive(Default)]
pub struct FakeLog(pub RefCell<Vec<(Level, String, serde_json::Value)>>);

impl Log for FakeLog {
    fn record(&self, level: Level, event: &str, fields: serde_json::Value) {
        self.0.borrow_mut().push((level, event.to_owned(), fields));
    }
}

/// Objects by key.
#[derive(Default)]
pub struct MemoryBucket(pub RefCell<BTreeMap<String, Object>>);

#[async_trait(?Send)]
impl Bucket for MemoryBucket {
    async fn get(&self, key: &str, limit: usize) -> Result<Option<Object>, BucketError> {
        match self.0.borrow().get(key) {
            Some(object) if object.bytes.len() > limit => Err(BucketError::TooLarge {
                bytes: object.bytes.len(),
                limit,
            }),
            found => Ok(found.map(|object| Object {
                version: sha256_hex(&object.bytes),
                ..object.clone()
            })),
        }
    }

    async fn put(&self, key: &str, object: Object) -> Result<(), BucketError> {
        BucketError::check_size(&object)?;
        self.0.borrow_mut().insert(key.to_owned(), object);
        Ok(())
    }

    async fn swap(
        &self,
        key: &str,
        object: Object,
        version: Option<&str>,
    ) -> Result<Option<String>, BucketError> {
        let there = self.get(key, usize::MAX).await?;
        if there.as_ref().map(|object| object.version.as_str()) != version {
            return Ok(None);
        }
        let version = sha256_hex(&object.bytes);
        self.put(key, object).await?;
        Ok(Some(version))
    }

    async fn delete(&self, keys: &[String]) -> Result<(), BucketError> {
        BucketError::check_count(keys)?;
        let mut objects = self.0.borrow_mut();
        objects.retain(|key, _| !keys.contains(key));
        Ok(())
    }
}
