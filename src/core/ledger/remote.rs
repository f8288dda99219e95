use std::rc::Rc;

use async_trait::async_trait;
use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::refusal::Refusal;
use super::{
    AppendRequest, Appended, Command, FactRef, Found, Head, Keyed, Ledger, LedgerError, LoggedFact,
    MAX_FACTS,
};
use crate::anchoring::{Anchoring, RemoteAnchors};
use crate::chain::hash::Hash;
use crate::chain::receipt::{ConsistencyProof, InclusionProof, Receipt, StoredFact};
use crate::ports::{Clock, Http, HttpRequest};

const TIMEOUT_MS: u64 = 10_000;
/// Before an append whose reply was lost is repeated: an object that has just failed needs a moment.
const PAUSES_MS: [u64; 2] = [50, 450];
/// The longest that an append may take.
pub const APPEND_MS: u64 = 3 * TIMEOUT_MS + 500;
const MAX_ANSWER: usize = 16 * 1024 * 1024;

/// The ledger behind the sequencer's Durable Object.
pub struct RemoteLedger {
    http: Rc<dyn Http>,
    clock: Rc<dyn Clock>,
    anchors: Option<RemoteAnchors>,
}

impl RemoteLedger {
    pub fn new(http: Rc<dyn Http>, clock: Rc<dyn Clock>) -> Self {
        Self {
            http,
            clock,
            anchors: None,
        }
    }

    /// With the object of its anchors.
    #[must_use]
    pub fn anchored_by(self, anchors: RemoteAnchors) -> Self {
        Self {
            anchors: Some(anchors),
            ..self
        }
    }

    async fn ask<O: DeserializeOwned>(&self, command: &Command) -> Result<O, LedgerError> {
        ask(&*self.http, command).await
    }
}

impl RemoteLedger {
    /// A lost reply leaves open whether a fact was logged; the key makes it once.
    async fn insist<O: DeserializeOwned>(&self, command: &Command) -> Result<O, LedgerError> {
        let mut outcome = self.ask(command).await;
        for pause_ms in PAUSES_MS {
            if !matches!(outcome, Err(LedgerError::Unavailable(_))) {
                break;
            }
            self.clock.sleep(pause_ms).await;
            outcome = self.ask(command).await;
        }
        outcome
    }
}

#[async_trait(?Send)]
impl Ledger for RemoteLedger {
    async fn append(&self, request: &AppendRequest) -> Result<Receipt, LedgerError> {
        self.insist(&Command::Append(request.clone())).await
    }

    async fn append_all(
        &self,
        requests: &[AppendRequest],
    ) -> Result<Vec<Result<Receipt, LedgerError>>, LedgerError> {
        let command = Command::AppendAll(requests.to_vec());
        let outcomes: Vec<Appended> = self.insist(&command).await?;
        let outcome = |outcome| match outcome {
            Appended::Receipt(receipt) => Ok(receipt),
            Appended::Refused(refusal) => Err(refused(refusal)),
        };
        Ok(outcomes.into_iter().map(outcome).collect())
    }

    async fn facts(&self, facts: &[Hash]) -> Result<Vec<LoggedFact>, LedgerError> {
        let (mut found, mut left) = (Vec::new(), facts);
        while !left.is_empty() {
            let Found { asked, facts } = self.ask(&Command::Facts(left.to_vec())).await?;
            found.extend(facts);
            left = left.get(asked.max(1)..).unwrap_or_default();
        }
        Ok(found)
    }

    async fn keyed(&self, prefixes: &[String]) -> Result<Vec<Keyed>, LedgerError> {
        let mut found = Vec::new();
        while let Some(left) = prefixes.get(found.len()..).filter(|left| !left.is_empty()) {
            let some = left.iter().take(MAX_FACTS).cloned().collect();
            let some: Vec<Keyed> = self.ask(&Command::Keyed(some)).await?;
            if some.is_empty() {
                return Err(LedgerError::Unavailable("it answered nothing".to_owned()));
            }
            found.extend(some);
        }
        Ok(found)
    }

    async fn recent(&self, count: usize) -> Result<Vec<LoggedFact>, LedgerError> {
        self.ask(&Command::Recent(count)).await
    }

    async fn entries(&self, from: u64) -> Result<Vec<StoredFact>, LedgerError> {
        self.ask(&Command::Entries(from)).await
    }

    async fn erase(&self, fact: Hash) -> Result<StoredFact, LedgerError> {
        self.ask(&Command::Erase(fact)).await
    }

    async fn head(&self) -> Result<Head, LedgerError> {
        self.ask(&Command::Head).await
    }

    async fn checkpoint(&self, size: u64) -> Result<String, LedgerError> {
        self.ask(&Command::Checkpoint(size)).await
    }

    async fn inclusion(
        &self,
        fact: FactRef,
        size: Option<u64>,
    ) -> Result<InclusionProof, LedgerError> {
        self.ask(&Command::Inclusion { fact, size }).await
    }

    async fn consistency(&self, first: u64, second: u64) -> Result<ConsistencyProof, LedgerError> {
        self.ask(&Command::Consistency { first, second }).await
    }

    async fn anchoring(&self, size: Option<u64>) -> Result<Anchoring, LedgerError> {
        match &self.anchors {
            Some(anchors) => anchors.covering(size).await,
            // Nobody could have been asked.
            None => Ok(Anchoring::not_configured()),
        }
    }
}

/// Posts a command to an object of ours that answers in JSON.
pub(crate) async fn ask<O: DeserializeOwned>(
    http: &dyn Http,
    command: &impl Serialize,
) -> Result<O, LedgerError> {
    let unavailable = |error: String| LedgerError::Unavailable(error);
    let body = serde_json::to_vec(command).map_err(|e| unavailable(e.to_string()))?;
    let response = http
        .send(HttpRequest {
            method: "POST",
            url: "https://ledger.internal/".to_owned(),
            headers: vec![("content-type", "application/json".to_owned())],
            body: Bytes::from(body),
            timeout_ms: TIMEOUT_MS,
            want_headers: &[],
        })
        .await
        .map_err(|e| unavailable(e.to_string()))?;
    let status = response.status;
    let body = response
        .bytes(MAX_ANSWER)
        .await
        .map_err(|e| unavailable(e.to_string()))?;
    if status == 200 {
        return serde_json::from_slice(&body).map_err(|e| unavailable(e.to_string()));
    }
    match serde_json::from_slice::<Refusal>(&body) {
        Ok(refusal) => Err(refused(refusal)),
        Err(_) => Err(unavailable(format!("status {status}"))),
    }
}

fn refused(refusal: Refusal) -> LedgerError {
    let Refusal {
        status,
        code,
        message,
    } = refusal;
    if status >= 500 {
        // Its storage failed: what was asked may be done or not.
        return LedgerError::Unavailable(message);
    }
    LedgerError::Refused { code, message }
}
