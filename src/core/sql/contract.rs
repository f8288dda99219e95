//! What every [`Database`] adapter promises, as one suite that runs on any of them: on
//! SQLite natively, on D1 and on Postgres from a worker. It makes and drops its own table.

use serde::Serialize;
use serde_json::json;

use super::{ConstraintKind, DatabaseError, Outcome, Row, Statement, Value};
use crate::ports::Database;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    Sqlite,
    Postgres,
}

#[derive(Debug, Default, Serialize)]
pub struct Report {
    pub passed: Vec<&'static str>,
    /// Name of the check, and what was seen instead.
    pub failed: Vec<(&'static str, String)>,
}

type Check = Result<(), String>;

/// Runs all checks, one after the other, each on an empty table.
pub async fn run(database: &dyn Database, dialect: Dialect) -> Report {
    let mut report = Report::default();
    let suite = Suite { database, dialect };
    report.note("types round trip", suite.types().await);
    report.note("nulls round trip", suite.nulls().await);
    report.note("text is Unicode, kept to the byte", suite.text().await);
    report.note("integers are exact up to 2^53", suite.integers().await);
    report.note("an empty result has no rows", suite.empty().await);
    report.note(
        "placeholders are bound by number",
        suite.placeholders().await,
    );
    report.note("RETURNING gives the written rows", suite.returning().await);
    report.note("ON CONFLICT updates or skips", suite.conflict().await);
    report.note("a guarded UPDATE counts its changes", suite.guarded().await);
    report.note("constraints are told apart", suite.constraints().await);
    report.note("a wrong statement is named as such", suite.mistakes().await);
    report.note("a batch is applied in order", suite.batch().await);
    report.note("a failing batch leaves nothing", suite.rollback().await);
    report.note("the table is dropped", suite.drop_table().await);
    report
}

impl Report {
    fn note(&mut self, name: &'static str, check: Check) {
        match check {
            Ok(()) => self.passed.push(name),
            Err(seen) => self.failed.push((name, seen)),
        }
    }
}

struct Suite<'a> {
    database: &'a dyn Database,
    dialect: Dialect,
}

const DROP: &str = "DROP TABLE IF EXISTS contract_scratch";

const CREATE_SQLITE: &str = "CREATE TABLE contract_scratch (
    id TEXT NOT NULL PRIMARY KEY, n INTEGER, r REAL, b INTEGER, at INTEGER, j TEXT,
    note TEXT, CONSTRAINT contract_scratch_n CHECK (n >= 0)) STRICT";

const CREATE_POSTGRES: &str = "CREATE TABLE contract_scratch (
    id TEXT NOT NULL PRIMARY KEY, n BIGINT, r DOUBLE PRECISION, b BOOLEAN, at TIMESTAMPTZ,
    j JSONB, note TEXT, CONSTRAINT contract_scratch_n CHECK (n >= 0))";

const INSERT: &str =
    "INSERT INTO contract_scratch (id, n, r, b, at, j, note) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
const INSERT_NUMBER: &str = "INSERT INTO contract_scratch (id, n) VALUES (?1, ?2)";
const SELECT: &str = "SELECT id, n, r, b, at, j, note FROM contract_scratch WHERE id = ?1";
const COUNT: &str = "SELECT count(*) AS n FROM contract_scratch";

/// 2026-11-21T11:59:09.123Z
const AT_MS: i64 = 1_795_262_349_123;

