use std::borrow::Cow;

use super::Value;

/// A statement and the values of its placeholders, in order.
///
/// ```
/// use chitty_core::sql::Statement;
///
/// let statement = Statement::new("UPDATE jobs SET done_at = ?1 WHERE id = ?2 AND done_at IS NULL")
///     .timestamp(1_795_262_349_123)
///     .bind("job-1");
/// assert_eq!(statement.params.len(), 2);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    pub sql: Cow<'static, str>,
    pub params: Vec<Value>,
}

impl Statement {
    pub fn new(sql: impl Into<Cow<'static, str>>) -> Self {
        Self {
            sql: sql.into(),
            params: Vec::new(),
        }
    }

    /// The next placeholder's value.
    #[must_use]
    pub fn bind(mut self, value: impl Into<Value>) -> Self {
        self.params.push(value.into());
        self
    }

    /// The next placeholder's value, a time in milliseconds since the epoch.
    #[must_use]
    pub fn timestamp(self, ms: impl Into<Option<i64>>) -> Self {
        let value = ms.into().map_or(Value::Null, Value::Timestamp);
        self.bind(value)
    }
}
