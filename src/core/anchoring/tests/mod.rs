#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod keeping;
mod reading;

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream;

use super::{AnchorStore, Keeper, Ports, RemoteAnchors, Vouchers, serve};
use crate::chain::fact::Fact;
use crate::ledger::tests::{LogHttp, client, response};
use crate::ledger::{AppendRequest, Ledger};
use crate::ports::{Http, HttpError, HttpRequest, HttpResponse};
use crate::sql::{DatabaseError, Outcome, Sql, SqliteDatabase, Statement};
use crate::testing::{FakeClock, FakeEntropy, FakeLog, MemoryBucket, block_on};
use crate::timestamp::client::Authorities;
use crate::timestamp::tests::authority::{Authority, p256};
use crate::witness::server::Witness;
use crate::witness::tests::{Seen, cosigner};

pub(crate) const EVERY_MS: u64 = 30_000;

/// SQLite that outlives its object.
#[derive(Clone)]
pub(crate) struct Disk(Rc<SqliteDatabase>);

impl Sql for Disk {
    fn batch(&self, statements: &[Statement]) -> Result<Vec<Outcome>, DatabaseError> {
        Sql::batch(&*self.0, statements)
    }
}

/// Two witnesses and two authorities, of which some are down.
pub(crate) struct Others {
    witnesses: [(Witness, RefCell<Seen>); 2],
    pub authority: Authority,
    pub down: RefCell<BTreeSet<&'static str>>,
    pub asked: RefCell<Vec<String>>,
    clock: FakeClock,
}

const HOSTS: [&str; 4] = ["w1.example", "w2.example", "t1.example", "t2.example"];

#[async_trait(?Send)]
impl Http for Others {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let host = HOSTS.iter().position(|host| request.url.contains(host));
        let host = host.unwrap();
        self.asked.borrow_mut().push(HOSTS[host].to_owned());
        if self.down.borrow().contains(HOSTS[host]) {
            return Err(HttpError::Timeout { ms: 10_000 });
        }
        let (status, content_type, body) = match self.witnesses.get(host) {
            Some((witness, seen)) => {
                let body = std::str::from_utf8(&request.body).unwrap();
                let now_ms = u64::try_from(crate::ports::Clock::now_ms(&self.clock)).unwrap();
                let answer = match witness.admit(body) {
                    Ok(request) => witness.add(&mut *seen.borrow_mut(), &request, now_ms),
                    Err(answer) => answer,
                };
                (answer.status, answer.content_type(), answer.body.into())
            }
            None => (
                200,
                "application/timestamp-reply",
                self.authority.reply(&request.body),
            ),
        };
        Ok(HttpResponse {
            status,
            headers: vec![("content-type", content_type.to_owned())],
            body: Box::pin(stream::iter([Ok(Bytes::from(body))])),
        })
    }
}

pub(crate) struct World {
    pub ledger: Rc<dyn Ledger>,
    pub others: Rc<Others>,
    pub clock: FakeClock,
    pub files: Rc<MemoryBucket>,
    pub lines: Rc<FakeLog>,
    pub vouchers: Vouchers,
    disk: Disk,
    next: Cell<u64>,
}

/// The object of the anchors, as the worker has it.
pub(crate) struct Object(pub AnchorStore<Disk>, pub Vouchers);

#[async_trait(?Send)]
impl Http for Object {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let answered = serve(&self.0, &self.1, &request.body);
        Ok(response(answered.status, &answered.body))
    }
}

impl World {
    /// A quorum of `k` of two witnesses, and two authorities.
    pub fn new(k: u8) -> Self {
        Self::over(LogHttp::new(None), k)
    }

    /// The same, of that log.
    pub fn over(log: Rc<dyn Http>, k: u8) -> Self {
        let ledger: Rc<dyn Ledger> = Rc::new(client(log));
        let key: crate::chain::keys::VerifierKey = block_on(ledger.head())
            .unwrap()
            .verifier_key
            .parse()
            .unwrap();
        let witness = |number| Witness {
            cosigners: vec![cosigner(number)],
            logs: vec![key.clone()],
        };
        // The authority's clock is the real one.
        let now = std::time::SystemTime::now();
        let now_ms = now
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap()
            .as_millis();
        let clock = FakeClock::at(i64::try_from(now_ms).unwrap());
        let others = Rc::new(Others {
            witnesses: [1, 2].map(|number| (witness(number), RefCell::default())),
            authority: p256(),
            down: RefCell::default(),
            asked: RefCell::default(),
            clock: clock.clone(),
        });
        let vkey = |number: u8| cosigner(number).verifier().to_string();
        let policy = format!(
            "witness a {} https://w1.example\nwitness b {} https://w2.example\ngroup g {k} a b\nquorum g\n",
            vkey(1),
            vkey(2),
        );
        let vouchers = Vouchers {
            witnesses: Some(policy.parse().unwrap()),
            authorities: Some(Authorities {
                urls: vec!["http://t1.example".into(), "http://t2.example".into()],
                anchors: others.authority.anchors(),
            }),
            every_ms: EVERY_MS,
        };
        Self {
            ledger,
            others,
            clock,
            files: Rc::default(),
            lines: Rc::default(),
            vouchers,
            disk: Disk(Rc::new(SqliteDatabase::empty())),
            next: Cell::default(),
        }
    }

    /// The log with its anchors, as services see it.
    pub fn anchored(&self, log: Rc<dyn Http>) -> Rc<dyn Ledger> {
        let object = Object(self.store(), self.vouchers.clone());
        let anchors = RemoteAnchors::new(Rc::new(object));
        Rc::new(client(log).anchored_by(anchors))
    }

    /// The newest checkpoint is anchored, however soon after the last.
    pub fn anchor(&self) {
        self.clock.advance(i64::try_from(EVERY_MS).unwrap());
        assert_eq!(self.tend(), None);
    }

    pub fn store(&self) -> AnchorStore<Disk> {
        AnchorStore::open(self.disk.clone()).unwrap()
    }

    /// A keeper as after a restart.
    pub fn keeper(&self) -> Keeper<Disk> {
        Keeper {
            store: self.store(),
            vouchers: self.vouchers.clone(),
            ports: Ports {
                ledger: Rc::clone(&self.ledger),
                http: Rc::clone(&self.others) as Rc<dyn Http>,
                files: Rc::clone(&self.files) as Rc<dyn crate::ports::Bucket>,
                clock: Rc::new(self.clock.clone()),
                entropy: Rc::new(FakeEntropy::default()),
                log: Rc::clone(&self.lines) as Rc<dyn crate::ports::Log>,
            },
        }
    }

    pub fn tend(&self) -> Option<u64> {
        block_on(self.keeper().tend()).unwrap()
    }

    /// Who was asked since the last look, sorted.
    pub fn asked(&self) -> Vec<String> {
        let mut asked = self.others.asked.take();
        asked.sort();
        asked
    }

    pub fn grow(&self, count: u64) {
        for _ in 0..count {
            let number = self.next.get();
            self.next.set(number + 1);
            let fact = Fact {
                subject: format!("case/{number}"),
                predicate: "status".to_owned(),
                object: "approved".to_owned(),
                source: "review".to_owned(),
                timestamp_ms: 1_700_000_000_000,
                execution_id: None,
                evidence_id: None,
                metadata: [].into(),
            };
            let request = AppendRequest {
                idempotency_key: format!("key-{number}"),
                fact,
            };
            block_on(self.ledger.append(&request)).unwrap();
        }
    }
}
