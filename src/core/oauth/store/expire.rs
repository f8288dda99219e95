//! What has ended is deleted, a little at a time.

use crate::ports::Database;
use crate::sql::{DatabaseError, Statement};

const HOUR_MS: i64 = 60 * 60 * 1000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// Rows of a table that one statement deletes. A grant takes its codes and tokens along.
const MOST: i64 = 1000;
/// Statements for a table in one call.
const ROUNDS: u32 = 20;

/// Tables, their keys, how long a row is kept after its end, and what else must hold. A redeemed code is known
/// for a day, so that its replay still ends its grant.
const KEPT: [(&str, &str, i64, &str); 7] = [
    ("oauth_authorization_codes", "code_hash", DAY_MS, ""),
    ("oauth_refresh_tokens", "token_hash", DAY_MS, ""),
    ("oauth_grants", "id", 30 * DAY_MS, MADE_NO_KEY),
    ("oauth_clients", "id", DAY_MS, ""),
    ("login_sessions", "id", DAY_MS, ""),
    ("used_once", "id", HOUR_MS, ""),
    ("throttles", "id", HOUR_MS, ""),
];

/// What was made with a key is found through the grants it was connected by, so a grant stays
/// as long as a key that was made with it.
const MADE_NO_KEY: &str = "AND NOT EXISTS (SELECT 1 FROM api_tokens
    WHERE api_tokens.created_by = oauth_grants.id)";

/// What a call of [`expire`] did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Expired {
    /// Rows deleted, without those that went along with a grant.
    pub rows: u64,
    /// There is more to delete.
    pub more: bool,
}

/// Deletes rows whose time is over, at most 20,000 of each table. Safe to call at any time and
/// from several places at once.
pub async fn expire(database: &dyn Database, now_ms: i64) -> Result<Expired, DatabaseError> {
    let mut expired = Expired::default();
    for (table, key, kept_ms, and) in KEPT {
        let before = now_ms - kept_ms;
        let mut more = true;
        for _ in 0..ROUNDS {
            let outcome = database.run(delete(table, key, before, and)).await?;
            let rows = u64::try_from(outcome.rows.len()).unwrap_or(u64::MAX);
            expired.rows += rows;
            more = rows >= MOST.unsigned_abs();
            if !more {
                break;
            }
        }
        expired.more |= more;
    }
    Ok(expired)
}

fn delete(table: &str, key: &str, before_ms: i64, and: &str) -> Statement {
    let sql = format!(
        "DELETE FROM {table} WHERE {key} IN
        (SELECT {key} FROM {table} WHERE expires_at < ?1 {and} ORDER BY expires_at LIMIT {MOST})
        RETURNING {key}"
    );
    Statement::new(sql).timestamp(before_ms)
}
