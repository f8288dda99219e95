//! The log's facts, read again: each against what commits to it, its row in the database, and
//! the row that it records.

use std::collections::{BTreeSet, HashMap};

use super::auditor::{Auditor, told_erased};
use super::error::AuditError;
use super::fact_rows::{Owned, check_content, check_fact_row};
use super::finding::{Code, Finding};
use super::recorder::{PREDICATE, SOURCE};
use super::rows::Record;
use super::tables::Table;
use crate::chain::hash::Hash;
use crate::chain::receipt::{StoredContent, StoredFact};
use crate::sql::{DatabaseError, Row, Statement};

const ROWS: &str = "SELECT uuid, leaf_index, leaf_hash, fact_json, salt, subject, predicate, object, \
    source, timestamp, ingested_at, execution_id, evidence_id, user_id, idempotency_key, verified, \
    verified_at, verification_method, fortress_signature, signature_verified, erased_at, metadata \
    FROM chitty_chain_facts";

impl Auditor<'_> {
    /// What is wrong with a stretch of the log. `before_ms` is when the entry before it was logged.
    pub(super) async fn check_entries(
        &self,
        entries: &[StoredFact],
        before_ms: u64,
    ) -> Result<Vec<Finding>, AuditError> {
        let Some((first, last)) = entries.first().zip(entries.last()) else {
            return Ok(Vec::new());
        };
        let rows = self.rows_between(first.leaf_index, last.leaf_index).await?;
        let recorded = self.recorded_rows(entries).await?;
        let owned = self.owned(entries).await?;
        let (mut findings, mut before_ms) = (Vec::new(), before_ms);
        for stored in entries {
            let name = format!("fact:{}", stored.leaf_index);
            if stored.logged_at_ms < before_ms {
                let what = "the fact was logged earlier than the one before it";
                findings.push(Finding::new(Code::TimeWentBack, name.as_str(), what));
            }
            before_ms = stored.logged_at_ms;
            findings.extend(check_content(&name, stored));
            let row = rows.get(&stored.leaf_index);
            findings.extend(check_fact_row(&name, stored, row, &owned));
            findings.extend(self.missing_row(stored, &recorded));
        }
        findings.extend(self.replaced(entries).await?);
        Ok(findings)
    }

    /// Rows of facts that the log cannot have: without a place, or beyond its end.
    pub(super) async fn extra_rows(&self, size: u64) -> Result<Vec<Finding>, AuditError> {
        let sql =
            format!("{ROWS} WHERE leaf_index IS NULL OR leaf_index >= ?1 ORDER BY uuid LIMIT 100");
        let size = i64::try_from(size).unwrap_or(i64::MAX);
        let found = self.db.run(Statement::new(sql).bind(size)).await?;
        let extra = |row: &Row| {
            let what = "the database has a row of a fact that the log does not have";
            let name = format!("chitty_chain_facts:{}", row.text("uuid")?);
            Ok(Finding::new(Code::FactRowExtra, name, what))
        };
        found.rows.iter().map(extra).collect()
    }

    /// Records of these that say of a final row what it does not change to.
    async fn replaced(&self, entries: &[StoredFact]) -> Result<Vec<Finding>, AuditError> {
        let later: Vec<_> = entries
            .iter()
            .filter(|entry| record_of(entry).is_some())
            .collect();
        if later.is_empty() {
            return Ok(Vec::new());
        }
        let ask = |entry: &&StoredFact| {
            let subject = entry
                .content
                .fact()
                .map_or("", |fact| fact.subject.as_str());
            let before = i64::try_from(entry.leaf_index).unwrap_or(i64::MAX);
            Statement::new(
                "SELECT uuid FROM chitty_chain_facts WHERE subject = ?1 AND leaf_index < ?2 \
                 AND predicate = ?3 AND source = ?4 ORDER BY leaf_index DESC LIMIT 1",
            )
            .bind(subject)
            .bind(before)
            .bind(PREDICATE)
            .bind(SOURCE)
        };
        let found = self.db.batch(later.iter().map(ask).collect()).await?;
        let mut pairs = Vec::new();
        for (later, outcome) in later.into_iter().zip(found) {
            if let Some(row) = outcome.first() {
                pairs.extend(
                    Hash::from_hex(&row.text("uuid")?)
                        .ok()
                        .map(|id| (id, later)),
                );
            }
        }
        let ids: Vec<Hash> = pairs.iter().map(|(id, _)| *id).collect();
        let earlier = self.ledger.facts(&ids).await?;
        let before = |id: &Hash| earlier.iter().find(|fact| fact.stored.fact_id == *id);
        let replaced = pairs
            .iter()
            .filter_map(|(id, later)| replacement(&before(id)?.stored, later));
        Ok(replaced.collect())
    }

    async fn rows_between(&self, first: u64, last: u64) -> Result<HashMap<u64, Row>, AuditError> {
        let bound = |index: u64| i64::try_from(index).unwrap_or(i64::MAX);
        let sql = format!("{ROWS} WHERE leaf_index >= ?1 AND leaf_index <= ?2");
        let ask = Statement::new(sql).bind(bound(first)).bind(bound(last));
        let found = self.db.run(ask).await?;
        let mut rows = HashMap::new();
        for row in found.rows {
            rows.insert(
                u64::try_from(row.int("leaf_index")?).unwrap_or(u64::MAX),
                row,
            );
        }
        Ok(rows)
    }

    /// Of these facts, the erased ones of whose erasure no fact of the same execution tells. Where
    /// to look is the rows' word, what is told there is the log's.
    pub(super) async fn untold(&self, entries: &[StoredFact]) -> Result<Vec<Hash>, AuditError> {
        let erased = entries
            .iter()
            .filter(|entry| entry.content == StoredContent::Erased);
        let mut erased: Vec<Hash> = erased.map(|entry| entry.fact_id).collect();
        let ask = |fact: &Hash| {
            Statement::new(
                "SELECT uuid FROM chitty_chain_facts WHERE predicate = ?2 AND source = ?3 \
                 AND execution_id = (SELECT execution_id FROM chitty_chain_facts WHERE uuid = ?1) \
                 ORDER BY leaf_index DESC LIMIT 1",
            )
            .bind(fact.to_string())
            .bind(super::erasure::PREDICATE)
            .bind(SOURCE)
        };
        if erased.is_empty() {
            return Ok(erased);
        }
        let found = self.db.batch(erased.iter().map(ask).collect()).await?;
        let mut telling = BTreeSet::new();
        for row in found.iter().filter_map(|outcome| outcome.first()) {
            telling.extend(Hash::from_hex(&row.text("uuid")?).ok());
        }
        let telling: Vec<Hash> = telling.into_iter().collect();
        for fact in self.ledger.facts(&telling).await? {
            let told = told_erased(&fact.stored);
            erased.retain(|fact| !told.contains(fact));
        }
        Ok(erased)
    }

    /// What the facts name that is there and of the same owner: their rows name it too.
    async fn owned(&self, entries: &[StoredFact]) -> Result<Owned, AuditError> {
        let mut ask = Vec::new();
        for entry in entries {
            let Some(fact) = entry.content.fact() else {
                continue;
            };
            let owner = fact.metadata.get("user_id").map_or("", String::as_str);
            let named = [
                (
                    "SELECT id, user_id FROM secure_executions WHERE id = ?1 AND user_id = ?2",
                    &fact.execution_id,
                ),
                (
                    "SELECT id, user_id FROM evidence_records WHERE id = ?1 AND user_id = ?2",
                    &fact.evidence_id,
                ),
            ];
            for (sql, id) in named {
                ask.extend(
                    id.as_ref()
                        .map(|id| Statement::new(sql).bind(id.as_str()).bind(owner)),
                );
            }
        }
        if ask.is_empty() {
            return Ok(Owned::new());
        }
        let found = self.db.batch(ask).await?;
        let rows = found.iter().filter_map(|outcome| outcome.first());
        let pair = |row: &Row| Ok((row.text("id")?, row.text("user_id")?));
        Ok(rows.map(pair).collect::<Result<_, DatabaseError>>()?)
    }

    /// The rows that records among these are about: where each names its record.
    async fn recorded_rows(
        &self,
        entries: &[StoredFact],
    ) -> Result<HashMap<String, Option<Place>>, AuditError> {
        let of: Vec<_> = entries.iter().filter_map(record_of).collect();
        let ask = |(table, id): &(&Table, &str)| {
            let sql = format!(
                "SELECT recorded_fact, {} AS lasting, {} AS since, (SELECT leaf_index \
                 FROM chitty_chain_facts WHERE uuid = recorded_fact) AS leaf_index FROM {} WHERE id = ?1",
                table.lasting, table.since, table.name
            );
            Statement::new(sql).bind(*id)
        };
        if of.is_empty() {
            return Ok(HashMap::new());
        }
        let found = self.db.batch(of.iter().map(ask).collect()).await?;
        let mut names = HashMap::new();
        for ((table, id), outcome) in of.iter().zip(found) {
            let place = outcome.first().map(Place::of).transpose()?;
            names.insert(format!("{}:{id}", table.name), place);
        }
        Ok(names)
    }

    /// What a record says was there. A row may be between two records for as long as the sweep
    /// takes, if it is such as is recorded.
    fn missing_row(
        &self,
        stored: &StoredFact,
        recorded: &HashMap<String, Option<Place>>,
    ) -> Option<Finding> {
        let (table, id) = record_of(stored)?;
        let name = format!("{}:{id}", table.name);
        let fact = Some(stored.fact_id.to_string());
        let Some(Some(place)) = recorded.get(&name) else {
            let what = "the log records the row, and the database does not have it";
            return Some(Finding::new(Code::RowMissing, name, what).evidence(fact, None));
        };
        let what = match (&place.fact, place.index) {
            (None, _) if !place.lasting || self.is_late(place.since_ms) => {
                "the row is on record, and says that it is not"
            }
            (Some(_), Some(index)) if index < stored.leaf_index => {
                "a later state of the row is recorded than the one that it names"
            }
            _ => return None,
        };
        let finding = Finding::new(Code::RowRolledBack, name, what);
        Some(finding.evidence(fact, place.fact.clone()))
    }
}

