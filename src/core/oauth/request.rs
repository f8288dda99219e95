use serde::{Deserialize, Serialize};

use crate::auth::Scopes;

/// A request for authorization whose client, redirect, resource, scopes and challenge have
/// been checked. It travels through the pages sealed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorizationRequest {
    pub client_id: String,
    /// As sent, which matches a registered one.
    pub redirect_uri: String,
    pub scopes: Scopes,
    pub state: Option<String>,
    /// The audience of the tokens.
    pub resource: String,
    /// S256. None only for a client that is exempt by configuration.
    pub code_challenge: Option<String>,
    pub nonce: Option<String>,
    /// Asked for by `prompt=login`.
    #[serde(default)]
    pub sign_in_again: bool,
    /// Seconds (`OpenID` Connect Core section 3.1.2.1).
    #[serde(default)]
    pub max_age: Option<i64>,
    /// Thumbprint of the key to bind to (RFC 9449 section 10).
    #[serde(default)]
    pub dpop_jkt: Option<String>,
}
