mod publishing;
mod rows;

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use async_trait::async_trait;
use futures::lock::Mutex;
use serde_json::json;

use super::AppendRequest;
use super::pool::{Answers, Pending, Pool};
use super::refusal::Refusal;
use crate::chain::error::SequencerError;
use crate::chain::fact::Salt;
use crate::chain::hash::Hash;
use crate::chain::keys::SignerKey;
use crate::chain::note::MAX_NOTE_BYTES;
use crate::chain::receipt::{Receipt, StoredFact};
use crate::chain::sequencer::{FactRef, Placed, Sequencer};
use crate::chain::store::LogStore;
use crate::chain::tiles::CHECKPOINT;
use crate::ports::{Background, Bucket, Clock, Database, Entropy, Level};
use rows::Rows;

/// When the alarm comes for what could not be done, in milliseconds.
pub const RETRY_MS: u64 = 5_000;

/// The log's alarm clock, which outlives the program.
#[async_trait(?Send)]
pub trait Alarm {
    /// [`Log::tend`] is to be called in `ms`.
    async fn set(&self, ms: u64) -> Result<(), String>;
}

/// What the log needs from outside.
pub struct LogPorts<S> {
    /// Opens the storage anew, and reads the key.
    pub open: Box<dyn Fn() -> Result<(S, SignerKey), String>>,
    /// The published log.
    pub files: Rc<dyn Bucket>,
    /// Rows of facts, for queries.
    pub rows: Rc<dyn Database>,
    pub alarm: Rc<dyn Alarm>,
    pub clock: Rc<dyn Clock>,
    pub entropy: Rc<dyn Entropy>,
    pub background: Rc<dyn Background>,
    pub log: Rc<dyn crate::ports::Log>,
    /// Least time from one round to the next, in milliseconds.
    pub round_ms: u64,
}

/// The log of one Durable Object: gathers appends into rounds, and answers each when its round
/// is published.
///
/// A round is committed to storage first, then its files go out, the checkpoint last, and only
/// then is anybody answered. Nothing is committed while an earlier round is not published. So
/// whatever fails, what was answered is published, and what is committed and not published is
/// published again by the next round, or by the alarm that was set before the commit.
pub struct Log<S> {
    ports: LogPorts<S>,
    /// Empty until opened, and again after storage failed.
    sequencer: RefCell<Option<Sequencer<S>>>,
    pool: Pool,
    /// What the storage calls the published checkpoint.
    head_version: RefCell<Option<String>>,
    /// Somebody sees to the rounds.
    running: Cell<bool>,
    /// When the newest round began.
    round_at_ms: Cell<i64>,
    alarm_is_set: Cell<bool>,
    /// Rows could not be written of late: appends wait for them no more until they could.
    rows_late: Cell<bool>,
    /// Held by whoever writes rows.
    writing_rows: Mutex<()>,
}

/// Ends when whoever sees to the rounds ends, in whatever way.
struct Running<'a, S> {
    log: &'a Log<S>,
    /// Nobody waits, or somebody else will answer.
    is_done: bool,
}

impl<'a, S> Running<'a, S> {
    fn of(log: &'a Log<S>) -> Self {
        log.running.set(true);
        Self {
            log,
            is_done: false,
        }
    }
}

impl<S> Drop for Running<'_, S> {
    fn drop(&mut self) {
        self.log.running.set(false);
        if !self.is_done {
            // Nobody else will answer them; they ask again.
            self.log.pool.clear();
        }
    }
}

