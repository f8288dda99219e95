//! Putting rows on record: each lasting row has a fact that commits to it.

use std::collections::BTreeMap;

use futures::{StreamExt as _, stream};
use serde_json::json;

use super::digest::{self, RowDigest};
use super::tables::{TABLES, Table};
use crate::chain::fact::Fact;
use crate::ledger::{AppendRequest, Ledger, LedgerError};
use crate::ports::{Clock, Database};
use crate::seal::Sealer;
use crate::sql::{DatabaseError, Row, Statement};

pub(super) const PREDICATE: &str = "recorded";
pub(super) const SOURCE: &str = "chittyos-coordinator";
/// In place of a fact's id, where the log has another record of the row.
pub(super) const REFUSED: &str = "refused";
/// Rows of a table that are read at a time.
const PAGE: i64 = 100;
/// Pages of a table in one go.
const PAGES: usize = 20;
/// Facts on their way at once: they share a round of the log.
const AT_ONCE: usize = 16;

/// What records are made with.
pub struct Recorder<'a> {
    pub db: &'a dyn Database,
    pub ledger: &'a dyn Ledger,
    pub sealer: &'a Sealer,
    pub clock: &'a dyn Clock,
}

/// What came of the rows that were due.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Recorded {
    pub rows: u64,
    /// The log has another record of these: an audit names them.
    pub refused: u64,
    /// These cannot be read, and are tried again.
    pub unreadable: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

enum One {
    Recorded,
    Refused,
    Unreadable,
}

/// Records the rows that are due, at most some thousands. May be stopped and repeated at any time: a record
/// is made once, under a key made of the row's name.
pub async fn record_due(recorder: &Recorder<'_>) -> Result<Recorded, RecordError> {
    let mut all = Recorded::default();
    for table in &TABLES {
        let mut after = String::new();
        for _ in 0..PAGES {
            let rows = recorder.due(table, &after).await?;
            let Some(last) = rows.last() else { break };
            after = last.text("id")?;
            let ended = rows.iter().map(|row| recorder.record(table, row));
            let mut ended = stream::iter(ended).buffered(AT_ONCE);
            while let Some(one) = ended.next().await {
                match one? {
                    One::Recorded => all.rows += 1,
                    One::Refused => all.refused += 1,
                    One::Unreadable => all.unreadable += 1,
                }
            }
        }
    }
    Ok(all)
}

impl Recorder<'_> {
    async fn due(&self, table: &Table, after: &str) -> Result<Vec<Row>, DatabaseError> {
        let sql = format!(
            "{} WHERE recorded_fact IS NULL AND {} AND id > ?1 ORDER BY id LIMIT ?2",
            table.select(),
            table.lasting
        );
        let found = self
            .db
            .run(Statement::new(sql).bind(after).bind(PAGE))
            .await?;
        Ok(found.rows)
    }

    async fn record(&self, table: &Table, row: &Row) -> Result<One, RecordError> {
        let Ok(digest) = digest::of_row(table, row, self.sealer) else {
            return Ok(One::Unreadable);
        };
        let id = row.text("id")?;
        let request = AppendRequest {
            // One for each state of the row: the first, the second, ….
            idempotency_key: format!("{}:{}", subject(table, &id), row.int("records")?),
            fact: fact(table, row, &id, digest)?,
        };
        let (fact, outcome) = match self.ledger.append(&request).await {
            Ok(receipt) => (receipt.fact_id.to_string(), One::Recorded),
            Err(LedgerError::Refused { .. }) => (REFUSED.to_owned(), One::Refused),
            Err(error) => return Err(error.into()),
        };
        self.mark(table, row, &id, &fact).await?;
        Ok(outcome)
    }

    /// Unless the row has changed meanwhile: then it is due again.
    async fn mark(
        &self,
        table: &Table,
        row: &Row,
        id: &str,
        fact: &str,
    ) -> Result<(), DatabaseError> {
        let sql = format!(
            "UPDATE {} SET recorded_fact = ?2, records = records + 1 WHERE id = ?1 AND recorded_fact IS NULL AND {} = ?3",
            table.name, table.since
        );
        let mark = Statement::new(sql).bind(id).bind(fact);
        let since_ms = row.opt_timestamp(table.since)?;
        self.db.run(mark.timestamp(since_ms)).await.map(drop)
    }
}

fn fact(table: &Table, row: &Row, id: &str, digest: RowDigest) -> Result<Fact, DatabaseError> {
    let mut metadata = BTreeMap::from([
        ("table".to_owned(), table.name.to_owned()),
        ("state".to_owned(), row.int("records")?.to_string()),
        ("columns".to_owned(), json!(digest.columns).to_string()),
    ]);
    if let Some(owner) = row.opt_text("user_id")? {
        metadata.insert("user_id".to_owned(), owner);
    }
    // The row's own time: the same row is recorded by the same fact, whenever that is.
    let since_ms = row.opt_timestamp(table.since)?.unwrap_or_default();
    Ok(Fact {
        subject: subject(table, id),
        predicate: PREDICATE.to_owned(),
        object: digest.whole,
        source: SOURCE.to_owned(),
        timestamp_ms: u64::try_from(since_ms).unwrap_or_default(),
        execution_id: row.opt_text(table.execution)?,
        evidence_id: None,
        metadata,
    })
}

/// What a row's records are about.
pub(super) fn subject(table: &Table, id: &str) -> String {
    format!("row:{}:{id}", table.name)
}
