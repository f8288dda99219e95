use crate::sql::DatabaseError;

/// Why there are no figures.
#[derive(Debug, thiserror::Error)]
pub enum AnalyticsError {
    /// Names each field and what to change.
    #[error("{0}")]
    InvalidInput(String),
    #[error(
        "`{0}` is not a time zone of the IANA database: write it like Europe/Berlin, or leave it out for UTC"
    )]
    UnknownZone(String),
    #[error(
        "{field} `{text}` is neither a day like 2026-11-21 nor a time like 2026-11-21T12:00:00Z"
    )]
    UnreadableTime { field: &'static str, text: String },
    #[error(
        "{field} must be on a quarter hour, since usage is summed up in those: take {before} or {after}"
    )]
    NotOnTheQuarter {
        field: &'static str,
        before: String,
        after: String,
    },
    #[error("the range is empty: start_date is {start} and must be before end_date, {end}")]
    EmptyRange { start: String, end: String },
    #[error("the range has {days} days and at most {max} can be asked for: shorten it")]
    RangeTooLong { days: i64, max: i64 },
    #[error(
        "the range has {hours} hours and at most {max} can be listed: shorten it, or take the granularity `day`"
    )]
    TooManyHours { hours: usize, max: usize },
    #[error(
        "usage is kept by session, by case and by key, but not by two of them: name one of them in group_by, session_id, case_id and key_id"
    )]
    TwoScopes,
    #[error("usage could not be read: try again")]
    Storage(#[from] DatabaseError),
}

impl AnalyticsError {
    /// Stable name of the error's class.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Storage(_) => "STORAGE_UNAVAILABLE",
            _ => "INVALID_INPUT",
        }
    }
}
