//! What is done from time to time: ended keys are erased, and keys that an older encryption
//! key sealed are sealed under the current one.

use super::stored::StoredKey;
use super::{DAY_MS, Vault, VaultError, statements};
use crate::sql::Statement;

/// D1 counts each statement of a batch, and allows a run 1,000, or 50 without a paid plan.
const BATCH: i64 = 25;
const MAX_BATCHES: usize = 20;

/// How far sealing again has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Resealed {
    /// By this run.
    pub resealed: u64,
    /// Under older keys still, those that do not open included.
    pub remaining: i64,
    /// Of these, such as cannot be opened with the keys there are.
    pub undecryptable: i64,
}

impl Vault {
    /// Erases replaced keys whose time is over, and forgets what ended 90 days ago. Returns how
    /// many it erased.
    pub async fn erase_ended(&self) -> Result<u64, VaultError> {
        let now_ms = self.now_ms();
        let batch = vec![
            statements::erase_ended(now_ms),
            statements::delete_old(now_ms),
        ];
        let outcomes = self.audit.database.batch(batch).await?;
        Ok(outcomes.first().map_or(0, |outcome| outcome.changes))
    }

    /// Seals keys of older encryption keys again, at most 500. Each row changes only if it
    /// is still as it was read, so this may be broken off, repeated, and run twice at once or
    /// beside calls. What does not open is tried again after a day.
    pub async fn reseal(&self) -> Result<Resealed, VaultError> {
        let mut resealed = 0;
        for _ in 0..MAX_BATCHES {
            let keys = self.sealed_under_others().await?;
            if keys.is_empty() {
                break;
            }
            resealed += self.reseal_batch(&keys).await?;
        }
        let count = statements::count_sealed_under_others(self.sealer.key_id());
        let left = self.run(count).await?;
        let row = left.first().ok_or(VaultError::NotFound)?;
        Ok(Resealed {
            resealed,
            remaining: row.int("remaining")?,
            undecryptable: row.int("undecryptable")?,
        })
    }

    async fn sealed_under_others(&self) -> Result<Vec<StoredKey>, VaultError> {
        let tried_since = self.now_ms().saturating_sub(DAY_MS);
        let find = statements::sealed_under_others(self.sealer.key_id(), tried_since, BATCH);
        let rows = self.run(find).await?.rows;
        Ok(rows.iter().map(StoredKey::read).collect::<Result<_, _>>()?)
    }

    async fn reseal_batch(&self, keys: &[StoredKey]) -> Result<u64, VaultError> {
        let mut opened = Vec::with_capacity(keys.len());
        let mut batch: Vec<Statement> = Vec::with_capacity(keys.len());
        for key in keys {
            let secret = key.open(&self.sealer).ok();
            opened.push(secret.is_some());
            batch.push(match secret {
                Some(secret) => statements::reseal(key, &self.seal(&key.place, &secret)?),
                None => statements::mark_undecryptable(key, Some(self.now_ms())),
            });
        }
        let outcomes = self.audit.database.batch(batch).await?;
        let done = outcomes.iter().zip(opened);
        Ok(done
            .filter(|(outcome, opened)| *opened && outcome.changes > 0)
            .count() as u64)
    }
}
