//! Rows of `signing_keys`.

use super::{AHEAD_MS, LISTED_MS, PUBLISHED_MS, SIGNS_MS, SKEW_MS};
use crate::jose::SigningKey;
use crate::sql::{DatabaseError, Row, Statement};

const INSERT: &str = "INSERT INTO signing_keys (id, number, public_jwk, private_key, created_at,
    signs_from, signs_until, listed_until) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";

const LATEST: &str = "SELECT id, signs_until, (SELECT max(number) FROM signing_keys) AS newest
    FROM signing_keys ORDER BY signs_until DESC, number DESC LIMIT 1";

const SIGNING: &str = "SELECT id, private_key, signs_until, listed_until FROM signing_keys
    WHERE signs_from <= ?1 AND signs_until > ?1 ORDER BY signs_from DESC, number DESC LIMIT 1";

const PUBLISHED: &str = "SELECT id, public_jwk, listed_until FROM signing_keys
    WHERE listed_until > ?1 ORDER BY number DESC LIMIT 20";

/// A row of [`signing`].
pub struct Stored {
    pub id: String,
    pub private_key: String,
    pub signs_until: i64,
    pub listed_until: i64,
}

impl Stored {
    pub fn read(row: &Row) -> Result<Self, DatabaseError> {
        Ok(Self {
            id: row.text("id")?,
            private_key: row.text("private_key")?,
            signs_until: row.timestamp("signs_until")?,
            listed_until: row.timestamp("listed_until")?,
        })
    }
}

/// A key to be made.
pub struct Plan {
    /// One more than any other. The column is unique: of two isolates one makes the key.
    number: i64,
    pub signs_from: i64,
    /// The predecessor, where it has to sign for longer.
    extend: Option<String>,
}

impl Plan {
    /// For when no key signs. It counts as older than it is, so that an isolate whose clock is
    /// behind finds it too.
    pub fn at_once(newest: i64, now_ms: i64) -> Self {
        Self {
            number: newest.saturating_add(1),
            signs_from: now_ms.saturating_sub(SKEW_MS),
            extend: None,
        }
    }

    /// The successor of the key that signs last, if it is time; of a row of [`latest`].
    pub fn after(row: &Row, now_ms: i64) -> Result<Option<Self>, DatabaseError> {
        let (ends, newest) = (row.timestamp("signs_until")?, row.int("newest")?);
        if now_ms >= ends {
            return Ok(Some(Self::at_once(newest, now_ms)));
        }
        if now_ms < ends.saturating_sub(AHEAD_MS) {
            return Ok(None);
        }
        let signs_from = ends.max(now_ms.saturating_add(PUBLISHED_MS));
        let id = row.text("id")?;
        Ok(Some(Self {
            number: newest.saturating_add(1),
            signs_from,
            extend: (signs_from > ends).then_some(id),
        }))
    }

    /// For one transaction.
    pub fn insert(&self, key: &SigningKey, sealed: &str, now_ms: i64) -> Vec<Statement> {
        let until = self.signs_from.saturating_add(SIGNS_MS);
        let insert = Statement::new(INSERT)
            .bind(key.kid())
            .bind(self.number)
            .bind(key.public_jwk())
            .bind(sealed)
            .timestamp(now_ms)
            .timestamp(self.signs_from)
            .timestamp(until)
            .timestamp(until.saturating_add(LISTED_MS));
        let extend = self.extend.as_ref().map(|id| self.extended(id));
        std::iter::once(insert).chain(extend).collect()
    }

    fn extended(&self, id: &str) -> Statement {
        Statement::new("UPDATE signing_keys SET signs_until = ?1, listed_until = ?2 WHERE id = ?3")
            .timestamp(self.signs_from)
            .timestamp(self.signs_from.saturating_add(LISTED_MS))
            .bind(id)
    }
}

/// The key that signs last of all.
pub fn latest() -> Statement {
    Statement::new(LATEST)
}

/// The highest number there is.
pub fn newest() -> Statement {
    Statement::new("SELECT coalesce(max(number), 0) AS newest FROM signing_keys")
}

/// The key that signs at this time.
pub fn signing(now_ms: i64) -> Statement {
    Statement::new(SIGNING).timestamp(now_ms)
}

/// Public halves.
pub fn published(now_ms: i64) -> Statement {
    Statement::new(PUBLISHED).timestamp(now_ms)
}

pub fn delete_unlisted(now_ms: i64) -> Statement {
    Statement::new("DELETE FROM signing_keys WHERE listed_until <= ?1").timestamp(now_ms)
}
