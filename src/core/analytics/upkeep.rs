//! Roll-ups made again from events, and users forgotten.

use super::event::QUARTER_MS;
use super::statements::{first_bucket_of, forget, rebuild};
use crate::digest::sha256_hex;
use crate::ports::{Clock, Database};
use crate::sql::{DatabaseError, Outcome};

const HOUR_MS: i64 = 3_600_000;
const QUARTERS_IN_HOUR: i64 = 4;
const QUARTERS_IN_DAY: i64 = 96;
/// An attempt is counted when it ends, under the hour it began in.
const SETTLED_AFTER_MS: i64 = 2 * HOUR_MS;

/// UTC.
const NIGHTLY_HOUR: i64 = 3;
const RECENT_MS: i64 = 72 * HOUR_MS;
/// Made anew between two looks at the clock.
const PIECE_MS: i64 = 6 * HOUR_MS;
/// A scheduled run has fifteen minutes.
const MOST_MS: i64 = 600_000;

/// How the roll-ups of a time compare with those made again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rebuilt {
    pub hours: u32,
    /// Hours whose sums were not what their events say. More than 0 is a fault to look into.
    pub hours_corrected: u32,
    /// Where to go on: the first hour that was not made again, since it is not over for long
    /// enough, or `to_ms`.
    pub next_ms: i64,
}

/// Makes the roll-ups of the UTC hours from `from_ms` until `to_ms` anew from their events,
/// and their histograms small. Each hour is one transaction, so it may be stopped and done
/// again at any time. Hours that ended less than two hours ago are left alone.
pub async fn rebuild_rollups(
    database: &dyn Database,
    from_ms: i64,
    to_ms: i64,
    now_ms: i64,
) -> Result<Rebuilt, DatabaseError> {
    let last_ms = to_ms.min(now_ms.saturating_sub(SETTLED_AFTER_MS));
    let mut rebuilt = Rebuilt {
        next_ms: from_ms.div_euclid(HOUR_MS) * HOUR_MS,
        ..Rebuilt::default()
    };
    while rebuilt.next_ms + HOUR_MS <= last_ms {
        let first = rebuilt.next_ms / QUARTER_MS;
        let outcomes = database
            .batch(rebuild(first, first + QUARTERS_IN_HOUR))
            .await?;
        rebuilt.hours += 1;
        rebuilt.hours_corrected += u32::from(sums(outcomes.first())? != sums(outcomes.last())?);
        rebuilt.next_ms += HOUR_MS;
    }
    Ok(rebuilt)
}

/// Whether the hourly run at `now_ms` is the one that makes roll-ups anew.
pub fn is_nightly(now_ms: i64) -> bool {
    now_ms.div_euclid(HOUR_MS).rem_euclid(24) == NIGHTLY_HOUR
}

/// Makes the roll-ups of the last three days anew, for ten minutes at most. What it did not come
/// to, from `next_ms` on, has its turn the next two nights.
pub async fn rebuild_recent(
    database: &dyn Database,
    clock: &dyn Clock,
) -> Result<Rebuilt, DatabaseError> {
    let now_ms = clock.now_ms();
    let mut all = Rebuilt {
        next_ms: now_ms.saturating_sub(RECENT_MS),
        ..Rebuilt::default()
    };
    loop {
        let to_ms = all.next_ms.saturating_add(PIECE_MS);
        let piece = rebuild_rollups(database, all.next_ms, to_ms, now_ms).await?;
        all.hours += piece.hours;
        all.hours_corrected += piece.hours_corrected;
        all.next_ms = piece.next_ms;
        let late = clock.now_ms().saturating_sub(now_ms) >= MOST_MS;
        if late || piece.hours == 0 {
            return Ok(all);
        }
    }
}

fn sums(outcome: Option<&Outcome>) -> Result<Option<[i64; 5]>, DatabaseError> {
    let Some(row) = outcome.and_then(Outcome::first) else {
        return Ok(None);
    };
    Ok(Some([
        row.int("row_count")?,
        row.int("attempts")?,
        row.int("errors")?,
        row.int("tokens")?,
        row.int("cost_nanos")?,
    ]))
}

/// Makes all usage of `user` nobody's: the money stays, who spent it, on what case and in
/// which session, goes; so do the calls' ids and moments, which other rows name beside the user.
/// Their new names come of `seed`, random bytes that are kept nowhere.
/// A day of it at a time, each a transaction: may be stopped and done again.
pub async fn forget_user(
    database: &dyn Database,
    user: &str,
    seed: &[u8; 16],
) -> Result<(), DatabaseError> {
    for pass in 0_u64.. {
        let found = database.run(first_bucket_of(user)).await?;
        let first = found.first().map(|row| row.opt_int("bucket")).transpose()?;
        let Some(first) = first.flatten() else {
            break;
        };
        let from = first.div_euclid(QUARTERS_IN_DAY) * QUARTERS_IN_DAY;
        // No two passes have names alike: a call that ends meanwhile adds to a day that is done.
        let name = sha256_hex([seed.as_slice(), &pass.to_be_bytes()].concat());
        database
            .batch(forget(user, from, from + QUARTERS_IN_DAY, &name))
            .await?;
    }
    Ok(())
}
