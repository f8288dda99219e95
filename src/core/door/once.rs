//! `Idempotency-Key`: the same body under the same key is one call, and its answer is given
//! again for a day (the IETF draft `draft-ietf-httpapi-idempotency-key-header`).

use std::rc::Rc;

use serde_json::{Value, json};

use super::error::ApiError;
use crate::digest::sha256_hex;
use crate::ids;
use crate::ports::{Database, Entropy, Level, Log};
use crate::seal::Sealer;
use crate::services::Platform;
use crate::sql::{DatabaseError, Row, Statement};
use crate::validation::is_word;

pub(super) const HEADER: &str = "idempotency-key";
const MAX_KEY_BYTES: usize = 255;
const PURPOSE: &str = "idempotent_reply";
const KEPT_MS: i64 = 24 * 60 * 60 * 1_000;

const CLAIM: &str =
    "INSERT INTO idempotent_calls (user_id, key_hash, body_hash, call_id, expires_at)
    VALUES (?1, ?2, ?3, ?4, ?5)
    ON CONFLICT (user_id, key_hash) DO UPDATE SET body_hash = excluded.body_hash,
        call_id = excluded.call_id, status = NULL, reply = NULL, expires_at = excluded.expires_at
    WHERE idempotent_calls.expires_at <= ?6";

const FIND: &str = "SELECT body_hash, call_id, status, reply FROM idempotent_calls
    WHERE user_id = ?1 AND key_hash = ?2";

const ANSWER: &str = "UPDATE idempotent_calls SET status = ?1, reply = ?2, expires_at = ?3
    WHERE user_id = ?4 AND key_hash = ?5 AND call_id = ?6 AND status IS NULL";

const RELEASE: &str = "DELETE FROM idempotent_calls
    WHERE user_id = ?1 AND key_hash = ?2 AND call_id = ?3 AND status IS NULL";

/// Rows that nobody may ask for again.
pub fn delete_expired(now_ms: i64) -> Statement {
    Statement::new("DELETE FROM idempotent_calls WHERE expires_at <= ?1").timestamp(now_ms)
}

/// What is known of a key.
pub(super) enum Claimed {
    /// It is this call's.
    New(Ticket),
    /// The status and the body that it was answered with.
    Before(u16, Value),
}

/// Who sends it, and what.
pub(super) struct Sent<'a> {
    pub user_id: &'a str,
    pub key: &'a str,
    pub body: &'a [u8],
    pub call_id: &'a str,
    /// After so long the call has ended, or whoever made it is no more.
    pub lasts_ms: i64,
}

/// A claim to answer a key.
pub(super) struct Ticket {
    database: Rc<dyn Database>,
    entropy: Rc<dyn Entropy>,
    sealer: Rc<Sealer>,
    log: Rc<dyn Log>,
    user_id: String,
    key_hash: String,
    call_id: String,
}

pub(super) async fn claim(platform: &Platform, sent: &Sent<'_>) -> Result<Claimed, ApiError> {
    if !is_word(sent.key, MAX_KEY_BYTES) {
        let message = format!("Idempotency-Key is 1 to {MAX_KEY_BYTES} visible ASCII characters");
        return Err(ApiError::invalid(message));
    }
    let ticket = Ticket {
        database: Rc::clone(&platform.database),
        entropy: Rc::clone(&platform.entropy),
        sealer: Rc::clone(&platform.sealer),
        log: Rc::clone(&platform.log),
        user_id: sent.user_id.to_owned(),
        key_hash: sha256_hex(sent.key),
        call_id: sent.call_id.to_owned(),
    };
    let body_hash = sha256_hex(sent.body);
    let now_ms = platform.clock.now_ms();
    let insert = Statement::new(CLAIM)
        .bind(&ticket.user_id)
        .bind(&ticket.key_hash)
        .bind(&body_hash)
        .bind(&ticket.call_id)
        .timestamp(now_ms.saturating_add(KEPT_MS))
        .timestamp(now_ms);
    let find = Statement::new(FIND)
        .bind(&ticket.user_id)
        .bind(&ticket.key_hash);
    let outcomes = platform.database.batch(vec![insert, find]).await;
    let outcomes = outcomes.map_err(|error| unavailable(&*ticket.log, &error))?;
    let row = outcomes.last().and_then(|found| found.first());
    let row = row.ok_or_else(|| ApiError::server("the call could not be begun: try again"))?;
    ticket.judge(row, &body_hash, now_ms.saturating_sub(sent.lasts_ms))
}

