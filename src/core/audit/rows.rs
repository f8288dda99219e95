//! Rows held against their records in the log.

use std::collections::BTreeMap;

use super::auditor::Auditor;
use super::digest::{self, RowDigest};
use super::finding::{Code, Finding};
use super::recorder::{PREDICATE, REFUSED, SOURCE, subject};
use super::tables::{Form, Table};
use crate::chain::fact::Fact;
use crate::chain::hash::Hash;
use crate::ledger::LoggedFact;
use crate::sql::{DatabaseError, Row};

/// How long the sweep may take to record a row.
const GRACE_MS: u64 = 15 * 60_000;

/// What a record says of its row.
pub(super) struct Record {
    pub whole: String,
    pub columns: BTreeMap<String, String>,
    /// Which of the row's states it is: 0, 1, ….
    state: i64,
}

impl Record {
    /// None for a fact that is no record, or not of that row.
    pub fn of(fact: &Fact, table: &Table, id: &str) -> Option<Self> {
        let ours = fact.predicate == PREDICATE
            && fact.source == SOURCE
            && fact.subject == subject(table, id);
        let columns = fact.metadata.get("columns").filter(|_| ours)?;
        Some(Self {
            whole: fact.object.clone(),
            columns: serde_json::from_str(columns).ok()?,
            state: fact.metadata.get("state")?.parse().ok()?,
        })
    }
}

impl Auditor<'_> {
    /// The id of the record that a row names, if it names one.
    pub(super) fn record_id(row: &Row) -> Result<Option<Hash>, DatabaseError> {
        let named = row.opt_text("recorded_fact")?;
        Ok(named.and_then(|id| Hash::from_hex(&id).ok()))
    }

    /// What is wrong with a row, given the record that it names as the log has it.
    pub(super) fn check_row(
        &self,
        table: &Table,
        row: &Row,
        record: Option<&LoggedFact>,
    ) -> Result<Vec<Finding>, DatabaseError> {
        let id = row.text("id")?;
        let name = format!("{}:{id}", table.name);
        let named = row.opt_text("recorded_fact")?;
        let Some(named) = named else {
            return Ok(self.unrecorded(table, row, &name).into_iter().collect());
        };
        if named == REFUSED {
            let what = "the log holds another record under this row's name";
            return Ok(vec![Finding::new(Code::RecordRefused, name, what)]);
        }
        // One whose content was erased, with the row's, has a record after it that counts.
        let fact = record.and_then(|record| record.stored.content.fact());
        let Some(record) = fact.and_then(|fact| Record::of(fact, table, &id)) else {
            let what = "the row names a record that the log does not have of it";
            let finding = Finding::new(Code::RecordMissing, name, what);
            return Ok(vec![finding.column("recorded_fact").evidence(None, named)]);
        };
        let mut wrong = match digest::of_row(table, row, self.sealer) {
            Ok(found) => differences(table, &name, &record, &found),
            Err(unreadable) => vec![not_readable(&name, unreadable)],
        };
        let counted = row.opt_int("records").ok().flatten();
        if counted != Some(record.state + 1) {
            let what = "the row counts other states than are on record";
            let finding = Finding::new(Code::RowAltered, name, what).column("records");
            let (expected, found) = ((record.state + 1).to_string(), counted);
            wrong.push(finding.evidence(expected, found.map(|count| count.to_string())));
        }
        Ok(wrong)
    }

    fn unrecorded(&self, table: &Table, row: &Row, name: &str) -> Option<Finding> {
        // The sweep cannot record it, and tries for ever.
        if let Err(unreadable) = digest::of_row(table, row, self.sealer) {
            return Some(not_readable(name, unreadable));
        }
        let what = "the row is final and not recorded in the log";
        let late = self.is_late(row.opt_timestamp(table.since).ok().flatten());
        late.then(|| Finding::new(Code::RowUnrecorded, name, what))
    }

    /// Whether the sweep must have recorded a row of that time. None, and a time to come, is no
    /// reason to wait.
    pub(super) fn is_late(&self, since_ms: Option<i64>) -> bool {
        since_ms.is_none_or(|since_ms| self.now_ms.abs_diff(since_ms) > GRACE_MS)
    }
}

fn not_readable(name: &str, unreadable: digest::Unreadable) -> Finding {
    Finding::new(Code::RowUnreadable, name, unreadable.why).column(unreadable.column)
}

fn differences(table: &Table, name: &str, record: &Record, found: &RowDigest) -> Vec<Finding> {
    if found.whole == record.whole {
        return Vec::new();
    }
    let columns = found.differences(&record.columns);
    if columns.is_empty() {
        let what = "the row's digest is not the recorded one, though each column's is";
        return vec![Finding::new(Code::RowAltered, name, what)];
    }
    let of = |column: String| {
        let gone = found.is_null(&column);
        let form = table.columns.iter().find(|(name, _)| *name == column);
        let (code, what) = match form.map(|(_, form)| form) {
            Some(Form::Link) if gone => (Code::LinkGone, "what the column named is deleted"),
            Some(Form::Sealed(_)) if gone => (
                Code::ContentGone,
                "the content is gone, and no erasure of it is recorded",
            ),
            _ => (Code::RowAltered, "the column is not as the log records it"),
        };
        let (expected, now) = (record.columns.get(&column), found.columns.get(&column));
        Finding::new(code, name, what)
            .evidence(expected.cloned(), now.cloned())
            .column(column)
    };
    columns.into_iter().map(of).collect()
}
