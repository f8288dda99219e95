//! Rows that are read at a time: many short ones, few long ones.

use super::tables::Table;
use crate::ledger::MAX_FACTS;
use crate::sql::{DatabaseError, Row};

/// As many as a statement takes parameters, since what they name is looked up by it.
pub(super) const MOST_ROWS: usize = MAX_FACTS;

/// After the query of [`Table::page_of`], its condition, order and limit: as many of the first rows
/// as have no more than some megabytes, and one more. A row of the database has at most two.
pub(super) const END: &str = ") p) q WHERE q.chars_before < 2000000) ORDER BY id";

/// Bytes of an id that are kept of where an audit is: no tool takes one as long.
const MOST_ID: usize = 1_000;

/// After which id the rows after these begin; none if there are no rows. A longer id than any that
/// is asked for would not fit where an audit is put aside: those that begin like it are passed over.
pub(super) fn after(rows: &[Row]) -> Result<Option<String>, DatabaseError> {
    let Some(last) = rows.last() else {
        return Ok(None);
    };
    let mut id = last.text("id")?;
    if id.len() > MOST_ID {
        id.truncate(id.floor_char_boundary(MOST_ID));
        id.push(char::MAX);
    }
    Ok(Some(id))
}

impl Table {
    /// Reads what is recorded of rows, and what the audit needs beside it.
    pub fn page(&self) -> String {
        let columns: Vec<&str> = self.columns.iter().map(|(name, _)| *name).collect();
        let beside = format!(", recorded_fact, records, {} AS lasting", self.lasting);
        self.page_of(&columns, &beside)
    }

    /// Reads these columns of rows; which rows follows, and then [`END`].
    pub fn page_of(&self, columns: &[&str], beside: &str) -> String {
        let length = |column: &&str| format!("COALESCE(LENGTH(CAST({column} AS TEXT)), 0)");
        let lengths: Vec<String> = columns.iter().map(length).collect();
        let (name, columns, chars) = (self.name, columns.join(", "), lengths.join(" + "));
        format!(
            "SELECT {columns}{beside} FROM {name} WHERE id IN (SELECT q.id FROM (SELECT p.id, \
             SUM(p.chars) OVER (ORDER BY p.id) - p.chars AS chars_before \
             FROM (SELECT id, {chars} AS chars FROM {name}"
        )
    }
}