impl Suite<'_> {
    async fn types(&self) -> Check {
        self.fresh().await?;
        let document = json!({"a": [1, 2.5, true, null, "ü"], "b": {}});
        let written = Statement::new(INSERT)
            .bind("a")
            .bind(42)
            .bind(2.5)
            .bind(true)
            .timestamp(AT_MS)
            .bind(document.clone())
            .bind("text");
        expect("changes", &self.run(written).await?.changes, &1)?;
        let row = self.row("a").await?;
        expect("int", &row.int("n"), &Ok(42))?;
        expect("real", &row.real("r"), &Ok(2.5))?;
        expect("boolean", &row.boolean("b"), &Ok(true))?;
        expect("timestamp", &row.timestamp("at"), &Ok(AT_MS))?;
        expect("json", &row.json("j"), &Ok(document))?;
        expect("text", &row.text("note"), &Ok("text".to_owned()))
    }

    async fn nulls(&self) -> Check {
        self.fresh().await?;
        let mut written = Statement::new(INSERT).bind("a");
        for _ in 0..6 {
            written = written.bind(Value::Null);
        }
        self.run(written).await?;
        let row = self.row("a").await?;
        expect("int", &row.opt_int("n"), &Ok(None))?;
        expect("real", &row.opt_real("r"), &Ok(None))?;
        expect("boolean", &row.opt_boolean("b"), &Ok(None))?;
        expect("timestamp", &row.opt_timestamp("at"), &Ok(None))?;
        expect("json", &row.opt_json("j"), &Ok(None))?;
        expect("text", &row.opt_text("note"), &Ok(None))?;
        expect("required", &row.int("n").is_err(), &true)
    }

    async fn text(&self) -> Check {
        for text in [
            "",
            "it's \"quoted\" \\ ?1 $1",
            "Grüße 🦀 \u{202e}x\u{0301}",
            "a\n\r\tb",
        ] {
            self.fresh().await?;
            let written = "INSERT INTO contract_scratch (id, note) VALUES (?1, ?2)";
            self.run(Statement::new(written).bind("a").bind(text))
                .await?;
            let row = self.row("a").await?;
            expect("text", &row.text("note"), &Ok(text.to_owned()))?;
        }
        Ok(())
    }

    async fn integers(&self) -> Check {
        for number in [0, 1, 4_294_967_296, 9_007_199_254_740_992] {
            self.fresh().await?;
            self.run(Statement::new(INSERT_NUMBER).bind("a").bind(number))
                .await?;
            expect("int", &self.row("a").await?.int("n"), &Ok(number))?;
        }
        Ok(())
    }

    async fn empty(&self) -> Check {
        self.fresh().await?;
        let outcome = self.run(Statement::new(SELECT).bind("none")).await?;
        expect("rows", &outcome.rows.len(), &0)?;
        expect("changes", &outcome.changes, &0)
    }

    async fn placeholders(&self) -> Check {
        self.fresh().await?;
        let swapped = "INSERT INTO contract_scratch (note, id) VALUES (?2, ?1)";
        self.run(Statement::new(swapped).bind("id").bind("note"))
            .await?;
        let row = self.row("id").await?;
        expect("note", &row.text("note"), &Ok("note".to_owned()))
    }

    async fn returning(&self) -> Check {
        self.fresh().await?;
        let insert = "INSERT INTO contract_scratch (id, n) VALUES (?1, ?2) RETURNING id, n";
        let outcome = self.run(Statement::new(insert).bind("a").bind(1)).await?;
        expect("rows", &outcome.rows.len(), &1)?;
        expect("changes", &outcome.changes, &1)?;
        let update = "UPDATE contract_scratch SET n = n + 1 WHERE id = ?1 RETURNING n AS now";
        let outcome = self.run(Statement::new(update).bind("a")).await?;
        let now = outcome.first().map(|row| row.int("now"));
        expect("updated", &now, &Some(Ok(2)))
    }

    async fn conflict(&self) -> Check {
        self.fresh().await?;
        let upsert = "INSERT INTO contract_scratch (id, n) VALUES (?1, ?2)
            ON CONFLICT (id) DO UPDATE SET n = contract_scratch.n + excluded.n RETURNING n";
        for total in [5, 10] {
            let outcome = self.run(Statement::new(upsert).bind("a").bind(5)).await?;
            let n = outcome.first().map(|row| row.int("n"));
            expect("upsert", &n, &Some(Ok(total)))?;
        }
        let skip = "INSERT INTO contract_scratch (id, n) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
        let outcome = self.run(Statement::new(skip).bind("a").bind(1)).await?;
        expect("skipped", &outcome.changes, &0)
    }

    async fn guarded(&self) -> Check {
        self.fresh().await?;
        self.run(Statement::new(INSERT_NUMBER).bind("a").bind(1))
            .await?;
        let guarded = "UPDATE contract_scratch SET n = 2 WHERE id = ?1 AND n = 1";
        let first = self.run(Statement::new(guarded).bind("a")).await?;
        let second = self.run(Statement::new(guarded).bind("a")).await?;
        expect("first", &first.changes, &1)?;
        expect("second", &second.changes, &0)
    }

    async fn constraints(&self) -> Check {
        self.fresh().await?;
        let number = |id, n| Statement::new(INSERT_NUMBER).bind(id).bind(n);
        self.run(number(Value::from("a"), 1)).await?;
        let cases = [
            (number(Value::from("a"), 1), ConstraintKind::Unique),
            (number(Value::from("b"), -1), ConstraintKind::Check),
            (number(Value::Null, 1), ConstraintKind::NotNull),
        ];
        for (statement, expected) in cases {
            match self.database.run(statement).await {
                Err(DatabaseError::Constraint { kind, .. }) => {
                    expect("kind", &kind, &expected)?;
                }
                other => return Err(format!("{expected:?} gave {other:?}")),
            }
        }
        Ok(())
    }

    async fn mistakes(&self) -> Check {
        match self.database.run(Statement::new("SELEC 1")).await {
            Err(DatabaseError::Statement(_)) => Ok(()),
            other => Err(format!("a syntax error gave {other:?}")),
        }
    }

    async fn batch(&self) -> Check {
        self.fresh().await?;
        let statements = vec![
            Statement::new(INSERT_NUMBER).bind("a").bind(1),
            Statement::new("UPDATE contract_scratch SET n = n * 10 WHERE id = ?1").bind("a"),
            Statement::new(SELECT).bind("a"),
        ];
        let outcomes = self.database.batch(statements).await.map_err(told)?;
        let changes: Vec<u64> = outcomes.iter().take(2).map(|o| o.changes).collect();
        expect("changes", &changes, &vec![1, 1])?;
        let read = outcomes.get(2).and_then(Outcome::first);
        expect("read", &read.map(|row| row.int("n")), &Some(Ok(10)))
    }

    async fn rollback(&self) -> Check {
        self.fresh().await?;
        let statements = vec![
            Statement::new(INSERT_NUMBER).bind("a").bind(1),
            Statement::new(INSERT_NUMBER).bind("b").bind(2),
            Statement::new(INSERT_NUMBER).bind("a").bind(3),
        ];
        match self.database.batch(statements).await {
            Err(error) if error.is_unique_violation() => {}
            other => return Err(format!("the batch gave {other:?}")),
        }
        let outcome = self.run(Statement::new(COUNT)).await?;
        let count = outcome.first().map(|row| row.int("n"));
        expect("rows left", &count, &Some(Ok(0)))
    }

    async fn drop_table(&self) -> Check {
        self.run(Statement::new(DROP)).await.map(|_| ())
    }

    async fn fresh(&self) -> Check {
        self.run(Statement::new(DROP)).await?;
        let create = match self.dialect {
            Dialect::Sqlite => CREATE_SQLITE,
            Dialect::Postgres => CREATE_POSTGRES,
        };
        self.run(Statement::new(create)).await.map(|_| ())
    }

    async fn run(&self, statement: Statement) -> Result<Outcome, String> {
        self.database.run(statement).await.map_err(told)
    }

    async fn row(&self, id: &str) -> Result<Row, String> {
        let outcome = self.run(Statement::new(SELECT).bind(id)).await?;
        outcome.rows.into_iter().next().ok_or("no row".to_owned())
    }
}

#[expect(clippy::needless_pass_by_value, reason = "shape of map_err")]
fn told(error: DatabaseError) -> String {
    error.to_string()
}

fn expect<T: PartialEq + std::fmt::Debug>(what: &str, seen: &T, expected: &T) -> Check {
    if seen == expected {
        Ok(())
    } else {
        Err(format!("{what}: expected {expected:?}, saw {seen:?}"))
    }
}
