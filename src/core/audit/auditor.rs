//! One audit, in slices: rows first, then signatures, then the log as published and as stored.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::error::AuditError;
use super::finding::{Code, Finding};
use super::history::{Named, histories};
use super::pages::{END, MOST_ROWS, after};
use super::progress::{Phase, Progress};
use super::published::PublishedLog;
use super::tables::{TABLES, Table};
use super::types::Level;
use crate::fortress::SignedText;
use crate::ledger::Ledger;
use crate::ports::{Bucket, Database};
use crate::seal::Sealer;
use crate::sql::{Narrowed, Row, Value};

/// Whoever knows the keys of the fortress.
#[async_trait(?Send)]
pub trait Signatures {
    /// Whether the signature of each run's manifest holds, and why not: as many, in that order.
    async fn check_all(&self, runs: &[SignedText]) -> Result<Vec<Result<(), String>>, String>;
}

/// What an audit is about and what it works with.
pub struct Auditor<'a> {
    pub db: &'a dyn Database,
    pub ledger: &'a dyn Ledger,
    pub published: &'a PublishedLog,
    pub sealer: &'a Sealer,
    pub signatures: &'a dyn Signatures,
    /// Where package files are kept, if anywhere.
    pub files: Option<&'a dyn Bucket>,
    pub scope: &'a Scope,
    pub now_ms: i64,
}

/// Which rows, and how deep.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scope {
    pub level: Level,
    /// Rows of these executions only. None: all rows.
    pub executions: Option<Vec<String>>,
    /// Rows since then, by their own word. None: whatever they say.
    pub since_ms: Option<i64>,
    pub signatures: bool,
    /// The log's facts too.
    pub chain: bool,
    /// The files of packages too.
    #[serde(default)]
    pub files: bool,
    /// Checkpoints kept outside of the log, which it must extend.
    pub known: Vec<String>,
}

impl Auditor<'_> {
    /// Does the next slice. After an error it is done again.
    pub async fn step(&self, progress: &mut Progress) -> Result<(), AuditError> {
        match progress.phase {
            Phase::Rows => self.rows(progress).await,
            Phase::Signatures => self.signed_runs(progress).await,
            Phase::Head => self.begin_log(progress).await,
            Phase::Published => self.published(progress).await,
            Phase::Facts => self.entries(progress).await,
            Phase::Done => Ok(()),
        }
    }

    async fn rows(&self, progress: &mut Progress) -> Result<(), AuditError> {
        let Some(table) = TABLES.get(progress.table) else {
            progress.phase = Phase::Signatures;
            return Ok(());
        };
        let rows = self
            .page(table, &table.page(), &progress.after, MOST_ROWS)
            .await?;
        let mut found = Vec::new();
        if progress.table == 0 && progress.after.is_empty() {
            found = self.gone().await?;
        }
        let names = rows.iter().map(|row| Named::of(table, row));
        let names: Vec<Named> = names.collect::<Result<_, _>>()?;
        let known = histories(self.ledger, &names).await?;
        for (row, history) in rows.iter().zip(&known) {
            found.extend(self.check_row(table, row, history)?);
            if self.reads_files(table) {
                found.extend(self.check_file(row).await?);
            }
        }
        found.extend(self.check_links(table, &rows).await?);
        progress.rows += rows.len() as u64;
        if progress.table == 0 {
            progress.executions += rows.len() as u64;
        }
        progress.add(found);
        progress.after = after(&rows)?.unwrap_or_default();
        progress.table += usize::from(rows.is_empty());
        Ok(())
    }

    /// Rows that the audit is about, in the order of their ids from `after` on: at most `limit`, and
    /// none after the last. `select` is of [`Table::page_of`].
    pub(super) async fn page(
        &self,
        table: &Table,
        select: &str,
        after: &str,
        limit: usize,
    ) -> Result<Vec<Row>, AuditError> {
        // One that is on record and says it is not final is looked at too.
        let select = format!(
            "{select} WHERE ({} OR recorded_fact IS NOT NULL) AND id > ?",
            table.lasting
        );
        let mut query = Narrowed::new(&select, [after.into()]);
        if let Some(executions) = &self.scope.executions {
            query.and(&among(table.execution, executions), values(executions));
        }
        let since = format!("COALESCE({}, created_at) >= ?", table.since);
        query.and_if(&since, self.scope.since_ms.map(Value::Timestamp));
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let asked = query.finish(&format!(" ORDER BY id LIMIT ?{END}"), [limit.into()]);
        Ok(self.db.run(asked).await?.rows)
    }

    /// Executions that were named and have no row: it was removed.
    async fn gone(&self) -> Result<Vec<Finding>, AuditError> {
        let executions = self.scope.executions.as_deref().unwrap_or_default();
        let select = format!(
            "SELECT id FROM secure_executions WHERE {}",
            among("id", executions)
        );
        let asked = Narrowed::new(&select, values(executions)).finish("", []);
        let there = self.db.run(asked).await?.rows;
        let there: Vec<String> = there
            .iter()
            .map(|row| row.text("id"))
            .collect::<Result<_, _>>()?;
        let gone = executions.iter().filter(|id| !there.contains(id));
        let what =
            "the execution that was asked for is on record, and the database does not have it";
        let finding = |id| Finding::new(Code::RowMissing, format!("secure_executions:{id}"), what);
        Ok(gone.map(finding).collect())
    }
}

/// `column` is one of as many values.
pub(super) fn among(column: &str, values: &[String]) -> String {
    match values.len() {
        0 => "1 = 0".to_owned(),
        n => format!("{column} IN ({})", vec!["?"; n].join(", ")),
    }
}

pub(super) fn values(texts: &[String]) -> impl Iterator<Item = Value> {
    texts.iter().map(Value::from)
}
