//! Ids that clients may use once.

use super::super::{AuthorizationServer, OAuthError};
use crate::auth::used_once;
use crate::digest::sha256_hex;

impl AuthorizationServer {
    /// True the first time an id is used before it expires. `id` may be of any length.
    /// On an error it may have been counted: take it for used.
    pub(in crate::oauth) async fn first_use(
        &self,
        kind: &str,
        id: &str,
        expires_at_ms: i64,
    ) -> Result<bool, OAuthError> {
        let id = format!("{kind}:{}", sha256_hex(id));
        let database = &*self.audit.database;
        Ok(used_once::first_use(database, id, expires_at_ms, self.now_ms()).await?)
    }
}
