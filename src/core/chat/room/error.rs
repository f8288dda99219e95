use super::{MAX_MEMBERS, MAX_MESSAGE};
use crate::auth::AuthError;
use crate::sql::DatabaseError;

/// Why a room does not do what a client asks.
#[derive(Debug, thiserror::Error)]
pub enum RoomError {
    #[error(
        "the message cannot be read ({0}): send JSON such as \
         {{\"type\":\"ask\",\"messages\":[{{\"role\":\"user\",\"content\":\"…\"}}]}} or {{\"type\":\"stop\"}}"
    )]
    Unreadable(String),
    #[error("a message may have {MAX_MESSAGE} bytes: send less")]
    TooLarge,
    #[error("the session is the one of the address: leave session_id out, or connect to another")]
    OtherSession,
    #[error("ref must be 1 to 128 visible ASCII characters")]
    InvalidRef,
    /// Names each field and what to change.
    #[error("{0}")]
    Invalid(String),
    #[error("too many requests a minute: wait a minute")]
    Flood,
    #[error("the model is speaking: wait for done or failed, or send stop first")]
    Speaking,
    #[error(
        "ref {reference} was asked already, as event {seq}: connect with after={before} to hear it"
    )]
    Asked {
        reference: String,
        seq: i64,
        before: i64,
    },
    #[error("nothing is being answered: there is nothing to stop")]
    Silent,
    #[error("{MAX_MEMBERS} clients are connected to this session, which is the most: close one")]
    Full,
    #[error("the time of this connection is over: connect again")]
    Over,
    #[error(transparent)]
    Refused(#[from] AuthError),
    #[error("the question could not be written down, so the model was not asked: try again")]
    Storage(#[from] DatabaseError),
    /// With the cause, which is for the log.
    #[error("the stream is not to be had just now: connect again")]
    Unavailable(String),
}

impl RoomError {
    pub(super) fn asked(reference: &str, seq: i64) -> Self {
        Self::Asked {
            reference: reference.to_owned(),
            seq,
            before: seq - 1,
        }
    }

    /// Whether it ends the connection.
    pub fn ends(&self) -> bool {
        match self {
            Self::Over => true,
            Self::Refused(error) => !matches!(error, AuthError::Unavailable),
            _ => false,
        }
    }

    /// Stable name of the error's class.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreadable(_) => "INVALID_MESSAGE",
            Self::TooLarge => "MESSAGE_TOO_LARGE",
            Self::OtherSession | Self::InvalidRef | Self::Invalid(_) => "INVALID_INPUT",
            Self::Flood => "RATE_LIMITED",
            Self::Speaking => "EXCHANGE_IN_PROGRESS",
            Self::Asked { .. } => "ALREADY_ASKED",
            Self::Silent => "NOTHING_TO_STOP",
            Self::Full => "ROOM_FULL",
            Self::Over => "CONNECTION_OVER",
            Self::Refused(error) => error.code(),
            Self::Storage(_) => "STORAGE_UNAVAILABLE",
            Self::Unavailable(_) => "ROOM_UNAVAILABLE",
        }
    }
}
