//! Ids that count once, such as the `jti` of an assertion.

use super::super::{AuthorizationServer, OAuthError};
use super::hash;
use crate::sql::Statement;

const USE: &str = "INSERT INTO used_once (id, expires_at) VALUES (?1, ?2)
    ON CONFLICT (id) DO UPDATE SET expires_at = excluded.expires_at
    WHERE used_once.expires_at <= ?3";

impl AuthorizationServer {
    /// True the first time an id is used before it expires. `id` may be of any length.
    /// On an error it may have been counted: take it for used.
    pub(in crate::oauth) async fn first_use(
        &self,
        kind: &str,
        id: &str,
        expires_at_ms: i64,
    ) -> Result<bool, OAuthError> {
        let statement = Statement::new(USE)
            .bind(format!("{kind}:{}", hash(id)))
            .timestamp(expires_at_ms)
            .timestamp(self.now_ms());
        Ok(self.audit.database.run(statement).await?.changes > 0)
    }
}
