use super::{Statement, Value};

/// A query whose conditions depend on what is asked for.
pub(crate) struct Narrowed {
    sql: String,
    params: Vec<Value>,
}

impl Narrowed {
    /// `select` ends in a condition. Each `?` in it stands for the next of `values`.
    pub fn new(select: &str, values: impl IntoIterator<Item = Value>) -> Self {
        let mut query = Self {
            sql: String::new(),
            params: Vec::new(),
        };
        query.push(select, values);
        query
    }

    /// One more condition that must hold.
    pub fn and(&mut self, condition: &str, values: impl IntoIterator<Item = Value>) {
        self.sql.push_str(" AND ");
        self.push(condition, values);
    }

    /// The same, of something that may not be asked for.
    pub fn and_if<T: Into<Value>>(&mut self, condition: &str, value: Option<T>) {
        if let Some(value) = value {
            self.and(condition, [value.into()]);
        }
    }

    pub fn finish(mut self, tail: &str, values: impl IntoIterator<Item = Value>) -> Statement {
        self.push(tail, values);
        Statement {
            sql: self.sql.into(),
            params: self.params,
        }
    }

    fn push(&mut self, text: &str, values: impl IntoIterator<Item = Value>) {
        let mut parts = text.split('?');
        self.sql.push_str(parts.next().unwrap_or_default());
        for (part, value) in parts.zip(values) {
            self.params.push(value);
            let place = self.params.len().to_string();
            self.sql.extend(["?", &place, part]);
        }
    }
}
