//! Putting rows on record: each lasting row has a fact that commits to it.

use std::collections::BTreeMap;

use serde_json::json;

use super::digest::{self, RowDigest};
use super::erasure::{RUN, Telling, erasures_of, telling, tellings_of};
use super::pages::{END, MOST_ROWS};
use super::rows::Record;
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
/// Pages of a table that are logged at a time, or fewer of many rows.
const PAGES: usize = 10;
/// How often in one go.
const TIMES: usize = 20;
/// States of a row that are recorded. An honest one has a few.
pub(super) const MOST_STATES: i64 = 200;

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
    /// The execution and the run that it is erased with.
    erased_with: Vec<String>,
    since_ms: Option<i64>,
    state: i64,
    request: AppendRequest,
}

/// Records the rows that are due, at most some thousands. May be stopped and repeated at any time: a record
/// is made once, under a key made of the row's name.
pub async fn record_due(recorder: &Recorder<'_>) -> Result<Recorded, RecordError> {
    let (mut all, mut failed) = (Recorded::default(), None);
    for table in &TABLES {
        // One that fails does not keep the others from being recorded.
        if let Err(error) = recorder.record_table(table, &mut all).await {
            failed.get_or_insert(error);
        }
    }
    failed.map_or(Ok(all), Err)
}

impl Recorder<'_> {
    async fn record_table(&self, table: &Table, all: &mut Recorded) -> Result<(), RecordError> {
        all.unreadable += self.uncounted(table).await?;
        let mut after = String::new();
        for _ in 0..TIMES {
            let began = after.clone();
            let due = self.due(table, &mut after, all).await?;
            self.record(table, &due, all).await?;
            if after == began {
                break;
            }
        }
        Ok(())
    }

    /// Rows that are due and count states that no row has.
    async fn uncounted(&self, table: &Table) -> Result<u64, RecordError> {
        let sql = format!(
            "SELECT COUNT(*) AS rows FROM {} WHERE recorded_fact IS NULL AND {} \
             AND NOT (records >= 0 AND records < {MOST_STATES})",
            table.name, table.lasting
        );
        Ok(self.db.run(Statement::new(sql)).await?.count("rows")?)
    }

    /// The next ones after that id, which moves on.
    pub(super) async fn due(
        &self,
        table: &Table,
        after: &mut String,
        all: &mut Recorded,
    ) -> Result<Vec<Due>, RecordError> {
        let mut due = Vec::new();
        for _ in 0..PAGES {
            let rows = self.page(table, after).await?;
            let Some(last) = rows.last() else { break };
            *after = last.text("id")?;
            for row in &rows {
                let one = match digest::of_row(table, row, self.sealer) {
                    Ok(digest) => Some(Due::of(table, row, digest)?),
                    Err(_) => None,
                };
                // The log would refuse all for one that is too large.
                let one = one.filter(|due| due.request.fact.validate().is_ok());
                all.unreadable += u64::from(one.is_none());
                due.extend(one);
            }
            if due.len() >= MOST_ROWS {
                break;
            }
        }
        Ok(due)
    }

    async fn page(&self, table: &Table, after: &str) -> Result<Vec<Row>, DatabaseError> {
        let sql = format!(
            "{} WHERE recorded_fact IS NULL AND {} AND id > ?1 \
             AND records >= 0 AND records < {MOST_STATES} ORDER BY id LIMIT ?2{END}",
            table.page(),
            table.lasting
        );
        let limit = i64::try_from(MOST_ROWS).unwrap_or(i64::MAX);
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
        let (mut made, mut failed) = (Vec::new(), None);
        for (due, outcome) in due.iter().zip(self.ledger.append_all(&requests).await?) {
            let fact = match outcome {
                Ok(receipt) => Some(receipt.fact_id),
                Err(LedgerError::Refused { .. }) => None,
                Err(error) => {
                    failed = Some(error.into());
                    continue;
                }
            };
            all.rows += u64::from(fact.is_some());
            all.refused += u64::from(fact.is_none());
            made.push((due, fact));
        }
        for ((due, fact), marked) in made.iter().zip(self.mark(table, &made).await) {
            match (marked, fact) {
                (Ok(0), Some(fact)) => self.forget(table, due, *fact).await?,
                (Ok(_), _) => (),
                (Err(error), _) => failed = Some(error.into()),
            }
        }
        failed.map_or(Ok(()), Err)
    }

    /// How many rows each mark changed. One that fails does not keep the others from being made.
    async fn mark(
        &self,
        table: &Table,
        made: &[(&Due, Option<Hash>)],
    ) -> Vec<Result<u64, DatabaseError>> {
        let mark = |(due, fact): &(&Due, Option<Hash>)| due.mark(table, *fact);
        if let Ok(marked) = self.db.batch(made.iter().map(mark).collect()).await {
            return marked
                .into_iter()
                .map(|outcome| Ok(outcome.changes))
                .collect();
        }
        let mut marked = Vec::new();
        for one in made {
            let outcome = self.db.run(mark(one)).await;
            marked.push(outcome.map(|outcome| outcome.changes));
        }
        marked
    }

    /// A record that came after the erasure of what it was made of has no more to say. That there
    /// was one is the log's word.
    async fn forget(&self, table: &Table, due: &Due, fact: Hash) -> Result<(), RecordError> {
        let record = Record::of(&due.request.fact, table, &due.id);
        if record.is_none_or(|record| table.not_emptied(&record).is_none()) {
            return Ok(());
        }
        let asked: Vec<String> = due.erased_with.iter().map(|id| erasures_of(id)).collect();
        let told = self.ledger.keyed(&asked).await?;
        let told = due.erased_with.iter().zip(told);
        let mut told = told.flat_map(|(what, keyed)| tellings_of(what, keyed));
        let erasure = told.next();
        let Some(erasure) = erasure.as_ref().and_then(telling) else {
            return Ok(());
        };
        let telling = Telling {
            of: erasure.execution_id.as_deref(),
            run: erasure.subject.strip_prefix(RUN),
            owner: erasure.metadata.get("user_id").map_or("", String::as_str),
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
            erased_with: table.erased_with(row),
            request: AppendRequest {
                // One for each state of the row: the first, the second, ….
                idempotency_key: format!("{}{state}", records_of(table, &id)),
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

/// How the keys of a row's records begin; a number of its state follows.
pub(super) fn records_of(table: &Table, id: &str) -> String {
    format!("{}:", subject(table, id))
}
