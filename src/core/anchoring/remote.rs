use std::rc::Rc;

use bytes::Bytes;
use serde::de::DeserializeOwned;

use super::{Anchoring, Command};
use crate::ledger::LedgerError;
use crate::ports::{Http, HttpRequest};

const TIMEOUT_MS: u64 = 10_000;
/// Largest answer: two checkpoints and a time stamp reply.
const MAX_ANSWER: usize = 1024 * 1024;

/// The anchors behind their Durable Object.
pub struct RemoteAnchors {
    http: Rc<dyn Http>,
}

impl RemoteAnchors {
    pub fn new(http: Rc<dyn Http>) -> Self {
        Self { http }
    }

    /// What is vouched for of the log's first `size` leaves.
    ///
    /// # Errors
    /// The object did not answer.
    pub async fn covering(&self, size: u64) -> Result<Anchoring, LedgerError> {
        self.ask(Command::Covering(size)).await
    }

    /// Has the log's newest checkpoint anchored soon.
    ///
    /// # Errors
    /// The object did not answer.
    pub async fn grown(&self) -> Result<(), LedgerError> {
        self.ask(Command::Grown).await
    }

    async fn ask<O: DeserializeOwned>(&self, command: Command) -> Result<O, LedgerError> {
        let unavailable = |error: String| LedgerError::Unavailable(error);
        let body = serde_json::to_vec(&command).map_err(|e| unavailable(e.to_string()))?;
        let request = HttpRequest {
            method: "POST",
            url: "https://anchors.internal/".to_owned(),
            headers: vec![("content-type", "application/json".to_owned())],
            body: Bytes::from(body),
            timeout_ms: TIMEOUT_MS,
            want_headers: &[],
        };
        let response = self.http.send(request).await;
        let response = response.map_err(|e| unavailable(e.to_string()))?;
        let status = response.status;
        let body = response.bytes(MAX_ANSWER).await;
        let body = body.map_err(|e| unavailable(e.to_string()))?;
        if status != 200 {
            return Err(unavailable(format!("the anchors answered {status}")));
        }
        serde_json::from_slice(&body).map_err(|e| unavailable(e.to_string()))
    }
}
