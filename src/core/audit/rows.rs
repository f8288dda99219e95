//! Rows held against their records in the log.

use std::collections::BTreeMap;

use super::auditor::Auditor;
use super::digest::{self, RowDigest};
use super::finding::{Code, Finding};
use super::history::{History, Known};
use super::recorder::{MOST_STATES, PREDICATE, REFUSED, SOURCE, subject};
use super::tables::{Form, Table};
use crate::chain::fact::Fact;
use crate::chain::hash::Hash;
use crate::sql::{DatabaseError, Row};

/// How long the sweep may take to record a row.
const GRACE_MS: u64 = 15 * 60_000;

/// Which record a row names, and whether it may be due for another.
pub(super) struct Place {
    fact: Option<String>,
    lasting: bool,
    since_ms: Option<i64>,
}

impl Place {
    pub fn of(row: &Row, since: &str) -> Result<Self, DatabaseError> {
        Ok(Self {
            fact: row.opt_text("recorded_fact")?,
            lasting: row.boolean("lasting")?,
            since_ms: row.opt_timestamp(since).ok().flatten(),
        })
    }
}

/// What a record says of its row.
#[derive(Debug)]
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
    /// What is wrong with a row, given what the log has of it.
    pub(super) fn check_row(
        &self,
        table: &Table,
        row: &Row,
        history: &History,
    ) -> Result<Vec<Finding>, DatabaseError> {
        let mut wrong = self.check_record(table, row, history)?;
        wrong.extend(self.rolled_back(&Place::of(row, table.since)?, history));
        wrong.extend(history.replaced());
        wrong.extend(history.untold());
        Ok(wrong)
    }

    /// The row against the record that it names.
    fn check_record(
        &self,
        table: &Table,
        row: &Row,
        history: &History,
    ) -> Result<Vec<Finding>, DatabaseError> {
        let name = history.name();
        let Some(named) = row.opt_text("recorded_fact")? else {
            return Ok(self.unrecorded(table, row, name).into_iter().collect());
        };
        if named == REFUSED {
            let what = "the log holds another record under this row's name";
            return Ok(vec![Finding::new(Code::RecordRefused, name, what)]);
        }
        let known = Hash::from_hex(&named).ok().and_then(|id| history.find(&id));
        if known.is_some_and(|known| self.is_just_erased(known, history)) {
            return Ok(Vec::new());
        }
        // One whose content was erased, with the row's, has a record after it that counts.
        let Some(record) = known.and_then(|known| known.record.as_ref()) else {
            let what = "the row names a record that the log does not have of it";
            let finding = Finding::new(Code::RecordMissing, name, what);
            return Ok(vec![finding.column("recorded_fact").evidence(None, named)]);
        };
        let mut wrong = match digest::of_row(table, row, self.sealer) {
            Ok(found) => differences(table, name, record, &found),
            Err(unreadable) => vec![not_readable(name, unreadable)],
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

    /// Between the reading of the row and of the log.
    fn is_just_erased(&self, known: &Known, history: &History) -> bool {
        let told_at_ms = history.told_at_ms(&known.stored.fact_id);
        known.is_erased() && told_at_ms.is_some_and(|ms| !self.is_late_since(ms))
    }

    /// A row that names an earlier record than its newest, or none. It may be between two for as
    /// long as the sweep takes, if it is such as is recorded.
    pub(super) fn rolled_back(&self, place: &Place, history: &History) -> Option<Finding> {
        let newest = history.newest()?;
        let named = place.fact.as_ref();
        let named = named.map(|named| Hash::from_hex(named).ok().and_then(|id| history.find(&id)));
        let what = match named {
            None if !place.lasting || self.is_late(place.since_ms) => {
                "the row is on record, and says that it is not"
            }
            Some(Some(named))
                if history
                    .after(named)
                    .any(|later| self.is_late_since(later.stored.logged_at_ms)) =>
            {
                "a later state of the row is recorded than the one that it names"
            }
            _ => return None,
        };
        let finding = Finding::new(Code::RowRolledBack, history.name(), what);
        let newest = newest.stored.fact_id.to_string();
        Some(finding.evidence(newest, place.fact.clone()))
    }

    fn unrecorded(&self, table: &Table, row: &Row, name: &str) -> Option<Finding> {
        // The sweep cannot record it, and tries for ever.
        if let Err(unreadable) = digest::of_row(table, row, self.sealer) {
            return Some(not_readable(name, unreadable));
        }
        let states = row.opt_int("records").ok().flatten();
        if !states.is_some_and(|states| (0..MOST_STATES).contains(&states)) {
            let what = "the row counts more states than are recorded of one";
            return Some(Finding::new(Code::RowUnreadable, name, what).column("records"));
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

    /// The same, of a time in the log.
    pub(super) fn is_late_since(&self, logged_at_ms: u64) -> bool {
        self.is_late(i64::try_from(logged_at_ms).ok())
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
