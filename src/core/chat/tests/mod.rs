//! The service on SQLite with a scripted model.

mod completions;
mod faults;
mod leaving;

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
use crate::llm::scripted::{
    JumpClock, Piece, START_MS, ScriptedHttp, Step, answer_json, client, pieces, provider, reply,
    stream_text,
};
use crate::llm::{Dialect, Limits};
use crate::ports::{Clock, Database};
use crate::sql::{DatabaseError, Outcome, Row, SqliteDatabase, Statement};
use crate::testing::{FakeBackground, FakeEntropy, FakeLog};
use crate::usage::PriceTable;

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

struct World {
    clock: JumpClock,
    http: Rc<ScriptedHttp>,
    db: Rc<Shaky>,
    log: Rc<FakeLog>,
    background: Rc<FakeBackground>,
    service: ChatService,
}

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
        let service = ChatService {
            sessions: Sessions::new(Rc::clone(&db) as Rc<dyn Database>),
            models: Rc::new(client(&clock, &http)),
            provider: provider(Dialect::ChatCompletions),
            prices: Rc::new(PriceTable::built_in().unwrap()),
            clock: Rc::new(clock.clone()),
            entropy: Rc::new(FakeEntropy::default()),
            log: Rc::clone(&log) as Rc<_>,
            background: Rc::clone(&background) as Rc<_>,
            limits: Limits::default(),
        };
        Self {
            clock,
            http,
            db,
            log,
            background,
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
        self.clock
            .run(self.service.complete("alice", exchange, input))
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
