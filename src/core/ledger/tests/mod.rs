//! The ledger over a log in memory: its commands, its client when replies are lost, its rows.

mod commands;
mod projecting;
mod publishing;
mod remote;
mod shared;
mod simulator;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream;
use serde_json::Value;

use super::*;
use crate::chain::fact::{Fact, SaltedFact};
use crate::chain::keys::SignerKey;
use crate::chain::receipt::StoredContent;
use crate::chain::store::{EntryRow, LogStore as _};
use crate::chain::tests::memory::MemoryStore;
use crate::ports::{
    Bucket, Database, Entropy, EntropyError, Http, HttpError, HttpRequest, HttpResponse,
};
use crate::sql::{DatabaseError, Outcome, Statement};
use crate::testing::{FakeBackground, FakeClock, FakeLog, MemoryBucket, block_on};
use shared::SharedStore;

pub(crate) const LOGGED_AT_MS: u64 = 1_795_262_350_000;

/// Made once, since deriving the public key costs as much as signing.
fn test_key() -> SignerKey {
    static KEY: LazyLock<SignerKey> =
        LazyLock::new(|| SignerKey::from_seed("example.com/test-log", &[1; 32]).unwrap());
    KEY.clone()
}

/// What happens to one call to the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogFault {
    None,
    RequestLost,
    ReplyLost,
    /// A status and body that the sequencer itself would not send.
    Answers(u16, &'static str),
}

/// Takes every row and keeps none.
struct Nowhere;

#[async_trait(?Send)]
impl Database for Nowhere {
    async fn run(&self, _statement: Statement) -> Result<Outcome, DatabaseError> {
        Ok(Outcome::default())
    }

    async fn batch(&self, statements: Vec<Statement>) -> Result<Vec<Outcome>, DatabaseError> {
        Ok(statements.iter().map(|_| Outcome::default()).collect())
    }
}

/// Different in each log, so that no two are alike.
struct OwnEntropy {
    log: u64,
    calls: Cell<u64>,
}

impl Default for OwnEntropy {
    fn default() -> Self {
        static LOGS: AtomicU64 = AtomicU64::new(0);
        Self {
            log: LOGS.fetch_add(1, Ordering::Relaxed),
            calls: Cell::new(0),
        }
    }
}

impl Entropy for OwnEntropy {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError> {
        self.calls.set(self.calls.get() + 1);
        let words = [self.log, self.calls.get()].map(u64::to_be_bytes);
        let drawn = words.concat().into_iter().cycle();
        bytes
            .iter_mut()
            .zip(drawn)
            .for_each(|(byte, drawn)| *byte = drawn);
        Ok(())
    }
}

/// Counts how often it was set.
#[derive(Default)]
struct CountedAlarm(Cell<u64>);

#[async_trait(?Send)]
impl Alarm for CountedAlarm {
    async fn set(&self, _ms: u64) -> Result<(), String> {
        self.0.set(self.0.get() + 1);
        Ok(())
    }
}

fn started(
    key: SignerKey,
    store: &SharedStore,
    files: &Rc<MemoryBucket>,
    rows: &Rc<dyn Database>,
    alarm: &Rc<CountedAlarm>,
    background: &Rc<FakeBackground>,
) -> Rc<Log<SharedStore>> {
    let store = store.clone();
    Log::new(LogPorts {
        open: Box::new(move || Ok((store.clone(), key.clone()))),
        files: Rc::clone(files) as Rc<dyn Bucket>,
        rows: Rc::clone(rows),
        alarm: Rc::clone(alarm) as Rc<dyn Alarm>,
        clock: Rc::new(FakeClock::at(i64::try_from(LOGGED_AT_MS).unwrap())),
        entropy: Rc::new(OwnEntropy::default()),
        background: Rc::clone(background) as Rc<dyn crate::ports::Background>,
        log: Rc::new(FakeLog::default()),
        round_ms: 750,
    })
}

/// The client of a log, which waits for nothing.
pub(crate) fn client(http: Rc<dyn Http>) -> RemoteLedger {
    let at_ms = i64::try_from(LOGGED_AT_MS).unwrap();
    RemoteLedger::new(http, Rc::new(FakeClock::at(at_ms)))
}

/// The sequencer's object: a log in memory behind HTTP, and its rows in a database.
pub(crate) struct LogHttp {
    log: RefCell<Rc<Log<SharedStore>>>,
    rows: Rc<dyn Database>,
    store: SharedStore,
    files: Rc<MemoryBucket>,
    alarm: Rc<CountedAlarm>,
    background: Rc<FakeBackground>,
    /// Of the next calls, in order.
    pub faults: RefCell<VecDeque<LogFault>>,
    pub calls: Cell<u64>,
}

