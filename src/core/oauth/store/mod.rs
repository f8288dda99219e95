//! Each verb is one atomic step.

use super::{AuthorizationServer, Grant, NewGrant, OAuthError};

/// What a code is bound to, beside its grant.
pub(super) struct NewCode<'a> {
    pub redirect_uri: &'a str,
    pub code_challenge: Option<&'a str>,
    pub nonce: Option<&'a str>,
}

impl AuthorizationServer {
    /// A grant and its code, in one batch. Returns the code, which is stored as its hash.
    pub(super) async fn grant_code(
        &self,
        _grant: NewGrant,
        _code: NewCode<'_>,
    ) -> Result<String, OAuthError> {
        Err(OAuthError::server_error("not built"))
    }

    pub(super) async fn grant(&self, _id: &str) -> Result<Option<Grant>, OAuthError> {
        Err(OAuthError::server_error("not built"))
    }

    /// Live grants of a user, newest first.
    pub(super) async fn grants_of(&self, _user_id: &str) -> Result<Vec<Grant>, OAuthError> {
        Err(OAuthError::server_error("not built"))
    }

    /// Ends a grant with all its codes and tokens. True if it was live.
    pub(super) async fn revoke_grant(&self, _id: &str, _reason: &str) -> Result<bool, OAuthError> {
        Err(OAuthError::server_error("not built"))
    }

    /// True the first time an id is used before it expires. `id` may be of any length.
    pub(super) async fn first_use(
        &self,
        _kind: &str,
        _id: &str,
        _expires_at_ms: i64,
    ) -> Result<bool, OAuthError> {
        Err(OAuthError::server_error("not built"))
    }
}
