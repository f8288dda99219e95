//! The service on SQLite with a scripted model.

mod completions;
mod faults;
mod in_sessions;
mod leaving;
mod room_messages;
mod rooms;

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;
use std::task::Poll;

use async_trait::async_trait;
use futures::FutureExt;
use futures::future::join_all;
use garde::Validate;
use serde_json::{Value, json};

use super::*;
use crate::gateway::tests::{LocalLedger, over};
use crate::llm::scripted::{
    JumpClock, Piece, START_MS, ScriptedHttp, Step, answer_json, pieces, reply, stream_text,
};
use crate::ports::{Clock, Database};
use crate::sql::{DatabaseError, Outcome, Row, SqliteDatabase, Statement};
use crate::testing::{FakeBackground, FakeEntropy, FakeLog};

/// What happens to a batch.
#[derive(Clone, Copy, PartialEq)]
enum Fault {
    None,
    Lost,
    ReplyLost,
}

/// SQLite that lets others run between batches, and fails on request.
struct Shaky {
    inner: SqliteDatabase,
    faults: RefCell<Vec<Fault>>,
    batches: Cell<usize>,
}

async fn let_others_run() {
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

fn lost() -> DatabaseError {
    DatabaseError::Unavailable("connection lost on purpose".into())
}

#[async_trait(?Send)]
impl Database for Shaky {
    async fn run(&self, statement: Statement) -> Result<Outcome, DatabaseError> {
        self.batch(vec![statement])
            .await
            .map(|outcomes| outcomes[0].clone())
    }

    async fn batch(&self, statements: Vec<Statement>) -> Result<Vec<Outcome>, DatabaseError> {
        let_others_run().await;
        self.batches.set(self.batches.get() + 1);
        let fault = self.faults.borrow_mut().pop().unwrap_or(Fault::None);
        if fault == Fault::Lost {
            return Err(lost());
        }
        let outcomes = self.inner.batch(statements).await;
        let_others_run().await;
        if fault == Fault::ReplyLost {
            Err(lost())
        } else {
            outcomes
        }
    }
}

/// A session's settings, the default config, the history and the question, before the model
/// is asked.
const BEFORE: [Fault; 4] = [Fault::None; 4];

struct World {
    clock: JumpClock,
    http: Rc<ScriptedHttp>,
    db: Rc<Shaky>,
    log: Rc<FakeLog>,
    background: Rc<FakeBackground>,
    ledger: Rc<LocalLedger>,
    service: ChatService,
}

const ALICE: Asker<'_> = Asker {
    user_id: "alice",
    key_id: None,
};

impl World {
    fn new(steps: Vec<Step>) -> Self {
        let clock = JumpClock::at(START_MS);
        let http = ScriptedHttp::new(&clock, steps);
        let db = Rc::new(Shaky {
            inner: SqliteDatabase::with_schema(),
            faults: RefCell::default(),
            batches: Cell::default(),
        });
        let log = Rc::new(FakeLog::default());
        let background = Rc::new(FakeBackground::default());
        let (shared, told) = (Rc::clone(&db) as _, Rc::clone(&log) as _);
        let (gateway, ledger) = over(&clock, &http, &shared, &told);
        let service = ChatService {
            sessions: Sessions::new(Rc::clone(&db) as Rc<dyn Database>),
            library: Library {
                db: Rc::clone(&db) as Rc<dyn Database>,
                clock: Rc::new(clock.clone()),
                entropy: Rc::new(FakeEntropy::default()),
            },
            gateway: Rc::new(gateway),
            clock: Rc::new(clock.clone()),
            entropy: Rc::new(FakeEntropy::default()),
            log: Rc::clone(&log) as Rc<_>,
            background: Rc::clone(&background) as Rc<_>,
        };
        Self {
            clock,
            http,
            db,
            log,
            background,
            ledger,
            service,
        }
    }

    fn library(&self) -> Library {
        Library {
            db: Rc::clone(&self.db) as Rc<dyn Database>,
            clock: Rc::new(self.clock.clone()),
            entropy: Rc::clone(&self.service.entropy),
        }
    }

    /// Faults of the next batches, in order.
    fn faults(&self, faults: &[Fault]) {
        *self.db.faults.borrow_mut() = faults.iter().rev().copied().collect();
    }

    fn complete(
        &self,
        exchange: Option<&str>,
        input: &CompletionInput,
    ) -> Result<CompletionOutput, ChatError> {
        self.run(self.service.complete(ALICE, exchange, input))
    }

    /// With what goes on in the background.
    fn run<T>(&self, work: impl Future<Output = T>) -> T {
        self.clock.run(self.background.beside(work))
    }

    fn rows(&self, sql: &'static str) -> Vec<Row> {
        self.clock
            .run(self.db.inner.run(Statement::new(sql)))
            .unwrap()
            .rows
    }

    fn messages(&self) -> Vec<Row> {
        self.rows("SELECT * FROM chat_messages ORDER BY session_id, seq")
    }

    fn session(&self, id: &str) -> Session {
        self.clock
            .run(self.service.sessions.find_owned(id, "alice"))
            .unwrap()
            .unwrap()
    }

    fn calls(&self) -> usize {
        self.http.seen.borrow().len()
    }
}

fn input(more: &Value) -> CompletionInput {
    let mut json = json!({"messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hello"}
    ]});
    for (key, value) in more.as_object().unwrap() {
        json[key] = value.clone();
    }
    serde_json::from_value(json).unwrap()
}

fn in_session() -> CompletionInput {
    input(&json!({"session_id": "s-1"}))
}

fn hi() -> Step {
    reply(200, &answer_json("Hi"))
}

/// 9 prompt and 3 completion tokens of gpt-4: 9 × 30,000 + 3 × 60,000.
const HI_NANOS: i64 = 450_000;
