//! The library on SQLite.

mod configs;
mod erasing;
mod exporting;
mod finding;
mod finding_much;
mod history;
mod messages;
mod sessions;
mod templates;

use std::cell::RefCell;
use std::rc::Rc;
use std::task::Poll;

use async_trait::async_trait;
use futures::future::join_all;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::super::settings::*;
use super::super::templates::*;
use super::super::{ChatError, Role, SessionStatus, SessionView};
use super::*;
use crate::sql::{ConstraintKind, DatabaseError, Outcome, Row, SqliteDatabase, Statement};
use crate::testing::{FakeClock, FakeEntropy, block_on};

const START_MS: i64 = 1_795_262_349_000;

/// SQLite that lets others run between batches, and refuses some as duplicates first.
struct Busy {
    inner: SqliteDatabase,
    refusals: RefCell<usize>,
}

#[async_trait(?Send)]
impl Database for Busy {
    async fn run(&self, statement: Statement) -> Result<Outcome, DatabaseError> {
        let outcomes = self.batch(vec![statement]).await?;
        Ok(outcomes[0].clone())
    }

    async fn batch(&self, statements: Vec<Statement>) -> Result<Vec<Outcome>, DatabaseError> {
        let mut waited = false;
        std::future::poll_fn(|context| {
            if std::mem::replace(&mut waited, true) {
                return Poll::Ready(());
            }
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
        if *self.refusals.borrow() > 0 {
            *self.refusals.borrow_mut() -= 1;
            return Err(DatabaseError::Constraint {
                kind: ConstraintKind::Unique,
                detail: "another was faster".into(),
            });
        }
        self.inner.batch(statements).await
    }
}

struct World {
    db: Rc<Busy>,
    clock: FakeClock,
    library: Library,
}

impl World {
    fn new() -> Self {
        let db = Rc::new(Busy {
            inner: SqliteDatabase::with_schema(),
            refusals: RefCell::default(),
        });
        let clock = FakeClock::at(START_MS);
        let library = Library {
            db: Rc::clone(&db) as Rc<dyn Database>,
            clock: Rc::new(clock.clone()),
            entropy: Rc::new(FakeEntropy::default()),
        };
        Self { db, clock, library }
    }

    fn rows(&self, sql: &'static str) -> Vec<Row> {
        block_on(self.db.inner.run(Statement::new(sql)))
            .unwrap()
            .rows
    }

    fn count(&self, sql: &'static str) -> i64 {
        self.rows(sql)[0].int("n").unwrap()
    }

    /// A session of `owner`'s, a second after the one before.
    fn make(&self, owner: &str, more: &Value) -> SessionView {
        self.clock.advance(1_000);
        let mut json = json!({"session_name": "Notes"});
        merge(&mut json, more);
        let made = block_on(self.library.create_session(owner, &input(&json)));
        made.unwrap().session
    }

    fn say(&self, owner: &str, session_id: &str, content: &str) {
        let json = json!({"session_id": session_id, "role": "user", "content": content});
        block_on(self.library.add_message(owner, &input(&json))).unwrap();
    }

    fn read(&self, owner: &str, json: &Value) -> Result<SessionGetOutput, ChatError> {
        block_on(self.library.session(owner, &input(json)))
    }
}

fn merge(json: &mut Value, more: &Value) {
    for (key, value) in more.as_object().unwrap() {
        json[key] = value.clone();
    }
}

/// An input as it comes over the wire.
fn input<T: DeserializeOwned>(json: &Value) -> T {
    serde_json::from_value(json.clone()).unwrap()
}

fn code<T>(result: Result<T, ChatError>) -> &'static str {
    result.map(|_| ()).unwrap_err().code()
}

const NOT_THERE: &str = "SESSION_NOT_FOUND";
const INVALID: &str = "INVALID_INPUT";
