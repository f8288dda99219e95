use std::rc::Rc;

use super::{Anchoring, Command};
use crate::ledger::{LedgerError, ask};
use crate::ports::Http;

/// The anchors behind their Durable Object.
pub struct RemoteAnchors {
    http: Rc<dyn Http>,
}

impl RemoteAnchors {
    pub fn new(http: Rc<dyn Http>) -> Self {
        Self { http }
    }

    /// What is vouched for of the log's first `size` leaves; without a size the newest.
    ///
    /// # Errors
    /// The object did not answer.
    pub async fn covering(&self, size: Option<u64>) -> Result<Anchoring, LedgerError> {
        ask(&*self.http, &Command::Covering(size)).await
    }

    /// Has the log's newest checkpoint anchored soon.
    ///
    /// # Errors
    /// The object did not answer.
    pub async fn grown(&self) -> Result<(), LedgerError> {
        ask(&*self.http, &Command::Grown).await
    }
}
