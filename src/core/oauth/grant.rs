use crate::auth::Scopes;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GrantKind {
    Code,
    ClientCredentials,
}

impl GrantKind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Code => "code",
            Self::ClientCredentials => "client_credentials",
        }
    }

    pub fn of_name(name: &str) -> Option<Self> {
        [Self::Code, Self::ClientCredentials]
            .into_iter()
            .find(|kind| kind.name() == name)
    }
}

/// What a user allowed a client: a row of `oauth_grants`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    pub id: String,
    pub kind: GrantKind,
    pub user_id: String,
    pub client_id: String,
    pub client_name: String,
    pub resource: String,
    pub scopes: Scopes,
    /// The key that its user signed in with.
    pub token_id: Option<String>,
    pub auth_time_ms: Option<i64>,
    pub dpop_jkt: Option<String>,
    pub created_at_ms: i64,
    pub expires_at_ms: i64,
    pub last_used_at_ms: Option<i64>,
    pub revoked_at_ms: Option<i64>,
}

/// A grant to be made.
#[derive(Debug, Clone)]
pub struct NewGrant {
    pub kind: GrantKind,
    pub user_id: String,
    pub client_id: String,
    pub client_name: String,
    pub resource: String,
    pub scopes: Scopes,
    pub token_id: Option<String>,
    pub auth_time_ms: Option<i64>,
    pub dpop_jkt: Option<String>,
}
