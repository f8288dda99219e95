//! SQL for two engines: one text in the subset that SQLite (D1) and Postgres share, with
//! typed values that each adapter binds in its own way.
//!
//! Placeholders are `?1`, `?2`, … . The statements of a batch are one transaction. What
//! two requests may race for is a guarded statement whose [`Outcome::changes`] is read.

pub mod contract;
mod error;
mod narrowed;
mod row;
#[cfg(test)]
mod sqlite;
mod statement;
mod value;

pub use error::{ConstraintKind, DatabaseError, sqlite_error};
pub(crate) use narrowed::Narrowed;
pub use row::{Outcome, Row};
#[cfg(test)]
pub(crate) use sqlite::SqliteDatabase;
pub use statement::Statement;
pub use value::Value;

/// SQLite whose calls return at once, such as a Durable Object's.
pub trait Sql {
    /// All statements in one transaction, or none of them. Only rows are asked of the outcomes.
    fn batch(&self, statements: &[Statement]) -> Result<Vec<Outcome>, DatabaseError>;

    /// One statement.
    fn query(&self, statement: Statement) -> Result<Outcome, DatabaseError> {
        let outcomes = self.batch(&[statement])?;
        outcomes.into_iter().next().ok_or_else(no_outcome)
    }
}

/// Of a statement that must answer, and did not.
pub(crate) fn no_outcome() -> DatabaseError {
    DatabaseError::Statement("a statement gave nothing back".to_owned())
}
