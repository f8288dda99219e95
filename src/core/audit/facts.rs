//! The log's facts, read again: each against what commits to it, its row in the database, and
//! the row that it records.

use std::collections::{BTreeSet, HashMap};

use super::auditor::Auditor;
use super::erasure::told_erased;
use super::error::AuditError;
use super::fact_rows::{Owned, check_content, check_fact_row};
use super::finding::{Code, Finding};
use super::history::{History, Named, histories};
use super::recorder::{PREDICATE, SOURCE};
use super::rows::Place;
use super::tables::Table;
use crate::chain::hash::Hash;
use crate::chain::receipt::{StoredContent, StoredFact};
use crate::ledger::{LoggedFact, MAX_FACTS};
use crate::sql::{DatabaseError, Outcome, Row, Statement};

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
            // A row is written after its entry.
            if row.is_some() || self.is_late_since(stored.logged_at_ms) {
                findings.extend(check_fact_row(&name, stored, row, &owned));
            }
        }
        findings.extend(self.check_recorded(entries).await?);
        Ok(findings)
    }

    /// Rows of facts that the log does not have: without a place, or beyond the end that the audit
    /// began with, and not there by now either.
    pub(super) async fn extra_rows(&self, size: u64) -> Result<Vec<Finding>, AuditError> {
        let sql = format!(
            "{ROWS} WHERE leaf_index IS NULL OR leaf_index >= ?1 ORDER BY leaf_index IS NULL DESC, \
             leaf_index DESC LIMIT {MAX_FACTS}"
        );
        let size = i64::try_from(size).unwrap_or(i64::MAX);
        let rows = self.db.run(Statement::new(sql).bind(size)).await?.rows;
        let named: Result<Vec<String>, _> = rows.iter().map(|row| row.text("uuid")).collect();
        let ids = named?;
        let ids: Vec<Hash> = ids
            .iter()
            .filter_map(|id| Hash::from_hex(id).ok())
            .collect();
        let logged = self.ledger.facts(&ids).await?;
        let mut extra = Vec::new();
        for row in &rows {
            let (id, index) = (row.text("uuid")?, row.opt_int("leaf_index")?);
            let index = index.and_then(|index| u64::try_from(index).ok());
            let is_logged = |fact: &LoggedFact| {
                fact.stored.fact_id.to_string() == id && Some(fact.stored.leaf_index) == index
            };
            if !logged.iter().any(is_logged) {
                let what = "the database has a row of a fact that the log does not have";
                let name = format!("chitty_chain_facts:{id}");
                extra.push(Finding::new(Code::FactRowExtra, name, what));
            }
        }
        Ok(extra)
    }

    /// The rows that these record, and what the log has of them.
    async fn check_recorded(&self, entries: &[StoredFact]) -> Result<Vec<Finding>, AuditError> {
        let subjects: BTreeSet<&str> = entries.iter().filter_map(record_subject).collect();
        let named: Vec<(&'static Table, &str)> =
            subjects.into_iter().filter_map(Table::of_subject).collect();
        if named.is_empty() {
            return Ok(Vec::new());
        }
        let asked = named.iter().map(|(table, id)| place(table, id)).collect();
        let places = self.db.batch(asked).await?;
        let name = |((table, id), place): (&(&'static Table, &str), &Outcome)| Named {
            table,
            id: (*id).to_owned(),
            erased_with: place
                .first()
                .map_or(Vec::new(), |row| table.erased_with(row)),
        };
        let rows: Vec<Named> = named.iter().zip(&places).map(name).collect();
        let mut found = Vec::new();
        for (history, place) in histories(self.ledger, &rows).await?.iter().zip(&places) {
            match place.first() {
                Some(row) => found.extend(self.rolled_back(&Place::of(row, "since")?, history)),
                None => found.push(missing_row(history)),
            }
            found.extend(history.replaced());
        }
        Ok(found)
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
}

/// Where the row names its record, and what it is erased with.
fn place(table: &Table, id: &str) -> Statement {
    let Table {
        name,
        lasting,
        since,
        ..
    } = table;
    let erased_with = table.erased_with.join(", ");
    let select = format!(
        "SELECT recorded_fact, {lasting} AS lasting, {since} AS since, {erased_with} \
         FROM {name} WHERE id = ?1"
    );
    Statement::new(select).bind(id)
}

fn missing_row(history: &History) -> Finding {
    let what = "the log records the row, and the database does not have it";
    let newest = history
        .newest()
        .map(|known| known.stored.fact_id.to_string());
    Finding::new(Code::RowMissing, history.name(), what).evidence(newest, None)
}

/// What a record is about.
fn record_subject(stored: &StoredFact) -> Option<&str> {
    let fact = stored.content.fact()?;
    (fact.predicate == PREDICATE && fact.source == SOURCE).then_some(fact.subject.as_str())
}
