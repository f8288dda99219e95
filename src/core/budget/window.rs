//! Days and months of a time zone, in UTC.

use chrono::{DateTime, Datelike, Months, NaiveDate, NaiveTime};

use super::types::Period;
use crate::ports::TimeZones;

const DAY_MS: i64 = 86_400_000;

/// Half-open, milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    pub start_ms: i64,
    pub end_ms: i64,
}

impl Window {
    /// The day or month of `zone` that `now_ms` lies in. None if the zone is unknown.
    pub fn of(zones: &dyn TimeZones, zone: &str, period: Period, now_ms: i64) -> Option<Self> {
        let local_ms = now_ms.checked_add(zones.offset_ms(zone, now_ms)?)?;
        let today = DateTime::from_timestamp_millis(local_ms)?.date_naive();
        let (first, next) = match period {
            Period::Day => (today, today.succ_opt()?),
            Period::Month => {
                let first = today.with_day(1)?;
                (first, first.checked_add_months(Months::new(1))?)
            }
        };
        Some(Self {
            start_ms: midnight(zones, zone, first)?,
            end_ms: midnight(zones, zone, next)?,
        })
    }
}

/// When the day begins in the zone: the first midnight of two, and where the clock jumps over
/// midnight, the jump.
fn midnight(zones: &dyn TimeZones, zone: &str, day: NaiveDate) -> Option<i64> {
    let local_ms = day.and_time(NaiveTime::MIN).and_utc().timestamp_millis();
    let before = zones.offset_ms(zone, local_ms.checked_sub(DAY_MS)?)?;
    let after = zones.offset_ms(zone, local_ms.checked_add(DAY_MS)?)?;
    let earlier = local_ms - before.max(after);
    if zones.offset_ms(zone, earlier)? == before.max(after) {
        return Some(earlier);
    }
    Some(local_ms - before.min(after))
}
