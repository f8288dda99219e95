//! Tickets: what pages of a browser show instead of their key, which would be kept in logs as the
//! subprotocol that it had to be. A ticket is good for one session, one time, a minute.

use serde::{Deserialize, Serialize};

use crate::auth::Principal;
use crate::auth::used_once::first_use;
use crate::digest::sha256_hex;
use crate::ports::{Database, Entropy};
use crate::seal::{SealError, Sealer};
use crate::sql::DatabaseError;

const PURPOSE: &str = "room ticket";
pub(super) const LIFE_MS: i64 = 60_000;
const MAX_CHARS: usize = 8_192;

#[derive(Serialize, Deserialize)]
pub(super) struct Ticket {
    pub principal: Principal,
    /// When the token ends that it was given for.
    pub ends_ms: Option<i64>,
    session_id: String,
    until_ms: i64,
}

pub(super) fn make(
    principal: &Principal,
    ends_ms: Option<i64>,
    session_id: &str,
    now_ms: i64,
) -> Ticket {
    Ticket {
        principal: principal.clone(),
        ends_ms,
        session_id: session_id.to_owned(),
        until_ms: now_ms + LIFE_MS,
    }
}

impl Ticket {
    pub fn seal(&self, sealer: &Sealer, entropy: &dyn Entropy) -> Result<String, SealError> {
        let plain = serde_json::to_vec(self).map_err(|_| SealError::Malformed)?;
        sealer.seal(PURPOSE, &[&self.session_id], &plain, entropy)
    }
}

/// None for what is no ticket for the session, or is over.
pub(super) fn open(text: &str, session_id: &str, sealer: &Sealer, now_ms: i64) -> Option<Ticket> {
    if text.len() > MAX_CHARS {
        return None;
    }
    let plain = sealer.open(PURPOSE, &[session_id], text).ok()?;
    let ticket: Ticket = serde_json::from_slice(&plain).ok()?;
    (now_ms < ticket.until_ms).then_some(ticket)
}

/// True the first time.
pub(super) async fn spend(
    text: &str,
    database: &dyn Database,
    now_ms: i64,
) -> Result<bool, DatabaseError> {
    let id = format!("ticket:{}", sha256_hex(text.as_bytes()));
    first_use(database, id, now_ms + LIFE_MS, now_ms).await
}
