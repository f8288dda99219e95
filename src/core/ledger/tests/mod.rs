//! The ledger over a log in memory: its commands, its client when replies are lost, its rows.

mod commands;
mod projecting;
mod remote;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream;
use serde_json::Value;

use super::*;
use crate::chain::fact::{Fact, Salt};
use crate::chain::keys::SignerKey;
use crate::chain::receipt::StoredContent;
use crate::chain::sequencer::Sequencer;
use crate::chain::store::EntryRow;
use crate::chain::tests::memory::MemoryStore;
use crate::ports::{Database, Http, HttpError, HttpRequest, HttpResponse};
use crate::testing::block_on;

pub(crate) const LOGGED_AT_MS: u64 = 1_795_262_350_000;

/// What happens to one call to the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogFault {
    None,
    RequestLost,
    ReplyLost,
    /// A status and body that the sequencer itself would not send.
    Answers(u16, &'static str),
}

/// The sequencer's object: a log in memory behind HTTP, and its rows in a database.
pub(crate) struct LogHttp {
    pub log: RefCell<Sequencer<MemoryStore>>,
    /// Of the next calls, in order.
    pub faults: RefCell<VecDeque<LogFault>>,
    pub calls: Cell<u64>,
    rows: Option<Rc<dyn Database>>,
}

impl LogHttp {
    pub fn new(rows: Option<Rc<dyn Database>>) -> Rc<Self> {
        let key = SignerKey::from_seed("example.com/test-log", &[1; 32]).unwrap();
        Rc::new(Self {
            log: RefCell::new(Sequencer::open(MemoryStore::default(), key).unwrap()),
            faults: RefCell::default(),
            calls: Cell::new(0),
            rows,
        })
    }

    pub fn size(&self) -> u64 {
        self.log.borrow().size().unwrap()
    }

    /// A fact as it is in the log, and the bytes its id hashes.
    pub fn fact(&self, index: u64) -> (Fact, String) {
        match self
            .log
            .borrow()
            .fact(FactRef::Index(index))
            .unwrap()
            .content
        {
            StoredContent::Present { fact, canonical } => (fact, canonical),
            StoredContent::Erased => panic!("erased"),
        }
    }

    fn serve(&self, body: &[u8]) -> Served {
        self.calls.set(self.calls.get() + 1);
        let mut salt = [7; 32];
        salt[..8].copy_from_slice(&self.calls.get().to_be_bytes());
        let salt = Salt::from_random_bytes(salt);
        serve(&mut self.log.borrow_mut(), body, LOGGED_AT_MS, &salt)
    }

    /// What the object does after an append.
    async fn write_row(&self, body: &[u8], answer: &str) {
        let (Some(rows), Ok(Command::Append(request))) = (&self.rows, serde_json::from_slice(body))
        else {
            return;
        };
        let receipt: Receipt = serde_json::from_str(answer).unwrap();
        let (_, canonical) = self.fact(receipt.leaf_index);
        let entry = EntryRow {
            index: receipt.leaf_index,
            fact_id: receipt.fact_id,
            idempotency_key: request.idempotency_key,
            logged_at_ms: receipt.logged_at_ms,
            content: Some(canonical),
            checkpoint: receipt.checkpoint,
        };
        project(&**rows, &[entry]).await.unwrap();
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
        let served = self.serve(&request.body);
        if served.logged {
            self.write_row(&request.body, &served.body).await;
        }
        if fault == Some(LogFault::ReplyLost) {
            return Err(HttpError::Interrupted("cut".into()));
        }
        Ok(response(served.status, &served.body))
    }
}

pub(crate) fn response(status: u16, body: &str) -> HttpResponse {
    let chunk = Ok(Bytes::from(body.to_owned()));
    HttpResponse {
        status,
        headers: Vec::new(),
        body: Box::pin(stream::iter([chunk])),
    }
}

fn request(number: u64) -> AppendRequest {
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
    };
    facts.iter().map(subject).collect()
}
