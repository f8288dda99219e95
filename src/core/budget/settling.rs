//! Settlements on their way to an account. They wait [`DELAY_MS`] for the user's next admission,
//! which takes them along, before it and in the same request; else they go alone.

use std::cell::RefCell;
use std::rc::Rc;

use serde::{Deserialize, Serialize};

use super::remote::UserLedgerError;
use super::types::{Actual, Settled};

pub(super) const DELAY_MS: u64 = 5;
/// Taken along at a time.
const MOST: usize = 64;

/// How a call ended, for its account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Settlement {
    pub request_id: String,
    pub actual: Actual,
}

/// What an account answers to one.
pub(super) type Answer = Result<Settled, UserLedgerError>;

/// One that waits, and where its answer is put.
#[derive(Clone)]
pub(super) struct Waiting {
    pub settlement: Settlement,
    answer: Rc<RefCell<Option<Answer>>>,
}

impl Waiting {
    pub fn new(settlement: Settlement) -> Self {
        Self {
            settlement,
            answer: Rc::default(),
        }
    }

    pub fn put(&self, answer: Answer) {
        self.answer.replace(Some(answer));
    }

    pub fn answer(&self) -> Option<Answer> {
        self.answer.borrow().clone()
    }
}

/// Those that wait in an isolate, each with its user. Few at a time: none waits for long.
#[derive(Default)]
pub(super) struct Settling(RefCell<Vec<(String, Waiting)>>);

impl Settling {
    pub fn add(&self, user_id: &str, waiting: Waiting) {
        self.0.borrow_mut().push((user_id.to_owned(), waiting));
    }

    /// The oldest of a user. Whoever takes them sends them.
    pub fn take(&self, user_id: &str) -> Vec<Waiting> {
        let mut taken = Vec::new();
        self.0.borrow_mut().retain(|(user, waiting)| {
            let stays = user != user_id || taken.len() == MOST;
            if !stays {
                taken.push(waiting.clone());
            }
            stays
        });
        taken
    }

    /// False if somebody else has taken it.
    pub fn remove(&self, user_id: &str, request_id: &str) -> bool {
        let mut waits = self.0.borrow_mut();
        let before = waits.len();
        waits.retain(|(user, waiting)| {
            user != user_id || waiting.settlement.request_id != request_id
        });
        waits.len() < before
    }
}
