//! A database that can be interrupted: it gives way before and after each call, and fails
//! where it is told to.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use async_trait::async_trait;

use crate::ports::Database;
use crate::sql::{DatabaseError, Outcome, SqliteDatabase, Statement};
use crate::testing::Random;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing is applied.
    Before,
    /// All is applied, and the answer is lost.
    After,
}

pub struct Shaky {
    pub inner: SqliteDatabase,
    /// What happens to the next calls, in order.
    pub plan: RefCell<VecDeque<Option<Fault>>>,
    pub calls: Cell<u32>,
}

impl Default for Shaky {
    fn default() -> Self {
        Self {
            inner: SqliteDatabase::with_schema(),
            plan: RefCell::default(),
            calls: Cell::new(0),
        }
    }
}

impl Shaky {
    /// Fails the call after the next `earlier` ones.
    pub fn fail_after(&self, earlier: u32, fault: Fault) {
        let mut plan = VecDeque::from(vec![None; earlier as usize]);
        plan.push_back(Some(fault));
        self.plan.replace(plan);
    }

    fn next(&self) -> Option<Fault> {
        self.calls.set(self.calls.get() + 1);
        self.plan.borrow_mut().pop_front().flatten()
    }
}

#[async_trait(?Send)]
impl Database for Shaky {
    async fn run(&self, statement: Statement) -> Result<Outcome, DatabaseError> {
        let outcomes = self.batch(vec![statement]).await?;
        Ok(outcomes.into_iter().next().unwrap())
    }

    async fn batch(&self, statements: Vec<Statement>) -> Result<Vec<Outcome>, DatabaseError> {
        let lost = || DatabaseError::Unavailable("lost on purpose".into());
        give_way().await;
        let fault = self.next();
        if fault == Some(Fault::Before) {
            return Err(lost());
        }
        let outcomes = self.inner.batch(statements).await?;
        give_way().await;
        if fault == Some(Fault::After) {
            return Err(lost());
        }
        Ok(outcomes)
    }
}

/// Pending once.
async fn give_way() {
    let mut given = false;
    std::future::poll_fn(|_| {
        if std::mem::replace(&mut given, true) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
}

pub type Task<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// Runs tasks in an order that `random` gives, a step at a time. One step in `kill` a task
/// is dropped where it stands, as when its worker dies: it answers nothing.
pub fn interleave<T>(tasks: Vec<Task<'_, T>>, random: &Random, kill: u64) -> Vec<Option<T>> {
    let mut context = Context::from_waker(Waker::noop());
    let mut answers: Vec<Option<T>> = tasks.iter().map(|_| None).collect();
    let mut running: Vec<_> = tasks.into_iter().enumerate().collect();
    while !running.is_empty() {
        let at = random.at(running.len());
        if kill > 0 && random.one_in(kill) {
            drop(running.swap_remove(at));
            continue;
        }
        if let Poll::Ready(answer) = running[at].1.as_mut().poll(&mut context) {
            let (index, _) = running.swap_remove(at);
            answers[index] = Some(answer);
        }
    }
    answers
}

/// Polls `task` this often and drops it. Its answer, if that was enough.
pub fn killed_after<T>(task: impl Future<Output = T>, polls: u32) -> Option<T> {
    let mut task = std::pin::pin!(task);
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..polls {
        if let Poll::Ready(answer) = task.as_mut().poll(&mut context) {
            return Some(answer);
        }
    }
    None
}

/// One database for many schedules: making the tables takes longer than a schedule.
pub fn shared() -> Rc<Shaky> {
    Rc::new(Shaky::default())
}
