use crate::auth::DelegationError;
use crate::ports::EntropyError;
use crate::seal::SealError;
use crate::services::Blame;
use crate::sql::DatabaseError;

/// Why a key was not kept, changed or given out. Nothing in it shows a key.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    #[error(transparent)]
    User(#[from] DelegationError),
    #[error("keys can be deposited for these providers: {known}")]
    UnknownProvider { known: String },
    #[error(
        "{provider} does not know this key: copy it whole, and see there that it is not revoked"
    )]
    Refused { provider: String },
    #[error(
        "{provider} could not be asked about this key ({cause}), and it was not kept: try again later, or set keep_unchecked to keep it as it is"
    )]
    NotChecked {
        provider: String,
        cause: &'static str,
    },
    #[error("you have a key of this name for this provider: rotate it, or choose another name")]
    NameTaken,
    #[error("this is the key that is on file: make a new one at its provider")]
    SameKey,
    #[error("the user has {max} active keys, the most there may be: revoke one first")]
    TooMany { max: i64 },
    #[error("too many keys were deposited for this user: try again in {retry_after_s} seconds")]
    TooOften { retry_after_s: i64 },
    #[error("there is no key with this id, or it is not yours")]
    NotFound,
    #[error("the key was replaced or has ended: rotate the active one of this name, as listed")]
    NotActive,
    #[error(
        "the provider key {id} cannot be decrypted ({cause}): rotate or revoke it, or have the operator add the lost encryption key to CHITTY_ENCRYPTION_KEYS_OLD"
    )]
    Undecryptable { id: String, cause: SealError },
    #[error("the key could not be sealed: {0}")]
    Seal(SealError),
    #[error("nothing was changed, since the audit row of it has no id: try again")]
    NoAuditRow,
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl VaultError {
    /// Stable name of the error's class.
    pub fn code(&self) -> &'static str {
        match self {
            Self::User(_) => "USER_ID_REFUSED",
            Self::UnknownProvider { .. } => "PROVIDER_UNKNOWN",
            Self::Refused { .. } => "PROVIDER_KEY_REFUSED",
            Self::NotChecked { .. } => "PROVIDER_UNREACHABLE",
            Self::NameTaken => "PROVIDER_KEY_EXISTS",
            Self::SameKey => "PROVIDER_KEY_UNCHANGED",
            Self::TooMany { .. } => "PROVIDER_KEY_LIMIT",
            Self::TooOften { .. } => "RATE_LIMITED",
            Self::NotFound => "PROVIDER_KEY_NOT_FOUND",
            Self::NotActive => "PROVIDER_KEY_NOT_ACTIVE",
            Self::Undecryptable { .. } => "PROVIDER_KEY_UNDECRYPTABLE",
            Self::Seal(_) | Self::Entropy(_) | Self::NoAuditRow => "INTERNAL",
            Self::Database(_) => "DATABASE_UNAVAILABLE",
        }
    }

    /// The reason in the audit log.
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::User(_) => "user_id",
            Self::UnknownProvider { .. } => "provider",
            Self::Refused { .. } => "refused",
            Self::NotChecked { .. } => "not_checked",
            Self::NameTaken => "name_taken",
            Self::SameKey => "same_key",
            Self::TooMany { .. } => "key_limit",
            Self::TooOften { .. } => "too_often",
            Self::NotFound => "not_found",
            Self::NotActive => "not_active",
            Self::Undecryptable { .. } => "undecryptable",
            Self::Seal(_) | Self::Entropy(_) | Self::NoAuditRow | Self::Database(_) => {
                "unavailable"
            }
        }
    }

    pub fn blame(&self) -> Blame {
        match self {
            Self::Seal(_) | Self::Entropy(_) | Self::NoAuditRow | Self::Database(_) => Blame::Ours,
            Self::NotChecked { .. } | Self::Undecryptable { .. } => {
                Blame::Upstream(Some(self.to_string()))
            }
            _ => Blame::Caller,
        }
    }
}
