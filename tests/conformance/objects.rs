//! Durable Objects: the mailbox, and one with a memory for the test of isolation.

use std::cell::Cell;
use std::panic::RefUnwindSafe;
use std::rc::Rc;

use chitty_core::mcp::RpcError;
use chitty_core::mcp::task::{Outcome, Task};
use chitty_core::ports::Clock;
use chitty_edge::clock::SystemClock;
use chitty_edge::mailbox::MailboxBox;
use chitty_edge::tasks::TaskBox;
use futures::future::LocalBoxFuture;
use worker::{DurableObject, Env, Request, Response, Result, State, durable_object};

#[durable_object]
pub struct MailboxObject(MailboxBox);

// A panic ends its request; what is kept here stays whole, since it is stored.
impl RefUnwindSafe for MailboxObject {}

impl DurableObject for MailboxObject {
    fn new(state: State, _env: Env) -> Self {
        Self(MailboxBox::new(state))
    }

    async fn fetch(&self, request: Request) -> Result<Response> {
        self.0.fetch(request).await
    }

    async fn alarm(&self) -> Result<Response> {
        self.0.alarm().await
    }
}

#[durable_object]
pub struct TaskObject(TaskBox);

impl RefUnwindSafe for TaskObject {}

impl DurableObject for TaskObject {
    fn new(state: State, _env: Env) -> Self {
        Self(TaskBox::new(state, Rc::new(work)))
    }

    async fn fetch(&self, request: Request) -> Result<Response> {
        self.0.fetch(request).await
    }

    async fn alarm(&self) -> Result<Response> {
        self.0.alarm().await
    }
}

fn work(task: Task) -> LocalBoxFuture<'static, Outcome> {
    Box::pin(async {
        match crate::app() {
            Ok(app) => app.server.work_on(&app.services, task).await,
            Err(error) => Outcome::Failed(RpcError::internal_because(&error)),
        }
    })
}

/// Long enough for a panic to fall into the middle of another call.
const COUNT_MS: u64 = 1_000;

/// Counts its calls in memory alone: those begun, and those ended.
#[durable_object]
pub struct MemoryObject {
    started: Cell<u32>,
    calls: Cell<u32>,
}

impl RefUnwindSafe for MemoryObject {}

impl DurableObject for MemoryObject {
    fn new(_state: State, _env: Env) -> Self {
        Self {
            started: Cell::new(0),
            calls: Cell::new(0),
        }
    }

    async fn fetch(&self, request: Request) -> Result<Response> {
        assert!(request.path() != "/panic", "asked to, in an object");
        if request.path() == "/started" {
            return Response::ok(self.started.get().to_string());
        }
        self.started.set(self.started.get() + 1);
        SystemClock.sleep(COUNT_MS).await;
        self.calls.set(self.calls.get() + 1);
        Response::ok(self.calls.get().to_string())
    }
}
