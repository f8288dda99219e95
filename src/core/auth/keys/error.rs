use crate::auth::{AuthError, DelegationError};
use crate::ports::EntropyError;
use crate::sql::DatabaseError;

/// Why a key was not made, changed or shown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The caller lacks a scope for it, or one that the key would have.
    #[error("{0}")]
    Scope(AuthError),
    #[error(transparent)]
    User(#[from] DelegationError),
    #[error("`{0}` is no scope here; the scopes are listed in docs/SECURITY.md")]
    UnknownScope(String),
    #[error("you have no scope that only reads: name the scopes of the key")]
    NoScopes,
    #[error("name a role or scopes, not both")]
    RoleAndScopes,
    #[error("a key of this kind lives at most {max} days: ask for fewer")]
    TooLong { max: i64 },
    #[error("`service` names the holder of a service token: leave it out for a user's key")]
    ServiceOfUser,
    #[error("the user has {max} live keys, the most there may be: revoke one first")]
    TooMany { max: i64 },
    #[error(
        "the user has {max} live keys on this platform, the most there may be: revoke one first"
    )]
    TooManyOnPlatform { max: i64 },
    #[error("too many keys were made for this user: try again in {retry_after_s} seconds")]
    TooOften { retry_after_s: i64 },
    #[error("apps cannot make keys: make one with a key of your own")]
    Client,
    #[error("there is no key with this id, or it is not yours")]
    NotFound,
    #[error("the key is expired or revoked: make a new one")]
    NotActive,
    #[error(
        "the key was not made here, so no other of its form can be: make a new one and revoke this"
    )]
    UnknownForm,
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error("{0}")]
    Internal(String),
}

impl KeyError {
    pub fn code(&self) -> &'static str {
        match self {
            Self::Scope(error) => error.code(),
            Self::User(_) => "USER_ID_REFUSED",
            Self::Client => "CLIENT_REFUSED",
            Self::UnknownScope(_)
            | Self::NoScopes
            | Self::RoleAndScopes
            | Self::TooLong { .. }
            | Self::ServiceOfUser => "INVALID_ARGUMENTS",
            Self::TooMany { .. } | Self::TooManyOnPlatform { .. } => "KEY_LIMIT",
            Self::TooOften { .. } => "RATE_LIMITED",
            Self::NotFound => "KEY_NOT_FOUND",
            Self::NotActive | Self::UnknownForm => "KEY_NOT_ACTIVE",
            Self::Database(_) => "DATABASE_UNAVAILABLE",
            Self::Internal(_) => "INTERNAL",
        }
    }

    /// HTTP status of the answer.
    pub fn status(&self) -> u16 {
        match self {
            Self::Scope(error) => error.status(),
            Self::User(DelegationError::NotAllowed) | Self::Client => 403,
            Self::User(DelegationError::Malformed)
            | Self::UnknownScope(_)
            | Self::NoScopes
            | Self::RoleAndScopes
            | Self::TooLong { .. }
            | Self::ServiceOfUser => 400,
            Self::NotFound => 404,
            Self::TooMany { .. }
            | Self::TooManyOnPlatform { .. }
            | Self::NotActive
            | Self::UnknownForm => 409,
            Self::TooOften { .. } => 429,
            Self::Database(_) | Self::Internal(_) => 503,
        }
    }

    /// The reason in the audit log.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Scope(error) => error.reason(),
            Self::User(_) => "user_id",
            Self::Client => "client",
            Self::UnknownScope(_) | Self::NoScopes | Self::RoleAndScopes => "scopes",
            Self::TooLong { .. } => "life",
            Self::ServiceOfUser => "service",
            Self::TooMany { .. } | Self::TooManyOnPlatform { .. } => "key_limit",
            Self::TooOften { .. } => "too_often",
            Self::NotFound => "not_found",
            Self::NotActive | Self::UnknownForm => "not_active",
            Self::Database(_) | Self::Internal(_) => "unavailable",
        }
    }

    /// The cause is ours, and its words are for the log alone.
    pub fn is_internal(&self) -> bool {
        matches!(self, Self::Database(_) | Self::Internal(_))
    }
}

impl From<AuthError> for KeyError {
    fn from(error: AuthError) -> Self {
        Self::Scope(error)
    }
}

impl From<EntropyError> for KeyError {
    fn from(error: EntropyError) -> Self {
        Self::Internal(error.to_string())
    }
}
