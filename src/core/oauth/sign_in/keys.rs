//! A person's keys, as their account page shows and ends them.

use super::session::Session;
use crate::auth::Scopes;
use crate::oauth::AuthorizationServer;
use crate::oauth::pages::account::KeyShown;
use crate::oauth::pages::text;
use crate::sql::{DatabaseError, Row, Statement};

const MAX_LISTED: i64 = 100;
pub(super) const MANAGE: &str = "token:manage";

const LIST: &str = "SELECT id, name, key_prefix, scopes, last_used_at, expires_at FROM api_tokens
    WHERE user_id = ?1 AND type = 'bearer' AND status = 'active' AND revoked_at IS NULL
        AND (expires_at IS NULL OR expires_at > ?2)
    ORDER BY created_at DESC, id LIMIT ?3";

const REVOKE: &str = "UPDATE api_tokens SET status = 'revoked', revoked_at = ?1
    WHERE id = ?2 AND user_id = ?3 AND revoked_at IS NULL";

impl AuthorizationServer {
    pub(super) async fn keys_of(&self, session: &Session) -> Result<Vec<KeyShown>, DatabaseError> {
        let statement = Statement::new(LIST)
            .bind(&session.user_id)
            .timestamp(self.audit.clock.now_ms())
            .bind(MAX_LISTED);
        let outcome = self.audit.database.run(statement).await?;
        let read = |row| key(row, session.token_id.as_deref());
        outcome.rows.iter().map(read).collect()
    }

    /// The key that the session was opened with, or any of the user's where it may.
    pub(super) async fn revoke_key(
        &self,
        session: &Session,
        id: &str,
    ) -> Result<bool, DatabaseError> {
        let own = session.token_id.as_deref() == Some(id);
        if !own && !session.scopes.allows(MANAGE) {
            return Ok(false);
        }
        let statement = Statement::new(REVOKE)
            .timestamp(self.audit.clock.now_ms())
            .bind(id)
            .bind(&session.user_id);
        Ok(self.audit.database.run(statement).await?.changes > 0)
    }
}

fn key(row: &Row, own: Option<&str>) -> Result<KeyShown, DatabaseError> {
    let id = row.text("id")?;
    let scopes: Option<Scopes> = row
        .opt_json("scopes")?
        .and_then(|scopes| serde_json::from_value(scopes).ok());
    Ok(KeyShown {
        own: own == Some(id.as_str()),
        id,
        name: text::shown_name(&row.text("name")?),
        prefix: row.opt_text("key_prefix")?.unwrap_or_default(),
        scopes: scopes.unwrap_or_default(),
        last_used_ms: row.opt_timestamp("last_used_at")?,
        expires_ms: row.opt_timestamp("expires_at")?,
    })
}
