//! Ids that count once, such as the `jti` of an assertion or of a proof: rows of `used_once`.

use crate::ports::Database;
use crate::sql::{DatabaseError, Statement};

const USE: &str = "INSERT INTO used_once (id, expires_at) VALUES (?1, ?2)
    ON CONFLICT (id) DO UPDATE SET expires_at = excluded.expires_at
    WHERE used_once.expires_at <= ?3";

/// True the first time an id is used before it ends. On an error it may have been counted:
/// take it for used.
pub async fn first_use(
    database: &dyn Database,
    id: String,
    ends_ms: i64,
    now_ms: i64,
) -> Result<bool, DatabaseError> {
    let statement = Statement::new(USE)
        .bind(id)
        .timestamp(ends_ms)
        .timestamp(now_ms);
    Ok(database.run(statement).await?.changes > 0)
}