impl LogHttp {
    pub fn new(rows: Option<Rc<dyn Database>>) -> Rc<Self> {
        let rows = rows.unwrap_or_else(|| Rc::new(Nowhere));
        let (store, files) = (SharedStore::default(), Rc::<MemoryBucket>::default());
        let (alarm, background) = (Rc::default(), Rc::default());
        let log = started(test_key(), &store, &files, &rows, &alarm, &background);
        Rc::new(Self {
            log: RefCell::new(log),
            rows,
            store,
            files,
            alarm,
            background,
            faults: RefCell::default(),
            calls: Cell::new(0),
        })
    }

    fn log(&self) -> Rc<Log<SharedStore>> {
        Rc::clone(&self.log.borrow())
    }

    /// Another log in its place, empty, with this key.
    pub fn replace(&self, key: SignerKey) {
        self.store.0.replace(MemoryStore::default());
        self.files.0.borrow_mut().clear();
        let (store, files, rows) = (&self.store, &self.files, &self.rows);
        let log = started(key, store, files, rows, &self.alarm, &self.background);
        self.log.replace(log);
    }

    /// The published files.
    pub fn files(&self) -> &Rc<MemoryBucket> {
        &self.files
    }

    pub fn size(&self) -> u64 {
        self.store.0.borrow().entries.len() as u64
    }

    /// A fact as it is in the log, and the bytes its id hashes.
    pub fn fact(&self, index: u64) -> (Fact, String) {
        let content = self.store.0.borrow().entries[&index].content.clone();
        let canonical = content.expect("erased");
        (SaltedFact::parse(&canonical).unwrap().fact, canonical)
    }

    /// Changes an entry behind the log's back, or takes it away.
    pub fn alter(&self, index: u64, content: Option<&str>) {
        let mut store = self.store.0.borrow_mut();
        match content {
            Some(content) => {
                store.entries.get_mut(&index).unwrap().content = Some(content.to_owned());
            }
            None => drop(store.entries.remove(&index)),
        }
    }

    pub fn erase(&self, index: u64) {
        self.store.0.borrow_mut().erase_content(index).unwrap();
    }

    fn serve(&self, body: &[u8]) -> Served {
        block_on(self.answer(body))
    }

    async fn answer(&self, body: &[u8]) -> Served {
        self.calls.set(self.calls.get() + 1);
        self.background.beside(serve(&self.log(), body)).await
    }
}

#[async_trait(?Send)]
impl Http for LogHttp {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let fault = self.faults.borrow_mut().pop_front();
        match fault {
            Some(LogFault::RequestLost) => return Err(HttpError::Unreachable("down".into())),
            Some(LogFault::Answers(status, body)) => return Ok(response(status, body)),
            _ => (),
        }
        let served = self.answer(&request.body).await;
        if fault == Some(LogFault::ReplyLost) {
            return Err(HttpError::Interrupted("cut".into()));
        }
        Ok(response(served.status, &served.body))
    }
}

/// What a stranger who asks for a published file is answered.
pub(crate) async fn published_file(files: &MemoryBucket, url: &str) -> HttpResponse {
    let path = url::Url::parse(url).unwrap().path().to_owned();
    let none: Vec<(&str, &str)> = Vec::new();
    let reply = published::respond(files, None, "GET", &path, &none).await;
    let reply = reply.unwrap();
    match reply.body {
        crate::http::Body::Bytes(bytes) => bytes_response(reply.status, bytes),
        _ => response(reply.status, ""),
    }
}

pub(crate) fn response(status: u16, body: &str) -> HttpResponse {
    bytes_response(status, body.to_owned().into_bytes())
}

pub(crate) fn bytes_response(status: u16, body: Vec<u8>) -> HttpResponse {
    let chunk = Ok(Bytes::from(body));
    HttpResponse {
        status,
        headers: Vec::new(),
        body: Box::pin(stream::iter([chunk])),
    }
}

pub(crate) fn request(number: u64) -> AppendRequest {
    AppendRequest {
        idempotency_key: format!("key-{number}"),
        fact: Fact {
            subject: format!("case/{number}"),
            predicate: "status".to_owned(),
            object: "approved".to_owned(),
            source: "review".to_owned(),
            timestamp_ms: 1_700_000_000_000,
            execution_id: None,
            evidence_id: None,
            metadata: [("user_id".to_owned(), "ann".to_owned())].into(),
        },
    }
}

fn subjects(facts: &[LoggedFact]) -> Vec<String> {
    let subject = |fact: &LoggedFact| match &fact.stored.content {
        StoredContent::Present { fact, .. } => fact.subject.clone(),
        StoredContent::Erased => "erased".to_owned(),
        StoredContent::Altered { .. } => "altered".to_owned(),
    };
    facts.iter().map(subject).collect()
}
