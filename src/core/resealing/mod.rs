//! Sealed rows of older encryption keys are sealed again under the current one, a slice at a
//! time.
//!
//! Each column is gone through by the order of its ids, from a cursor in `resealing`. A row
//! changes only if it is still as it was read, so a slice may be broken off, repeated, and run
//! twice at once or beside writers. A pass that changed something is followed by another; one
//! that found nothing is followed by another a day later, for as long as older keys are
//! configured: a worker that still had the old key may have written meanwhile.
//!
//! Users' provider keys are sealed again by their vault. Answers kept for a day, and what lives
//! for minutes, are left to expire.

mod places;
#[cfg(test)]
mod tests;

use crate::ports::{Database, Entropy};
use crate::seal::{SealError, Sealer};
use crate::sql::{DatabaseError, Row, Statement};
use places::{PLACES, Place};

/// Rows read at once. A row may hold some hundred kilobytes.
const BATCH: i64 = 10;
/// Batches in a slice.
const SLICE: usize = 20;
const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

/// What a slice came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Resealing {
    /// Rows that this slice sealed again.
    pub resealed: u64,
    /// Rows of this slice that no configured key opens.
    pub unopened: u64,
    /// Columns whose last pass found nothing to do. All of [`Resealing::columns`]: the older
    /// keys are needed here no more.
    pub done: usize,
    pub columns: usize,
}

/// How far a column is.
struct Progress {
    cursor: String,
    /// Rows sealed again in this pass.
    resealed: i64,
    done_at: Option<i64>,
}

/// Seals a slice again. Without older keys there is nothing to do.
pub async fn reseal_slice(
    db: &dyn Database,
    sealer: &Sealer,
    entropy: &dyn Entropy,
    now_ms: i64,
) -> Result<Resealing, ResealError> {
    let mut told = Resealing {
        columns: PLACES.len(),
        ..Resealing::default()
    };
    if !sealer.has_older_keys() {
        told.done = told.columns;
        return Ok(told);
    }
    let mut left = SLICE;
    for place in &PLACES {
        let work = Work {
            db,
            sealer,
            entropy,
            place,
            now_ms,
        };
        while left > 0 && work.is_due().await? {
            work.batch(&mut told).await?;
            left -= 1;
        }
        told.done += usize::from(left > 0);
    }
    Ok(told)
}

#[derive(Debug, thiserror::Error)]
pub enum ResealError {
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error(transparent)]
    Seal(#[from] SealError),
}

/// One column.
struct Work<'a> {
    db: &'a dyn Database,
    sealer: &'a Sealer,
    entropy: &'a dyn Entropy,
    place: &'a Place,
    now_ms: i64,
}

impl Work<'_> {
    async fn is_due(&self) -> Result<bool, DatabaseError> {
        let over = |at: i64| self.now_ms.saturating_sub(at) >= DAY_MS;
        Ok(self.progress().await?.done_at.is_none_or(over))
    }

    async fn progress(&self) -> Result<Progress, DatabaseError> {
        let select = Statement::new(
            "SELECT cursor, resealed, done_at FROM resealing WHERE key_id = ?1 AND place = ?2",
        )
        .bind(self.sealer.key_id())
        .bind(self.place.name());
        let found = self.db.run(select).await?;
        let Some(row) = found.first() else {
            return Ok(Progress {
                cursor: String::new(),
                resealed: 0,
                done_at: None,
            });
        };
        Ok(Progress {
            cursor: row.text("cursor")?,
            resealed: row.int("resealed")?,
            done_at: row.opt_timestamp("done_at")?,
        })
    }

    /// The next rows, and the cursor after them, all or nothing.
    async fn batch(&self, told: &mut Resealing) -> Result<(), ResealError> {
        let at = self.progress().await?;
        // A new pass begins where the last one ended with nothing to do.
        let cursor = if at.done_at.is_some() { "" } else { &at.cursor };
        let rows = self.db.run(self.place.after(cursor, BATCH)).await?.rows;
        let mut statements = Vec::new();
        for row in &rows {
            match self.again(row)? {
                Found::Older(update) => statements.push(update),
                Found::Unopened => told.unopened += 1,
                Found::Current => {}
            }
        }
        let writes = statements.len();
        let end = i64::try_from(rows.len()).is_ok_and(|read| read < BATCH);
        let last = rows.last().map(|row| row.text("id")).transpose()?;
        let pass = at.resealed + i64::try_from(writes).unwrap_or(i64::MAX);
        statements.push(match last {
            Some(id) if !end => self.moved(&at, &id, pass, None),
            // What changed something is gone through once more.
            _ if pass > 0 => self.moved(&at, "", 0, None),
            _ => self.moved(&at, "", 0, Some(self.now_ms)),
        });
        let outcomes = self.db.batch(statements).await?;
        let changed = outcomes.iter().take(writes).filter(|done| done.changes > 0);
        told.resealed += changed.count() as u64;
        Ok(())
    }

    fn again(&self, row: &Row) -> Result<Found, ResealError> {
        let sealed = row.opt_text("sealed")?.unwrap_or_default();
        if !self.sealer.is_older(&sealed) {
            return Ok(Found::Current);
        }
        let id = row.text("id")?;
        let bound = match self.place.owner {
            Some(_) => vec![row.text("owner")?, id.clone()],
            None => vec![id.clone()],
        };
        let aad: Vec<&str> = bound.iter().map(String::as_str).collect();
        let purpose = self.place.purpose;
        let Ok(plain) = self.sealer.open(purpose, &aad, &sealed) else {
            return Ok(Found::Unopened);
        };
        let plain = zeroize::Zeroizing::new(plain);
        let new = self.sealer.seal(purpose, &aad, &plain, self.entropy)?;
        Ok(Found::Older(self.place.replace(&id, &sealed, &new)))
    }

    /// Only from where it was read: a slice beside this one may have gone on.
    fn moved(&self, from: &Progress, to: &str, resealed: i64, done_at: Option<i64>) -> Statement {
        Statement::new(
            "INSERT INTO resealing (key_id, place, cursor, resealed, done_at) \
             VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (key_id, place) DO UPDATE SET \
             cursor = excluded.cursor, resealed = excluded.resealed, done_at = excluded.done_at \
             WHERE resealing.cursor = ?6",
        )
        .bind(self.sealer.key_id())
        .bind(self.place.name())
        .bind(to)
        .bind(resealed)
        .timestamp(done_at)
        .bind(from.cursor.as_str())
    }
}

enum Found {
    Older(Statement),
    /// Left as it is: its key is not configured, or the row was changed.
    Unopened,
    /// Sealed under the current key, or not sealed at all.
    Current,
}
