//! Facts that are logged and have no rows yet. Rows are written in the order of the log, so they
//! are those after the last row, and the log itself is asked for them.

use super::facts::is_about;
use super::{EraseError, Erased, Eraser};
use crate::chain::checkpoint::Checkpoint;
use crate::chain::receipt::StoredFact;
use crate::sql::Statement;

/// How many are looked through.
const MOST: u64 = 5_000;

impl Eraser {
    /// Those that go with what is erased.
    pub(super) async fn late(&self, erased: &Erased) -> Result<Vec<StoredFact>, EraseError> {
        let head = self.ledger.head().await?;
        let size = Checkpoint::parse_unverified(&head.checkpoint).map_or(0, |head| head.size);
        let mut next = self.rows_end().await?;
        if size.saturating_sub(next) > MOST {
            return Err(EraseError::RowsLate);
        }
        let mut late = Vec::new();
        while next < size {
            let entries = self.ledger.entries(next).await?;
            let Some(last) = entries.last() else {
                break;
            };
            next = last.leaf_index + 1;
            let about = |entry: &StoredFact| {
                let fact = entry.content.fact();
                fact.is_some_and(|fact| is_about(fact, erased))
            };
            late.extend(entries.into_iter().filter(about));
        }
        Ok(late)
    }

    /// The place after the last row.
    async fn rows_end(&self) -> Result<u64, EraseError> {
        let select = "SELECT COALESCE(MAX(leaf_index) + 1, 0) AS next FROM chitty_chain_facts";
        Ok(self.db.run(Statement::new(select)).await?.count("next")?)
    }
}