impl Ticket {
    /// `gone_ms`: whoever began a call before that is no more.
    fn judge(self, row: &Row, body_hash: &str, gone_ms: i64) -> Result<Claimed, ApiError> {
        let read = || -> Result<_, DatabaseError> {
            let whose = (row.text("body_hash")?, row.text("call_id")?);
            Ok((whose, row.opt_int("status")?, row.opt_text("reply")?))
        };
        let ((known_body, call_id), status, reply) =
            read().map_err(|error| unavailable(&*self.log, &error))?;
        if call_id == self.call_id {
            return Ok(Claimed::New(self));
        }
        if known_body != body_hash {
            let message = "this Idempotency-Key was sent with another body before: use a new key \
                           for a new request";
            return Err(ApiError::conflict(422, message));
        }
        let (Some(status), Some(reply)) = (status, reply) else {
            if ids::made_ms(&call_id).is_some_and(|made_ms| made_ms < gone_ms) {
                return Err(ApiError::cut_off());
            }
            let message = "the first request with this Idempotency-Key is still under way: ask \
                           again when it has ended";
            return Err(ApiError::conflict(409, message));
        };
        let opened = self.sealer.open(PURPOSE, &self.bound(), &reply).ok();
        let body = opened.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let status = u16::try_from(status).ok();
        match (status, body) {
            (Some(status), Some(body)) => Ok(Claimed::Before(status, body)),
            _ => Err(ApiError::server(
                "the answer to this Idempotency-Key is on file and cannot be read: its operator \
                 has removed the encryption key",
            )),
        }
    }

    fn bound(&self) -> [&str; 2] {
        [&self.user_id, &self.key_hash]
    }

    /// Keeps the answer for whoever sends the same again.
    pub async fn answered(&self, status: u16, body: &Value, now_ms: i64) {
        let text = body.to_string();
        let sealed = self
            .sealer
            .seal(PURPOSE, &self.bound(), text.as_bytes(), &*self.entropy);
        let sealed = match sealed {
            Ok(sealed) => sealed,
            Err(error) => return self.tell(&error.to_string()),
        };
        let statement = Statement::new(ANSWER)
            .bind(i64::from(status))
            .bind(sealed)
            .timestamp(now_ms.saturating_add(KEPT_MS))
            .bind(&self.user_id)
            .bind(&self.key_hash)
            .bind(&self.call_id);
        if let Err(error) = self.database.run(statement).await {
            self.tell(&error.to_string());
        }
    }

    /// Nothing was done: the same key may be sent again.
    pub async fn released(&self) {
        let statement = Statement::new(RELEASE)
            .bind(&self.user_id)
            .bind(&self.key_hash)
            .bind(&self.call_id);
        if let Err(error) = self.database.run(statement).await {
            self.tell(&error.to_string());
        }
    }

    fn tell(&self, cause: &str) {
        let fields = json!({ "call": self.call_id, "cause": cause });
        self.log
            .record(Level::Error, "idempotent_reply_not_kept", fields);
    }
}

fn unavailable(log: &dyn Log, error: &DatabaseError) -> ApiError {
    let fields = json!({ "cause": error.to_string() });
    log.record(Level::Error, "idempotency_not_checked", fields);
    ApiError::unavailable("whether this call was made before could not be checked: try again")
}