/// Which record a row names, and whether it may be due for another.
struct Place {
    fact: Option<String>,
    index: Option<u64>,
    lasting: bool,
    since_ms: Option<i64>,
}

impl Place {
    fn of(row: &Row) -> Result<Self, DatabaseError> {
        let index = row.opt_int("leaf_index")?;
        Ok(Self {
            fact: row.opt_text("recorded_fact")?,
            index: index.and_then(|index| u64::try_from(index).ok()),
            lasting: row.boolean("lasting")?,
            since_ms: row.opt_timestamp("since").ok().flatten(),
        })
    }
}

/// The row that a fact records.
fn record_of(stored: &StoredFact) -> Option<(&'static Table, &str)> {
    let fact = stored.content.fact()?;
    (fact.predicate == PREDICATE && fact.source == SOURCE)
        .then(|| Table::of_subject(&fact.subject))
        .flatten()
}

fn replacement(earlier: &StoredFact, later: &StoredFact) -> Option<Finding> {
    let (table, id) = record_of(later)?;
    let record = |stored: &StoredFact| Record::of(stored.content.fact()?, table, id);
    let (earlier, later) = (record(earlier)?, record(later)?);
    let column = table.replaced(&earlier, &later)?;
    let what = "the log records a later state of the row that a final row does not change to";
    let finding = Finding::new(Code::RecordReplaced, format!("{}:{id}", table.name), what);
    let of = |record: &Record| record.columns.get(column).cloned();
    Some(finding.column(column).evidence(of(&earlier), of(&later)))
}
