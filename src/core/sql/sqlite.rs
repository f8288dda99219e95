//! SQLite in memory, for native tests: what D1 is, without the network.

use std::cell::RefCell;
use std::rc::Rc;

use async_trait::async_trait;
use rusqlite::types::{ToSqlOutput, Value as Native, ValueRef};
use rusqlite::{Connection, ToSql};

use super::{DatabaseError, Outcome, Row, Sql, Statement, Value, sqlite_error};
use crate::ports::Database;
use crate::testing::block_on;

pub(crate) struct SqliteDatabase {
    connection: RefCell<Connection>,
}

impl SqliteDatabase {
    pub(crate) fn empty() -> Self {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch("PRAGMA foreign_keys = ON")
            .unwrap();
        connection.set_prepared_statement_cache_capacity(64);
        Self {
            connection: RefCell::new(connection),
        }
    }

    /// With the tables of `schema/d1`.
    pub(crate) fn with_schema() -> Self {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../schema/d1");
        let mut files: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|ext| ext == "sql"))
            .collect();
        files.sort();
        let database = Self::empty();
        for file in files {
            let sql = std::fs::read_to_string(&file).unwrap();
            let result = database.connection.borrow().execute_batch(&sql);
            result.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        }
        database
    }
}

#[async_trait(?Send)]
impl Database for SqliteDatabase {
    async fn run(&self, statement: Statement) -> Result<Outcome, DatabaseError> {
        execute(&self.connection.borrow(), &statement)
    }

    async fn batch(&self, statements: Vec<Statement>) -> Result<Vec<Outcome>, DatabaseError> {
        let mut connection = self.connection.borrow_mut();
        let transaction = connection.transaction().map_err(error)?;
        let outcomes = statements
            .iter()
            .map(|statement| execute(&transaction, statement))
            .collect::<Result<_, _>>()?;
        transaction.commit().map_err(error)?;
        Ok(outcomes)
    }
}

impl Sql for SqliteDatabase {
    fn batch(&self, statements: &[Statement]) -> Result<Vec<Outcome>, DatabaseError> {
        block_on(Database::batch(self, statements.to_vec()))
    }
}

fn execute(connection: &Connection, statement: &Statement) -> Result<Outcome, DatabaseError> {
    let before = connection.total_changes();
    let mut prepared = connection.prepare_cached(&statement.sql).map_err(error)?;
    let columns: Rc<[String]> = prepared
        .column_names()
        .into_iter()
        .map(str::to_owned)
        .collect();
    let mut found = prepared
        .query(rusqlite::params_from_iter(&statement.params))
        .map_err(error)?;
    let mut rows = Vec::new();
    while let Some(row) = found.next().map_err(error)? {
        let values = (0..columns.len())
            .map(|index| Ok(read(row.get_ref(index).map_err(error)?)))
            .collect::<Result<_, DatabaseError>>()?;
        rows.push(Row::new(Rc::clone(&columns), values));
    }
    Ok(Outcome {
        rows,
        changes: connection.total_changes() - before,
    })
}

fn read(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(int) => Value::Int(int),
        ValueRef::Real(real) => Value::Real(real),
        ValueRef::Text(text) => Value::Text(String::from_utf8(text.to_vec()).unwrap()),
        ValueRef::Blob(_) => panic!("blobs are stored as text"),
    }
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Owned(match self {
            Self::Null => Native::Null,
            Self::Int(int) | Self::Timestamp(int) => Native::Integer(*int),
            Self::Real(real) => Native::Real(*real),
            Self::Text(text) => Native::Text(text.clone()),
            Self::Bool(flag) => Native::Integer((*flag).into()),
            Self::Json(json) => Native::Text(json.to_string()),
        }))
    }
}

#[expect(clippy::needless_pass_by_value, reason = "shape of map_err")]
fn error(error: rusqlite::Error) -> DatabaseError {
    sqlite_error(&error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::contract::{self, Dialect};
    use crate::testing::block_on;

    #[test]
    fn keeps_the_contract() {
        let report = block_on(contract::run(&SqliteDatabase::empty(), Dialect::Sqlite));
        assert_eq!(report.failed, []);
        assert!(report.passed.len() >= 10, "{:?}", report.passed);
    }

    #[test]
    fn the_schema_loads() {
        let database = SqliteDatabase::with_schema();
        let outcome =
            block_on(database.run(Statement::new("SELECT count(*) AS n FROM api_tokens")));
        assert_eq!(outcome.unwrap().first().unwrap().int("n").unwrap(), 0);
    }
}
