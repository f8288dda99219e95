//! Putting rows on record: each lasting row has a fact that commits to it.

use std::collections::BTreeMap;

use serde_json::json;

use super::digest::{self, RowDigest};
use super::erasure::Telling;
use super::tables::{TABLES, Table};
use crate::chain::fact::Fact;
use crate::chain::hash::Hash;
use crate::ledger::{AppendRequest, Ledger, LedgerError, emptied};
use crate::ports::{Clock, Database};
use crate::seal::Sealer;
use crate::sql::{DatabaseError, Row, Statement};

pub(super) const PREDICATE: &str = "recorded";
pub(super) const SOURCE: &str = "chittyos-coordinator";
/// In place of a fact's id, where the log has another record of the row.
pub(super) const REFUSED: &str = "refused";
/// Facts of a table that are logged at a time.
const AT_ONCE: usize = 100;
/// How often in one go.
const TIMES: usize = 20;

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

/// A row that is due, as it is logged.
pub(super) struct Due {
    id: String,
    since_ms: Option<i64>,
    state: i64,
    request: AppendRequest,
}

/// Records the rows that are due, at most some thousands. May be stopped and repeated at any time: a record
/// is made once, under a key made of the row's name.
pub async fn record_due(recorder: &Recorder<'_>) -> Result<Recorded, RecordError> {
    let mut all = Recorded::default();
    for table in &TABLES {
        let mut after = String::new();
        for _ in 0..TIMES {
            let began = after.clone();
            let due = recorder.due(table, &mut after, &mut all).await?;
            recorder.record(table, &due, &mut all).await?;
            if after == began {
                break;
            }
        }
    }
    Ok(all)
}

impl Recorder<'_> {
    /// The next ones after that id, which moves on.
    pub(super) async fn due(
        &self,
        table: &Table,
        after: &mut String,
        all: &mut Recorded,
    ) -> Result<Vec<Due>, RecordError> {
        let mut due = Vec::new();
        for _ in 0..AT_ONCE / table.page() {
            let rows = self.page(table, after).await?;
            let Some(last) = rows.last() else { break };
            *after = last.text("id")?;
            for row in &rows {
                match digest::of_row(table, row, self.sealer) {
                    Ok(digest) => due.push(Due::of(table, row, digest)?),
                    Err(_) => all.unreadable += 1,
                }
            }
        }
        Ok(due)
    }

    async fn page(&self, table: &Table, after: &str) -> Result<Vec<Row>, DatabaseError> {
        let sql = format!(
            "{} WHERE recorded_fact IS NULL AND {} AND id > ?1 ORDER BY id LIMIT ?2",
            table.select(),
            table.lasting
        );
        let limit = i64::try_from(table.page()).unwrap_or(i64::MAX);
        let found = self.db.run(Statement::new(sql).bind(after).bind(limit));
        Ok(found.await?.rows)
    }

    pub(super) async fn record(
        &self,
        table: &Table,
        due: &[Due],
        all: &mut Recorded,
    ) -> Result<(), RecordError> {
        if due.is_empty() {
            return Ok(());
        }
        let requests: Vec<_> = due.iter().map(|due| due.request.clone()).collect();
        let (mut marks, mut made, mut failed) = (Vec::new(), Vec::new(), None);
        for (due, outcome) in due.iter().zip(self.ledger.append_all(&requests).await?) {
            let fact = match outcome {
                Ok(receipt) => Some(receipt.fact_id),
                Err(LedgerError::Refused { .. }) => None,
                Err(error) => {
                    failed = Some(error);
                    continue;
                }
            };
            all.rows += u64::from(fact.is_some());
            all.refused += u64::from(fact.is_none());
            marks.push(due.mark(table, fact));
            made.push((due, fact));
        }
        let marked = self.db.batch(marks).await?;
        for ((due, fact), outcome) in made.into_iter().zip(marked) {
            if let (0, Some(fact)) = (outcome.changes, fact) {
                self.forget(table, due, fact).await?;
            }
        }
        failed.map_or(Ok(()), |error| Err(error.into()))
    }

    /// A record that came after the erasure of what it was made of has no more to say.
    async fn forget(&self, table: &Table, due: &Due, fact: Hash) -> Result<(), RecordError> {
        let sql = format!(
            "SELECT user_id FROM {} WHERE id = ?1 AND {}",
            table.name, table.erased
        );
        let select = Statement::new(sql).bind(due.id.as_str());
        let found = self.db.run(select).await?;
        let Some(row) = found.first() else {
            return Ok(());
        };
        let owner = row.text("user_id")?;
        let execution = &due.request.fact.execution_id;
        let telling = Telling {
            of: execution.as_deref(),
            run: Some(&due.id),
            owner: &owner,
            facts: &[fact],
            reason: "recorded while its content was erased",
            authority: "the erasure before",
            ordered_by: SOURCE,
            now_ms: self.clock.now_ms(),
        };
        self.ledger.append(&telling.request()).await?;
        self.ledger.erase(fact).await?;
        let emptied = emptied(&fact, self.clock.now_ms());
        self.db.run(emptied).await?;
        Ok(())
    }
}

impl Due {
    fn of(table: &Table, row: &Row, digest: RowDigest) -> Result<Self, DatabaseError> {
        let (id, state) = (row.text("id")?, row.int("records")?);
        Ok(Self {
            since_ms: row.opt_timestamp(table.since)?,
            state,
            request: AppendRequest {
                // One for each state of the row: the first, the second, ….
                idempotency_key: format!("{}:{state}", subject(table, &id)),
                fact: fact(table, row, &id, digest)?,
            },
            id,
        })
    }

    /// One that has changed meanwhile is due again, under its next name.
    fn mark(&self, table: &Table, fact: Option<Hash>) -> Statement {
        let sql = format!(
            "UPDATE {} SET recorded_fact = CASE WHEN {} = ?3 THEN ?2 ELSE NULL END, \
             records = records + 1 WHERE id = ?1 AND recorded_fact IS NULL AND records = ?4",
            table.name, table.since
        );
        let fact = fact.map_or_else(|| REFUSED.to_owned(), |fact| fact.to_string());
        let mark = Statement::new(sql).bind(self.id.as_str()).bind(fact);
        mark.timestamp(self.since_ms).bind(self.state)
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
