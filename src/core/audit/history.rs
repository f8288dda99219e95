//! What the log has of a row: its records, and the erasures of what it belongs to. Both are found
//! by the keys that they were logged under, so nothing in the database decides what is seen.

use super::erasure::{erasures_of, tellings_of, told_erased};
use super::error::AuditError;
use super::finding::{Code, Finding};
use super::recorder::records_of;
use super::rows::Record;
use super::tables::Table;
use crate::chain::hash::Hash;
use crate::chain::receipt::{StoredContent, StoredFact};
use crate::ledger::{Keyed, Ledger};
use crate::sql::{DatabaseError, Row};

/// A row by its name, and what it is erased with.
pub(super) struct Named {
    pub table: &'static Table,
    pub id: String,
    pub erased_with: Vec<String>,
}

/// Of one row, oldest first.
#[derive(Debug)]
pub(super) struct History {
    table: &'static Table,
    /// `table:id`.
    name: String,
    records: Vec<Known>,
    /// There are more than were looked at.
    more: bool,
    /// What tells of erasures.
    tellings: Vec<StoredFact>,
}

/// A record as the log has it.
#[derive(Debug)]
pub(super) struct Known {
    pub stored: StoredFact,
    /// None where it cannot be read, or is gone.
    pub record: Option<Record>,
}

impl Known {
    pub fn is_erased(&self) -> bool {
        self.stored.content == StoredContent::Erased
    }
}

/// What the log has of each of these rows.
pub(super) async fn histories(
    ledger: &dyn Ledger,
    rows: &[Named],
) -> Result<Vec<History>, AuditError> {
    let records = rows.iter().map(|row| records_of(row.table, &row.id));
    // After the records: an erasure is told before it is done.
    let erasures = rows.iter().flat_map(|row| &row.erased_with);
    let asked: Vec<String> = records.chain(erasures.map(|id| erasures_of(id))).collect();
    let mut found = ledger.keyed(&asked).await?;
    let mut tellings = found.split_off(rows.len().min(found.len())).into_iter();
    let history = |(row, records): (&Named, Keyed)| {
        let of_row = tellings.by_ref().take(row.erased_with.len());
        History::of(row, records, row.erased_with.iter().zip(of_row))
    };
    Ok(rows.iter().zip(found).map(history).collect())
}

impl Named {
    pub fn of(table: &'static Table, row: &Row) -> Result<Self, DatabaseError> {
        Ok(Self {
            table,
            id: row.text("id")?,
            erased_with: table.erased_with(row),
        })
    }
}

impl History {
    fn of<'a>(
        row: &Named,
        records: Keyed,
        told: impl Iterator<Item = (&'a String, Keyed)>,
    ) -> Self {
        let (table, prefix) = (row.table, records_of(row.table, &row.id));
        let is_state = |key: &str| {
            let state = key.strip_prefix(&prefix);
            state.is_some_and(|state| state.parse::<u32>().is_ok())
        };
        let known = |stored: StoredFact| Known {
            record: stored
                .content
                .fact()
                .and_then(|fact| Record::of(fact, table, &row.id)),
            stored,
        };
        Self {
            table,
            name: format!("{}:{}", table.name, &row.id),
            records: records
                .facts
                .into_iter()
                .filter(|fact| is_state(&fact.key))
                .map(|fact| known(fact.stored))
                .collect(),
            more: records.more,
            tellings: told
                .flat_map(|(what, keyed)| tellings_of(what, keyed))
                .collect(),
        }
    }

    pub fn find(&self, id: &Hash) -> Option<&Known> {
        self.records
            .iter()
            .find(|known| known.stored.fact_id == *id)
    }

    pub fn newest(&self) -> Option<&Known> {
        self.records.last()
    }

    /// When the erasure of a record was told.
    pub fn told_at_ms(&self, record: &Hash) -> Option<u64> {
        let mut telling = self.tellings.iter();
        let telling = telling.find(|telling| told_erased(telling).contains(record));
        telling.map(|telling| telling.logged_at_ms)
    }

    /// Records that say of a final row what it does not change to.
    pub fn replaced(&self) -> Vec<Finding> {
        let pairs = self.records.iter().zip(self.records.iter().skip(1));
        let mut found: Vec<Finding> = pairs
            .filter_map(|(earlier, later)| self.replacement(earlier, later))
            .collect();
        if self.more {
            let what = "the log has more records of the row than an audit reads";
            found.push(Finding::new(Code::RecordReplaced, self.name.as_str(), what));
        }
        found
    }

    fn replacement(&self, earlier: &Known, later: &Known) -> Option<Finding> {
        let now = later.record.as_ref()?;
        if earlier.is_erased() {
            return self.come_back(now);
        }
        // By an erasure that was cut short: rows are emptied before facts go.
        let is_told = self.told_at_ms(&earlier.stored.fact_id).is_some();
        if is_told && self.table.not_emptied(now).is_none() {
            return None;
        }
        let before = earlier.record.as_ref()?;
        let column = self.table.replaced(before, now)?;
        let what = "the log records a later state of the row that a final row does not change to";
        let finding = Finding::new(Code::RecordReplaced, self.name.as_str(), what).column(column);
        let of = |record: &Record| record.columns.get(column).cloned();
        Some(finding.evidence(of(before), of(now)))
    }

    /// A record after an erasure that says more than one leaves.
    fn come_back(&self, record: &Record) -> Option<Finding> {
        let column = self.table.not_emptied(record)?;
        let what = "the row is recorded again after its erasure, and is not empty";
        let finding = Finding::new(Code::RecordReplaced, self.name.as_str(), what).column(column);
        Some(finding.evidence(None, record.columns.get(column).cloned()))
    }

    /// What of the row is said to be erased and is not, or is and no erasure tells of it.
    pub fn untold(&self) -> Vec<Finding> {
        let mut found = Vec::new();
        for known in &self.records {
            let before = |telling: &&StoredFact| telling.leaf_index < known.stored.leaf_index;
            let mut tellings = self.tellings.iter().filter(before).peekable();
            let told_before = tellings.peek().is_some();
            let gone = known.is_erased() && self.told_at_ms(&known.stored.fact_id).is_none();
            let says_gone = known
                .record
                .as_ref()
                .is_some_and(|record| self.table.tells_erased(record));
            if gone || (says_gone && !told_before) {
                let what = "the row's content is gone, and no erasure of it is in the log";
                let finding = Finding::new(Code::ContentGone, self.name.as_str(), what);
                found.push(finding.evidence(known.stored.fact_id.to_string(), None));
            }
            if tellings.any(|telling| self.is_carried_out(telling)) {
                found.extend(
                    known
                        .record
                        .as_ref()
                        .and_then(|record| self.come_back(record)),
                );
            }
        }
        found
    }

    /// Whether nothing of the row that it tells of is there any more.
    fn is_carried_out(&self, telling: &StoredFact) -> bool {
        let named = told_erased(telling);
        let is_named = |known: &&Known| named.contains(&known.stored.fact_id);
        self.records.iter().filter(is_named).all(Known::is_erased)
    }

    /// Records after that one.
    pub fn after(&self, record: &Known) -> impl Iterator<Item = &Known> {
        let index = record.stored.leaf_index;
        self.records
            .iter()
            .filter(move |known| known.stored.leaf_index > index)
    }

    pub fn name(&self) -> &str {
        &self.name
    }
}
