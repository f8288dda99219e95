//! The fortress on SQLite, with a scripted model, a log in memory and a real key.

mod budgets;
mod expiry;
mod faults;
mod policies;
mod records;
mod remote;
mod revocation;
mod rotation;
mod runs;
mod seals;
mod signatures;
mod steps;
mod tampering;
mod unsigned;
mod vouching;

use std::cell::Cell;
use std::rc::Rc;
use std::task::Poll;

use async_trait::async_trait;
use serde_json::json;

use super::jobs::Jobs;
use super::keys::{KeyRing, KeySecrets};
use super::*;
use crate::gateway::tests::{LocalLedger, over};
use crate::ledger::RemoteLedger;
use crate::ledger::tests::{LogFault, LogHttp};
use crate::llm::scripted::{JumpClock, START_MS, ScriptedHttp, Step, answer_json, reply};
use crate::openpgp::tests::lasting_key;
use crate::openpgp::{PublicKey, SigningKey};
use crate::ports::{Background, Database, Http};
use crate::seal::Sealer;
use crate::secret::Secret;
use crate::sql::{DatabaseError, Outcome, Row, SqliteDatabase, Statement};
use crate::testing::{FakeBackground, FakeEntropy, FakeLog};

/// 9 prompt and 3 completion tokens of gpt-4: 9 × 30,000 + 3 × 60,000.
pub(crate) const HI_NANOS: i64 = 450_000;

/// The most that the run of [`input`] can cost: a token for each byte of its messages and what
/// stands around them, and all of the policy's output.
const MOST_NANOS: i64 = 265 * 30_000 + 4_096 * 60_000;

/// What happens to one statement or batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    Fails,
    FailsButPersists,
}

/// SQLite whose calls can be made to fail, from the nth on for as many as wanted.
pub(crate) struct Faulty {
    pub inner: Rc<SqliteDatabase>,
    pub calls: Cell<usize>,
    fault: Cell<Option<(Fault, usize, usize)>>,
    interposed: Cell<Option<(usize, &'static str)>>,
    pauses: Cell<bool>,
}

impl Faulty {
    pub fn new() -> Rc<Self> {
        Self::over(Rc::new(SqliteDatabase::with_schema()))
    }

    pub fn over(inner: Rc<SqliteDatabase>) -> Rc<Self> {
        Rc::new(Self {
            inner,
            calls: Cell::new(0),
            fault: Cell::new(None),
            interposed: Cell::new(None),
            pauses: Cell::new(false),
        })
    }

    /// The calls numbered `from`, counted from here, and the `many - 1` after it fail.
    pub fn fail(&self, fault: Fault, from: usize, many: usize) {
        let from = self.calls.get() + from;
        self.fault.set(Some((fault, from, from + many)));
    }

    /// Somebody else runs `sql` just before the call of that number, counted from here.
    pub fn interpose(&self, at: usize, sql: &'static str) {
        self.interposed.set(Some((self.calls.get() + at, sql)));
    }

    pub fn heal(&self) {
        self.fault.set(None);
    }

    /// From now on each call waits for a poll before it does its work and after.
    pub fn pause_every_call(&self) {
        self.pauses.set(true);
    }

    pub fn resume(&self) {
        self.pauses.set(false);
    }

    async fn pause(&self) {
        if self.pauses.get() {
            let_others_run().await;
        }
    }

    async fn apply(&self, statements: Vec<Statement>) -> Result<Vec<Outcome>, DatabaseError> {
        if let Some((at, sql)) = self.interposed.get()
            && at == self.calls.get()
        {
            self.inner.run(Statement::new(sql)).await?;
        }
        let lost = || DatabaseError::Unavailable("secret words of the database".into());
        match self.next() {
            Some(Fault::Fails) => Err(lost()),
            Some(Fault::FailsButPersists) => {
                self.inner.batch(statements).await?;
                Err(lost())
            }
            None => self.inner.batch(statements).await,
        }
    }

