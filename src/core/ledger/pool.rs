//! Appends that wait for their round.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

use futures::channel::oneshot;

use super::refusal::Refusal;
use super::{AppendRequest, MAX_APPENDS};
use crate::chain::fact::Fact;
use crate::chain::receipt::Receipt;

/// Most facts of a round, and their bytes.
const MAX_ROUND: usize = 4_000;
const MAX_ROUND_BYTES: usize = 3 * 1024 * 1024;
/// Most facts that wait, and their bytes.
const MAX_WAITING: usize = 16_000;
const MAX_WAITING_BYTES: usize = 12 * 1024 * 1024;

/// An outcome for each fact, or what kept all of them.
pub(super) type Answers = Result<Vec<Result<Receipt, Refusal>>, Refusal>;

/// Facts of one request.
pub(super) struct Pending {
    pub requests: Vec<AppendRequest>,
    bytes: usize,
    answer: oneshot::Sender<Answers>,
}

#[derive(Default)]
pub(super) struct Pool {
    waiting: RefCell<VecDeque<Pending>>,
    facts: Cell<usize>,
    bytes: Cell<usize>,
}

impl Pending {
    pub fn answer(self, answers: Answers) {
        // Whoever has gone asks again with the same key.
        let _gone = self.answer.send(answers);
    }
}

impl Pool {
    pub fn add(&self, requests: Vec<AppendRequest>) -> Result<oneshot::Receiver<Answers>, Refusal> {
        if requests.len() > MAX_APPENDS {
            return Err(Refusal::too_many(MAX_APPENDS));
        }
        let bytes = requests.iter().map(|request| weight(&request.fact)).sum();
        if bytes > MAX_ROUND_BYTES {
            return Err(Refusal::too_large(MAX_ROUND_BYTES));
        }
        let facts = self.facts.get() + requests.len();
        if facts > MAX_WAITING || self.bytes.get() + bytes > MAX_WAITING_BYTES {
            return Err(Refusal::busy());
        }
        self.facts.set(facts);
        self.bytes.set(self.bytes.get() + bytes);
        let (answer, receiver) = oneshot::channel();
        self.waiting.borrow_mut().push_back(Pending {
            requests,
            bytes,
            answer,
        });
        Ok(receiver)
    }

    pub fn is_empty(&self) -> bool {
        self.waiting.borrow().is_empty()
    }

    /// The oldest, as many as a round holds.
    pub fn take(&self) -> Vec<Pending> {
        let mut waiting = self.waiting.borrow_mut();
        let (mut facts, mut bytes) = (0, 0);
        let fits = |pending: &&Pending| {
            facts += pending.requests.len();
            bytes += pending.bytes;
            facts <= MAX_ROUND && bytes <= MAX_ROUND_BYTES
        };
        // One alone is never too many.
        let count = waiting.iter().take_while(fits).count().max(1);
        let count = count.min(waiting.len());
        let taken: Vec<Pending> = waiting.drain(..count).collect();
        for pending in &taken {
            self.facts.set(self.facts.get() - pending.requests.len());
            self.bytes.set(self.bytes.get() - pending.bytes);
        }
        taken
    }

    pub fn clear(&self) {
        self.waiting.borrow_mut().clear();
        self.facts.set(0);
        self.bytes.set(0);
    }
}

/// About the bytes that it takes as JSON. Within the statement that stores it they are up to
/// four times as many.
fn weight(fact: &Fact) -> usize {
    let metadata = fact.metadata.iter().flat_map(|(key, value)| [key, value]);
    let fields = [&fact.subject, &fact.predicate, &fact.object, &fact.source];
    metadata.chain(fields).map(|text| escaped(text)).sum()
}

fn escaped(text: &str) -> usize {
    let length = |byte| match byte {
        b'"' | b'\\' => 2,
        ..0x20 => 6,
        _ => 1,
    };
    text.bytes().map(length).sum()
}
