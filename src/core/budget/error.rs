use crate::sql::DatabaseError;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BudgetError {
    #[error("{0}")]
    Invalid(String),
    #[error("the request id `{0}` stands for another request: make a new one")]
    Conflict(String),
    #[error("no reservation of the request `{0}` is on file")]
    NotFound(String),
    #[error("the reservation of the request `{0}` has ended: ask for a new one before sending")]
    Ended(String),
    /// It may be done or not: repeat it.
    #[error("the account could not be read or written: {0}")]
    Store(#[from] DatabaseError),
}

impl BudgetError {
    pub(super) fn invalid(fault: &str) -> Self {
        Self::Invalid(fault.to_owned())
    }

    pub fn code(&self) -> &'static str {
        match self {
            Self::Invalid(_) => "INVALID_BUDGET_REQUEST",
            Self::Conflict(_) => "REQUEST_ID_CONFLICT",
            Self::NotFound(_) => "RESERVATION_NOT_FOUND",
            Self::Ended(_) => "RESERVATION_ENDED",
            Self::Store(_) => "BUDGET_UNAVAILABLE",
        }
    }
}