impl<S: LogStore + 'static> Log<S>
where
    S::Error: std::fmt::Display,
{
    pub fn new(ports: LogPorts<S>) -> Rc<Self> {
        Rc::new(Self {
            ports,
            sequencer: RefCell::new(None),
            pool: Pool::default(),
            head_version: RefCell::new(None),
            running: Cell::new(false),
            round_at_ms: Cell::new(i64::MIN),
            alarm_is_set: Cell::new(false),
            rows_late: Cell::new(false),
            writing_rows: Mutex::new(()),
        })
    }

    /// Logs facts, each exactly once for its key, and answers when they are published.
    pub(super) async fn append(self: &Rc<Self>, requests: Vec<AppendRequest>) -> Answers {
        let answers = self.pool.add(requests)?;
        self.run_rounds();
        answers
            .await
            .unwrap_or_else(|_gone| Err(Refusal::stopped()))
    }

    /// Has somebody see to the rounds until nobody waits.
    fn run_rounds(self: &Rc<Self>) {
        if self.pool.is_empty() || self.running.get() {
            return;
        }
        self.running.set(true);
        let log = Rc::clone(self);
        let work = async move {
            let mut running = Running::of(&log);
            log.rounds().await;
            running.is_done = true;
        };
        self.ports.background.spawn(Box::pin(work));
    }

    /// Reads from the published log.
    pub(super) async fn read<T>(
        &self,
        read: impl FnOnce(&Sequencer<S>) -> Result<T, SequencerError<S::Error>>,
    ) -> Result<T, Refusal> {
        self.opened().await?;
        let log = self.sequencer.borrow();
        let log = log.as_ref().ok_or_else(Refusal::stopped)?;
        read(log).map_err(|error| Refusal::of(&error))
    }

    /// Deletes a fact's content and salt; every proof still holds.
    pub(super) async fn erase(&self, fact_id: Hash) -> Result<StoredFact, Refusal> {
        // No row of it may be on its way.
        let _no_writing = self.writing_rows.lock().await;
        self.opened().await?;
        self.with(|log| log.erase(FactRef::FactId(fact_id)))
    }

    /// What the alarm is for: publishes what is committed, writes rows. Returns when to come
    /// again, in milliseconds, if something is left.
    pub async fn tend(self: &Rc<Self>) -> Option<u64> {
        self.alarm_is_set.set(false);
        if self.running.get() {
            // Whether that round comes through is not known yet.
            self.write_rows().await;
            return Some(self.come_again(RETRY_MS));
        }
        match self.catch_up().await {
            Ok(true) => (),
            Ok(false) => return Some(self.come_again(0)),
            Err(refusal) => {
                self.say("log_not_published", &refusal.message);
                return Some(self.come_again(RETRY_MS));
            }
        }
        match self.write_rows().await {
            Rows::Written => None,
            Rows::Left => Some(self.come_again(0)),
            Rows::Late => Some(self.come_again(RETRY_MS)),
        }
    }

    /// Publishes what is committed while nobody sees to the rounds. False if something is left.
    async fn catch_up(self: &Rc<Self>) -> Result<bool, Refusal> {
        let mut running = Running::of(self);
        let caught_up = self.caught_up().await;
        running.is_done = true;
        drop(running);
        // Those who came meanwhile.
        self.run_rounds();
        caught_up
    }

    fn come_again(&self, ms: u64) -> u64 {
        self.alarm_is_set.set(true);
        ms
    }

    /// Rounds until nobody waits.
    async fn rounds(&self) {
        while !self.pool.is_empty() {
            self.pace().await;
            let waiting = self.pool.take();
            let before = self.published();
            match self.round(&waiting).await {
                Ok(answers) => {
                    for (pending, answer) in waiting.into_iter().zip(answers) {
                        pending.answer(Ok(answer));
                    }
                    self.drop_replaced(before).await;
                }
                Err(refusal) => {
                    self.say("round_failed", &refusal.message);
                    for pending in waiting {
                        pending.answer(Err(refusal.clone()));
                    }
                }
            }
        }
    }

    /// Object storage takes about one write of the same key a second. The time between is for rows.
    async fn pace(&self) {
        while let Some(left_ms) = self.until_next_round() {
            if self.rows_late.get() || self.write_page().await != Rows::Left {
                self.ports.clock.sleep(left_ms).await;
                break;
            }
        }
        self.round_at_ms.set(self.ports.clock.now_ms());
    }

    fn until_next_round(&self) -> Option<u64> {
        let since_ms = self
            .ports
            .clock
            .now_ms()
            .checked_sub(self.round_at_ms.get())?;
        let left_ms = self
            .ports
            .round_ms
            .checked_sub(u64::try_from(since_ms).ok()?)?;
        (left_ms > 0).then_some(left_ms)
    }

    async fn round(
        &self,
        waiting: &[Pending],
    ) -> Result<Vec<Vec<Result<Receipt, Refusal>>>, Refusal> {
        if !self.caught_up().await? {
            self.set_alarm(0).await?;
            let cause = "the log is being published again: ask again in a minute";
            return Err(Refusal::unavailable("log_behind", cause));
        }
        self.set_alarm(RETRY_MS).await?;
        let outcomes = self.commit(waiting)?;
        self.publish().await?;
        self.write_few_rows().await;
        let placed: Vec<Placed> = outcomes
            .iter()
            .filter_map(|one| one.as_ref().ok().copied())
            .collect();
        let mut receipts = self.with(|log| log.receipts(&placed))?.into_iter();
        let mut answers = outcomes.into_iter().map(|outcome| match outcome {
            Ok(_) => receipts.next().ok_or_else(Refusal::stopped),
            Err(refusal) => Err(refusal),
        });
        let of_each = waiting.iter().map(|pending| pending.requests.len());
        Ok(of_each
            .map(|count| answers.by_ref().take(count).collect())
            .collect())
    }

    /// Unless it is set already.
    async fn set_alarm(&self, ms: u64) -> Result<(), Refusal> {
        if self.alarm_is_set.replace(true) {
            return Ok(());
        }
        let set = self.ports.alarm.set(ms).await;
        set.map_err(|cause| {
            self.alarm_is_set.set(false);
            Refusal::unavailable("alarm_failed", &cause)
        })
    }

    /// Nothing is awaited here, so nothing comes between.
    fn commit(&self, waiting: &[Pending]) -> Result<Vec<Result<Placed, Refusal>>, Refusal> {
        let now_ms = u64::try_from(self.ports.clock.now_ms()).unwrap_or(u64::MAX);
        let requests = waiting.iter().flat_map(|pending| &pending.requests);
        let asked = requests.map(|request| Ok((request, self.salt()?)));
        let asked = asked.collect::<Result<Vec<_>, Refusal>>()?;
        let outcomes = self.with(|log| log.add(&asked, now_ms))?;
        let outcome = |outcome: Result<_, _>| outcome.map_err(|error| Refusal::of(&error));
        Ok(outcomes.into_iter().map(outcome).collect())
    }

    fn salt(&self) -> Result<Salt, Refusal> {
        let mut salt = [0; 32];
        let filled = self.ports.entropy.fill(&mut salt);
        filled.map_err(|error| Refusal::unavailable("no_entropy", &error.to_string()))?;
        Ok(Salt::from_random_bytes(salt))
    }

    /// Opened, and all that is committed published, or as much as one run may send: then false.
    async fn caught_up(&self) -> Result<bool, Refusal> {
        self.opened().await?;
        self.publish().await
    }

    async fn opened(&self) -> Result<(), Refusal> {
        if self.sequencer.borrow().is_some() {
            return Ok(());
        }
        let published = self.ports.files.get(CHECKPOINT, MAX_NOTE_BYTES).await;
        let published =
            published.map_err(|error| Refusal::unavailable("files_failed", &error.to_string()))?;
        if self.sequencer.borrow().is_some() {
            return Ok(());
        }
        let version = published.as_ref().map(|file| file.version.clone());
        let published = published.map(|file| String::from_utf8_lossy(&file.bytes).into_owned());
        let (store, key) =
            (self.ports.open)().map_err(|cause| Refusal::unavailable("not_opened", &cause))?;
        let opened = Sequencer::open(store, key, published.as_deref());
        let opened = opened.map_err(|error| Refusal::of(&error))?;
        let committed = opened.committed().map_err(|error| Refusal::of(&error))?;
        let is_behind = opened.size() < committed;
        self.sequencer.replace(Some(opened));
        self.head_version.replace(version);
        if is_behind {
            // Who only reads publishes nothing, and must not be told for long what was true once.
            self.set_alarm(0).await?;
        }
        Ok(())
    }

    fn published(&self) -> u64 {
        self.sequencer.borrow().as_ref().map_or(0, Sequencer::size)
    }

    /// Works on the open log, synchronously. One whose storage failed is opened again.
    fn with<T>(
        &self,
        work: impl FnOnce(&mut Sequencer<S>) -> Result<T, SequencerError<S::Error>>,
    ) -> Result<T, Refusal> {
        let Some(mut log) = self.sequencer.take() else {
            return Err(Refusal::stopped());
        };
        let outcome = work(&mut log).map_err(|error| Refusal::of(&error));
        if outcome
            .as_ref()
            .err()
            .is_none_or(|refusal| refusal.status < 500)
        {
            self.sequencer.replace(Some(log));
        }
        outcome
    }

    fn say(&self, event: &str, cause: &str) {
        self.ports
            .log
            .record(Level::Warn, event, json!({ "cause": cause }));
    }
}