    fn next(&self) -> Option<Fault> {
        let call = self.calls.replace(self.calls.get() + 1);
        let (fault, from, to) = self.fault.get()?;
        (from..to).contains(&call).then_some(fault)
    }
}

/// Waits for one more poll.
pub(crate) async fn let_others_run() {
    let mut waited = false;
    std::future::poll_fn(|context| {
        if std::mem::replace(&mut waited, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

#[async_trait(?Send)]
impl Database for Faulty {
    async fn run(&self, statement: Statement) -> Result<Outcome, DatabaseError> {
        let outcomes = self.batch(vec![statement]).await?;
        Ok(outcomes[0].clone())
    }

    async fn batch(&self, statements: Vec<Statement>) -> Result<Vec<Outcome>, DatabaseError> {
        self.pause().await;
        let outcome = self.apply(statements).await;
        self.pause().await;
        outcome
    }
}

pub(crate) fn sealer() -> Rc<Sealer> {
    Rc::new(Sealer::new(&Secret::new("01".repeat(32)), &[]).unwrap())
}

/// A key pair as a deployment holds it.
pub(crate) fn secrets() -> KeySecrets {
    let key = SigningKey::from_armor(lasting_key(), None).unwrap();
    KeySecrets {
        public_key: key.public_key().clone(),
        key: Rc::new(key),
        next: None,
    }
}

const ANN: Asker<'_> = Asker {
    user_id: "ann",
    key_id: Some("key-1"),
    request_id: "request-1",
};

pub(crate) fn hi() -> Step {
    reply(200, &answer_json("Hi"))
}

pub(crate) struct World {
    pub clock: JumpClock,
    pub model: Rc<ScriptedHttp>,
    pub db: Rc<Faulty>,
    pub log: Rc<LogHttp>,
    /// The user's limits and money.
    pub account: Rc<LocalLedger>,
    told: Rc<FakeLog>,
    pub background: Rc<FakeBackground>,
    pub service: FortressService,
}

impl World {
    pub fn new(steps: Vec<Step>) -> Self {
        Self::on(&JumpClock::at(START_MS), Faulty::new(), steps)
    }

    pub fn on(clock: &JumpClock, db: Rc<Faulty>, steps: Vec<Step>) -> Self {
        let model = ScriptedHttp::new(clock, steps);
        let log = LogHttp::new(Some(Rc::clone(&db.inner) as Rc<dyn Database>));
        let told = Rc::new(FakeLog::default());
        let (books, log_lines) = (Rc::clone(&db) as _, Rc::clone(&told) as _);
        let (mut gateway, account) = over(clock, &model, &books, &log_lines);
        let background = Rc::new(FakeBackground::default());
        gateway.background = Rc::clone(&background) as Rc<dyn Background>;
        let service = FortressService {
            db: Rc::clone(&db) as Rc<dyn Database>,
            gateway,
            ledger: Rc::new(RemoteLedger::new(
                Rc::clone(&log) as Rc<dyn Http>,
                Rc::new(clock.clone()),
            )),
            sealer: sealer(),
            keys: Rc::new(KeyRing::new(secrets())),
            clock: Rc::new(clock.clone()),
            entropy: Rc::new(FakeEntropy::default()),
            policy: Rc::new(Policy::current("model.example")),
            api: None,
        };
        // As of an isolate that has served before: the calls that tests count are a run's own.
        clock.run(service.known_keys()).ok();
        Self {
            clock: clock.clone(),
            model,
            db,
            log,
            account,
            told,
            background,
            service,
        }
    }

    fn execute(&self, input: &ExecuteInput) -> Result<ExecuteOutput, FortressError> {
        self.execute_as("ann", input)
    }

    fn execute_as(
        &self,
        owner: &str,
        input: &ExecuteInput,
    ) -> Result<ExecuteOutput, FortressError> {
        let asker = Asker {
            user_id: owner,
            ..ANN
        };
        self.clock.run(self.executing(asker, input))
    }

    pub async fn executing(
        &self,
        asker: Asker<'_>,
        input: &ExecuteInput,
    ) -> Result<ExecuteOutput, FortressError> {
        let run = self.service.execute(asker, input);
        self.background.beside(run).await
    }

    fn sweep(&self) -> Result<usize, FortressError> {
        let db = Rc::clone(&self.db) as Rc<dyn Database>;
        let now_ms = self.service.clock.now_ms();
        let jobs = Jobs::new(Rc::clone(&db));
        self.clock.run(async {
            jobs.fail_interrupted(now_ms).await?;
            let late = self.service.log_unlogged().await?;
            late.refused
                .into_iter()
                .next_back()
                .map_or(Ok(late.logged), Err)
        })
    }

    /// Fingerprint of the key in the secrets.
    fn own_key(&self) -> String {
        self.service.keys.secrets.key.fingerprint()
    }

    /// The published key of the secrets is another one.
    fn publish(&mut self, public_key: PublicKey) {
        let next = None;
        let key = Rc::clone(&self.service.keys.secrets.key);
        let secrets = KeySecrets {
            key,
            public_key,
            next,
        };
        self.service.keys = Rc::new(KeyRing::new(secrets));
    }

    /// A deployment that begins with that key as its published one.
    fn begin_with(&mut self, public_key: PublicKey) {
        self.rows("DELETE FROM fortress_keys");
        self.publish(public_key);
    }

    fn verify(&self, question: &VerifyInput) -> VerifyOutput {
        self.clock.run(self.service.verify(question)).unwrap()
    }

    pub fn rows(&self, sql: &'static str) -> Vec<Row> {
        let found = self.clock.run(self.db.inner.run(Statement::new(sql)));
        found.unwrap().rows
    }

    fn job(&self) -> Row {
        let mut jobs = self.rows("SELECT * FROM fortress_jobs");
        assert_eq!(jobs.len(), 1);
        jobs.remove(0)
    }

    fn status(&self) -> String {
        self.job().text("status").unwrap()
    }

    pub fn asked(&self) -> usize {
        self.model.seen.borrow().len()
    }
}

/// Of an agent that was run elsewhere.
pub(crate) fn sandbox() -> SandboxPolicy {
    serde_json::from_value(json!({
        "agent": ["/usr/bin/agent"], "agent_files": {}, "max_cpu_secs": 1, "max_memory_bytes": 1,
        "max_processes": 1, "max_disk_bytes": 1, "max_files": 1, "max_diagnostic_bytes": 1,
        "max_model_calls": 3, "max_request_bytes": 1,
    }))
    .unwrap()
}

fn input() -> ExecuteInput {
    serde_json::from_value(json!({
        "prompt": "A sealed question", "label": "test", "evidence_id": "E-1"
    }))
    .unwrap()
}
