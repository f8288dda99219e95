use super::{AuthorizationServer, Grant, OAuthError};
use crate::auth::Scopes;

/// A signed access token.
pub(super) struct AccessToken {
    pub token: String,
    pub expires_in_s: i64,
}

impl AuthorizationServer {
    /// RFC 9068, for the grant's resource.
    pub(super) async fn access_token(
        &self,
        _grant: &Grant,
        _scopes: &Scopes,
    ) -> Result<AccessToken, OAuthError> {
        Err(OAuthError::server_error("not built"))
    }

    /// `OpenID` Connect Core section 2, with the ChittyID claim.
    pub(super) async fn id_token(
        &self,
        _grant: &Grant,
        _nonce: Option<&str>,
    ) -> Result<String, OAuthError> {
        Err(OAuthError::server_error("not built"))
    }
}
