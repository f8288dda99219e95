//! Requests that ask no model and leave text behind, in the log or on file: they count among the
//! caller's requests, and their text among the tokens of a family of its own.

use std::rc::Rc;

use super::{Gateway, GatewayError};
use crate::budget::{Actual, Admission, Charge, Request, TEXT, UserLedgerError};
use crate::ids;

/// As of a model's tokens, on average.
const BYTES_OF_A_TOKEN: u64 = 4;
const TTL_MS: i64 = 60_000;

impl Gateway {
    /// Counts so many bytes that are to be kept for good. Whoever is refused must keep nothing.
    pub async fn keep(
        &self,
        user_id: &str,
        key_id: Option<&str>,
        bytes: usize,
    ) -> Result<(), GatewayError> {
        if !self.shield.passes(key_id.unwrap_or(user_id)).await {
            return Err(GatewayError::Flood);
        }
        let made = || ids::plain(&*self.clock, &*self.models.entropy);
        let made = || made().map_err(|error| UserLedgerError::Unavailable(error.to_string()));
        let tokens = (bytes as u64).div_ceil(BYTES_OF_A_TOKEN);
        let request = Request {
            request_id: made()?,
            key_id: key_id.map(str::to_owned),
            family: TEXT.to_owned(),
            input_tokens: tokens,
            max_output_tokens: 0,
            bound_nanos: Some(0),
            clamp: None,
            ttl_ms: TTL_MS,
            sent: true,
            nonce: made()?,
            booking: None,
        };
        if let Admission::Refused(refused) = self.ledger.admit(user_id, &request).await? {
            return Err(GatewayError::Refused(Box::new(refused)));
        }
        self.count(user_id, request.request_id, tokens);
        Ok(())
    }

    /// Nobody waits for it; one that is lost ends by itself, at the same count.
    fn count(&self, user_id: &str, request_id: String, tokens: u64) {
        let (ledger, user_id) = (Rc::clone(&self.ledger), user_id.to_owned());
        let actual = Actual {
            charge: Charge::Exact(0),
            tokens: Some(tokens),
        };
        self.background.spawn(Box::pin(async move {
            let _lost = ledger.settle(&user_id, &request_id, actual).await;
        }));
    }
}
