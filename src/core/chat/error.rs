use crate::cursor::BadCursor;
use crate::gateway::GatewayError;
use crate::ports::EntropyError;
use crate::sql::DatabaseError;

/// Why a chat call failed.
#[derive(Debug, thiserror::Error)]
pub enum ChatError {
    /// Names each field and what to change.
    #[error("{0}")]
    InvalidInput(String),
    /// Also where the session is somebody else's.
    #[error("there is no session {0} of yours: name another id, or a new one to make it")]
    SessionNotFound(String),
    #[error(
        "there is no config {0} of yours, nor one that ships: chitty_model_config_list names them"
    )]
    ConfigNotFound(String),
    #[error("you have a config {0} already: update it, or use another name")]
    ConfigNameTaken(String),
    /// Also where the template is somebody else's and not public.
    #[error(
        "there is no template {0} that you may use or change so: chitty_session_template_list names them"
    )]
    TemplateNotFound(String),
    #[error("a template for everybody needs a key with the scope {0}: leave is_public out")]
    PublishingRefused(&'static str),
    #[error("you have {most} {what}, which is the limit: delete some first")]
    TooMany { what: &'static str, most: i64 },
    /// Says what would be done.
    #[error("{0}")]
    NotConfirmed(String),
    #[error("this exchange is being answered: ask for it again in a moment")]
    InProgress,
    #[error("this exchange's id was used for another question: use a new id")]
    ExchangeTaken,
    #[error("this exchange failed before ({code}): {message}")]
    FailedBefore { code: String, message: String },
    #[error(transparent)]
    Gateway(#[from] GatewayError),
    /// Whoever asked the model is no more. What it cost is known to the account.
    #[error("the call ended without an answer: ask again under a new id")]
    BrokenOff,
    /// The question could not be stored, so the model was not asked.
    #[error("the conversation could not be stored, so the model was not asked: try again")]
    Storage(#[from] DatabaseError),
    #[error("nothing was deleted, since the audit row of it has no id: try again")]
    NoAuditRow,
    #[error(transparent)]
    Entropy(#[from] EntropyError),
}

impl ChatError {
    /// Stable name of the error's class.
    pub fn code(&self) -> &'static str {
        match self {
            Self::InvalidInput(_) => "INVALID_INPUT",
            Self::SessionNotFound(_) => "SESSION_NOT_FOUND",
            Self::ConfigNotFound(_) => "CONFIG_NOT_FOUND",
            Self::ConfigNameTaken(_) => "CONFIG_NAME_TAKEN",
            Self::TemplateNotFound(_) => "TEMPLATE_NOT_FOUND",
            Self::PublishingRefused(_) => "PUBLISHING_REFUSED",
            Self::TooMany { .. } => "TOO_MANY",
            Self::NotConfirmed(_) => "NOT_CONFIRMED",
            Self::InProgress => "EXCHANGE_IN_PROGRESS",
            Self::ExchangeTaken => "EXCHANGE_ID_TAKEN",
            Self::FailedBefore { .. } => "EXCHANGE_FAILED_BEFORE",
            Self::Gateway(error) => error.code(),
            Self::BrokenOff => "EXCHANGE_BROKEN_OFF",
            Self::Storage(_) => "STORAGE_UNAVAILABLE",
            Self::Entropy(_) | Self::NoAuditRow => "INTERNAL",
        }
    }

    /// Whether asking again can cost twice.
    pub fn may_have_billed(&self) -> bool {
        match self {
            Self::Gateway(error) => error.may_have_billed(),
            Self::BrokenOff => true,
            _ => false,
        }
    }
}

impl From<BadCursor> for ChatError {
    fn from(error: BadCursor) -> Self {
        Self::InvalidInput(error.to_string())
    }
}
