//! Rows of facts, for queries: those of a small round before it is answered, all others in the
//! time between rounds, and what is left with the alarm.

use serde_json::json;

use super::Log;
use crate::chain::error::SequencerError;
use crate::chain::store::{EntryRow, LogStore};
use crate::ledger::{project, project_apart};
use crate::ports::Level;
use crate::sql::DatabaseError;

/// Rows of one batch.
const PAGE: u64 = 100;
/// Batches of one alarm.
const PAGES: usize = 50;

/// Where the rows are after some were to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rows {
    /// None were left to write.
    Written,
    /// There may be more.
    Left,
    /// They could not be written now.
    Late,
}

impl<S: LogStore + 'static> Log<S>
where
    S::Error: std::fmt::Display,
{
    /// The rows of a small round, so that they are there when it is answered.
    pub(super) async fn write_few_rows(&self) {
        if self.rows_late.get() {
            return;
        }
        let few = |due: &Vec<EntryRow>| due.len() as u64 <= PAGE;
        if self.due_rows(PAGE + 1).is_ok_and(|due| few(&due)) {
            self.write_page().await;
        }
    }

    /// As many rows as one alarm writes.
    pub(super) async fn write_rows(&self) -> Rows {
        for _ in 0..PAGES {
            match self.write_page().await {
                Rows::Left => (),
                done => return done,
            }
        }
        Rows::Left
    }

    /// Writes the oldest rows that are due. After an error nobody waits for rows until some were written again.
    pub(super) async fn write_page(&self) -> Rows {
        // Whoever comes meanwhile writes the next ones.
        let _writing = self.writing_rows.lock().await;
        let written = self.write_due().await;
        self.rows_late.set(written.is_err());
        match written {
            Ok(true) => Rows::Left,
            Ok(false) => Rows::Written,
            Err(cause) => {
                self.say("fact_rows_late", &cause);
                Rows::Late
            }
        }
    }

    /// False if none are due.
    async fn write_due(&self) -> Result<bool, String> {
        let due = self.due_rows(PAGE)?;
        let Some(last) = due.last() else {
            return Ok(false);
        };
        match project(&*self.ports.rows, &due).await {
            Err(DatabaseError::Constraint { .. }) => self.write_apart(&due).await?,
            outcome => outcome.map_err(|error| error.to_string())?,
        }
        let marked = self.with(|log| {
            let marked = log.store_mut().rows_written(last.index);
            marked.map_err(SequencerError::Store)
        });
        marked.map_err(|refusal| refusal.message)?;
        Ok(true)
    }

    async fn write_apart(&self, due: &[EntryRow]) -> Result<(), String> {
        let refused = project_apart(&*self.ports.rows, due).await;
        for row in refused.map_err(|error| error.to_string())? {
            let fields = json!({ "leaf_index": row.index, "cause": row.cause.to_string() });
            let log = &self.ports.log;
            log.record(Level::Error, "fact_row_refused", fields);
        }
        Ok(())
    }

    fn due_rows(&self, limit: u64) -> Result<Vec<EntryRow>, String> {
        let due = self.with(|log| {
            let due = log.store().due_rows(log.size(), limit);
            due.map_err(SequencerError::Store)
        });
        due.map_err(|refusal| refusal.message)
    }
}
