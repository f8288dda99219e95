use super::api::ApiCall;
use crate::fortress::manifest::ManifestFault;
use crate::ports::HttpError;

/// Why a Fortress API gave no run that can be relied on.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    // The cause may name the server's address, which is for the log.
    #[error("the Fortress server gave no answer: its operator can see why in the worker's log")]
    Unavailable(#[from] HttpError),
    #[error(
        "the Fortress server did not end the run within {ms} ms: it is busy, or its bound on time is too long"
    )]
    Timeout { ms: u64 },
    #[error("the Fortress server refused ({status} {code}): its operator must look into it")]
    Refused { status: u16, code: String },
    #[error("the run failed in its sandbox: {reason}")]
    Failed {
        reason: String,
        /// What it had asked of the model. None where the server does not know.
        calls: Option<Vec<ApiCall>>,
    },
    #[error(
        "the Fortress server's answer to {0} cannot be read: its operator must check its version"
    )]
    Malformed(&'static str),
    #[error("the Fortress server's signature does not hold, so the run does not count: {0}")]
    Signature(String),
    #[error("the Fortress server signed another run, so this one does not count: {0}")]
    Manifest(#[from] ManifestFault),
    #[error(
        "the Fortress server ran what differs in its {0} from what was asked for, so it does not count"
    )]
    Other(&'static str),
}

impl RemoteError {
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unavailable(_) | Self::Timeout { .. } | Self::Malformed(_) => {
                "FORTRESS_API_UNAVAILABLE"
            }
            Self::Refused { .. } => "FORTRESS_API_REFUSED",
            Self::Failed { .. } => "RUN_FAILED",
            Self::Signature(_) | Self::Manifest(_) | Self::Other(_) => "SIGNATURE_INVALID",
        }
    }

    /// For the log: what the caller is not told.
    pub fn cause(&self) -> String {
        match self {
            Self::Unavailable(cause) => cause.to_string(),
            told => told.to_string(),
        }
    }

    /// Whether the same request may be answered in a while.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Unavailable(cause) => !matches!(cause, HttpError::TooLarge { .. }),
            Self::Refused { status, code } => {
                *status >= 500 || *status == 429 || code == "RUN_IN_PROGRESS"
            }
            _ => false,
        }
    }

    /// Whether it says of a run that it is not begun.
    pub(super) fn is_before_the_run(&self) -> bool {
        let codes = ["BUSY", "INVALID_REQUEST", "NOT_FOUND", "UNAUTHORIZED"];
        self.is_too_late()
            || matches!(self, Self::Refused { code, .. } if codes.contains(&code.as_str()))
    }

    /// Whether it says of a run that it has not begun and never will.
    pub(super) fn is_too_late(&self) -> bool {
        matches!(self, Self::Refused { code, .. } if code == "TOO_LATE")
    }
}
