//! A client, wherever it is known from.

use serde_json::Value;

use crate::auth::Scopes;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// For a metadata document, its URL.
    pub id: String,
    /// As it calls itself: shown, never trusted.
    pub name: String,
    pub source: ClientSource,
    pub redirect_uris: Vec<String>,
    pub auth: AuthMethod,
    /// SHA-256 of the secret.
    pub secret_hash: Option<[u8; 32]>,
    /// Its keys: inline, or where they are.
    pub jwks: Option<Value>,
    pub jwks_uri: Option<String>,
    /// Known `grant_type`s it may use.
    pub grant_types: Vec<String>,
    /// The most it may be granted; none is no bound of its own.
    pub scopes: Option<Scopes>,
    /// Only by configuration, and only with a secret.
    pub pkce_exempt: bool,
    /// The resource when it names none; the coordinator's otherwise.
    pub default_resource: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientSource {
    /// In the configuration: the operator vouches for it.
    Predefined,
    /// Registered itself (RFC 7591): unverified.
    Registered,
    /// By a metadata document at its id: its host is verified.
    Document,
}

/// How it proves itself at the token endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthMethod {
    /// A public client: PKCE alone.
    None,
    SecretBasic,
    SecretPost,
    PrivateKeyJwt,
}

impl AuthMethod {
    pub const ALL: [Self; 4] = [
        Self::None,
        Self::SecretBasic,
        Self::SecretPost,
        Self::PrivateKeyJwt,
    ];

    /// RFC 7591 section 2.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::SecretBasic => "client_secret_basic",
            Self::SecretPost => "client_secret_post",
            Self::PrivateKeyJwt => "private_key_jwt",
        }
    }

    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.name() == name)
    }
}

impl Client {
    pub fn may(&self, grant_type: &str) -> bool {
        self.grant_types.iter().any(|known| known == grant_type)
    }

    pub fn is_public(&self) -> bool {
        self.auth == AuthMethod::None
    }
}
