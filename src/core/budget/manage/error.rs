use std::borrow::Cow;

use super::super::remote::UserLedgerError;
use crate::auth::DelegationError;
use crate::services::Blame;
use crate::sql::DatabaseError;

/// Why nothing was set or told.
#[derive(Debug, thiserror::Error)]
pub enum ManageError {
    #[error(transparent)]
    User(#[from] DelegationError),
    /// Names the field and what to change.
    #[error("{0}")]
    InvalidInput(String),
    #[error("the user has no key `{0}`: chitty_token_list names keys; or leave key_id out")]
    KeyNotFound(String),
    /// What was asked for may be done in part: it can be asked for again.
    #[error(transparent)]
    Ledger(#[from] UserLedgerError),
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl ManageError {
    /// Stable name of the error's class.
    pub fn code(&self) -> Cow<'static, str> {
        match self {
            Self::User(_) => "USER_ID_REFUSED".into(),
            Self::InvalidInput(_) => "INVALID_INPUT".into(),
            Self::KeyNotFound(_) => "KEY_NOT_FOUND".into(),
            Self::Ledger(error) => error.code().to_owned().into(),
            Self::Database(_) => "STORAGE_UNAVAILABLE".into(),
        }
    }

    /// The reason in the audit log.
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::User(_) => "user_id",
            Self::InvalidInput(_) | Self::Ledger(UserLedgerError::Refused { .. }) => "invalid",
            Self::KeyNotFound(_) => "key_not_found",
            Self::Ledger(UserLedgerError::Unavailable(_)) | Self::Database(_) => "unavailable",
        }
    }

    pub fn blame(&self) -> Blame {
        match self {
            Self::Ledger(UserLedgerError::Unavailable(_)) | Self::Database(_) => Blame::Ours,
            _ => Blame::Caller,
        }
    }
}
