use crate::execution::ExecutionError;
use crate::sql::DatabaseError;

/// Why there is no record to show.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    #[error(
        "there is no record {0:?}, or it is not yours: take an id from the results of search, such as execution:… or case:…"
    )]
    NotFound(String),
    #[error(transparent)]
    Execution(ExecutionError),
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl RecordError {
    pub fn code(&self) -> String {
        match self {
            Self::NotFound(_) => "RECORD_NOT_FOUND".to_owned(),
            Self::Execution(error) => error.code(),
            Self::Database(_) => "DATABASE_UNAVAILABLE".to_owned(),
        }
    }

    pub fn is_internal(&self) -> bool {
        !matches!(self, Self::NotFound(_))
    }
}
