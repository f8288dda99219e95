use serde::{Deserialize, Serialize};

use crate::chain::error::SequencerError;

/// Why the log did not do it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Refusal {
    /// HTTP status; from 500 on the same may be asked again.
    pub status: u16,
    pub code: String,
    pub message: String,
}

impl Refusal {
    pub fn new(status: u16, code: &str, message: &str) -> Self {
        Self {
            status,
            code: code.to_owned(),
            message: message.to_owned(),
        }
    }

    pub fn of<E: std::fmt::Display>(error: &SequencerError<E>) -> Self {
        let status = match error.code() {
            "storage_failed" | "bad_clock" => 503,
            "log_damaged" | "wrong_log_key" | "storage_behind" | "published_differs" => 500,
            _ => 409,
        };
        Self::new(status, error.code(), &error.to_string())
    }

    /// Something outside did not do its part.
    pub fn unavailable(code: &str, cause: &str) -> Self {
        Self::new(503, code, cause)
    }

    pub fn stopped() -> Self {
        Self::unavailable("stopped", "the log stopped in the middle of it, ask again")
    }

    pub fn busy() -> Self {
        Self::unavailable(
            "busy",
            "too many facts wait to be logged, ask again in a second",
        )
    }

    pub fn too_large(most: usize) -> Self {
        let message = format!("the facts have more than {most} bytes together: log fewer at once");
        Self::new(400, "too_large", &message)
    }

    pub fn too_many(most: usize) -> Self {
        Self::new(400, "too_many", &format!("ask for at most {most} facts"))
    }
}
