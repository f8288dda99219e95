use serde_json::json;

use crate::auth::AuditLog;
use crate::ports::Level;
use crate::sql::{DatabaseError, Statement};

const DAY_MS: i64 = 24 * 60 * 60 * 1000;
/// Rows that one statement removes, and statements in one go.
const BATCH: i64 = 1_000;
const BATCHES: u32 = 10;

const EXPIRE: &str = "DELETE FROM audit_logs WHERE id IN
    (SELECT id FROM audit_logs WHERE created_at < ?1 ORDER BY created_at LIMIT ?2)";

/// More refused credentials than this in [`ALERT_WINDOW_MS`] raise the alert.
const ALERT_OVER: i64 = 50;
const ALERT_WINDOW_MS: i64 = 60_000;

/// A call without a credential is how clients find out where to sign in: no failure.
const REFUSED: &str = "SELECT count(*) AS refused FROM audit_logs
    WHERE outcome = 'deny' AND created_at > ?1 AND created_at <= ?2
    AND action IN ('authenticate', 'sign_in', 'client_authenticate', 'authorization_code',
        'refresh_token')
    AND reason <> 'missing'";

impl AuditLog {
    /// Removes rows older than `days`, at most 10,000 in one go, and says how many. With 0
    /// days all are kept.
    pub async fn expire(&self, days: i64, now_ms: i64) -> Result<u64, DatabaseError> {
        if days <= 0 {
            return Ok(0);
        }
        let before = now_ms.saturating_sub(days.saturating_mul(DAY_MS));
        let mut removed = 0;
        for _ in 0..BATCHES {
            let statement = Statement::new(EXPIRE).timestamp(before).bind(BATCH);
            let changes = self.database.run(statement).await?.changes;
            removed += changes;
            if i64::try_from(changes).is_ok_and(|changes| changes < BATCH) {
                break;
            }
        }
        Ok(removed)
    }

    /// One error line in the log if more than 50 credentials were refused in the last minute.
    /// Called once a minute. Returns how many were.
    pub async fn authentication_alert(&self, now_ms: i64) -> Result<i64, DatabaseError> {
        let statement = Statement::new(REFUSED)
            .timestamp(now_ms.saturating_sub(ALERT_WINDOW_MS))
            .timestamp(now_ms);
        let outcome = self.database.run(statement).await?;
        let refused = outcome.first().map_or(Ok(0), |row| row.int("refused"))?;
        if refused > ALERT_OVER {
            let fields = json!({
                "alert": "auth_failures",
                "count": refused,
                "window_s": ALERT_WINDOW_MS / 1000,
            });
            self.log.record(Level::Error, "alert", fields);
        }
        Ok(refused)
    }
}
