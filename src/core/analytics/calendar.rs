//! Hours, days, weeks and months of a time zone, as runs of quarter hours counted from 1970
//! in UTC.
//!
//! A range is cut where the zone's offset changes. Within such a stretch local days and hours
//! are plain division, which SQL can do; buckets are put together from its quotients here.

use chrono::{DateTime, Datelike, Months, NaiveDate};

use super::event::QUARTER_MS;
use super::input::Granularity;
use crate::ports::TimeZones;
use crate::time::midnight_ms;

pub(super) const QUARTERS_IN_HOUR: i64 = 4;
pub(super) const QUARTERS_IN_DAY: i64 = 96;
/// 1970-01-01 was a Thursday; weeks begin on Monday (ISO 8601).
const DAYS_BEFORE_FIRST_THURSDAY: i64 = 3;

/// Some time in which the zone's offset stays. Quarter hours, half-open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stretch {
    pub from: i64,
    pub to: i64,
    pub offset: i64,
    /// The bucket of each unit (hour or day) that it touches.
    pub buckets: Vec<usize>,
    /// The number of the first unit.
    pub first_unit: i64,
}

/// Quarter hours, half-open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bucket {
    pub from: i64,
    pub to: i64,
}

/// A range cut into stretches, and the buckets it is told in: without gaps, in order.
#[derive(Debug)]
pub(super) struct Calendar {
    pub stretches: Vec<Stretch>,
    pub buckets: Vec<Bucket>,
    /// Quarter hours of what SQL groups by: an hour or a day.
    pub unit: i64,
}

impl Calendar {
    /// None if the zone is unknown.
    pub fn new(zone: &Zone<'_>, from: i64, to: i64, granularity: Granularity) -> Option<Self> {
        let mut calendar = Self {
            stretches: Vec::new(),
            buckets: Vec::new(),
            unit: match granularity {
                Granularity::Hour => QUARTERS_IN_HOUR,
                _ => QUARTERS_IN_DAY,
            },
        };
        let mut last_key = None;
        let mut at = from;
        while at < to {
            let offset = zone.offset(at)?;
            let until = zone.until_change(at, to, offset)?;
            let unit = calendar.unit;
            let first_unit = (at + offset).div_euclid(unit);
            let last_unit = (until - 1 + offset).div_euclid(unit);
            let mut buckets = Vec::new();
            for number in first_unit..=last_unit {
                let ends = ((number + 1) * unit - offset).min(until);
                let key = key_of(granularity, number, calendar.stretches.len())?;
                match calendar.buckets.last_mut() {
                    Some(open) if last_key == Some(key) => open.to = ends,
                    _ => calendar.buckets.push(Bucket {
                        from: (number * unit - offset).max(at),
                        to: ends,
                    }),
                }
                last_key = Some(key);
                buckets.push(calendar.buckets.len() - 1);
            }
            calendar.stretches.push(Stretch {
                from: at,
                to: until,
                offset,
                buckets,
                first_unit,
            });
            at = until;
        }
        Some(calendar)
    }
}

impl Stretch {
    /// The bucket of a unit.
    pub fn bucket(&self, unit: i64) -> Option<usize> {
        let at = usize::try_from(unit - self.first_unit).ok()?;
        self.buckets.get(at).copied()
    }
}

/// Units of one key are one bucket. The hour that a clock repeats is two.
fn key_of(granularity: Granularity, unit: i64, stretch: usize) -> Option<(i64, usize)> {
    Some(match granularity {
        Granularity::Hour => (unit, stretch),
        Granularity::Day => (unit, 0),
        Granularity::Week => ((unit + DAYS_BEFORE_FIRST_THURSDAY).div_euclid(7), 0),
        Granularity::Month => {
            let day = date(unit)?;
            (i64::from(day.year()) * 12 + i64::from(day.month0()), 0)
        }
    })
}

fn date(days: i64) -> Option<NaiveDate> {
    let ms = days.checked_mul(QUARTERS_IN_DAY * QUARTER_MS)?;
    DateTime::from_timestamp_millis(ms).map(|time| time.date_naive())
}

/// A zone of the IANA database, in quarter hours.
pub(super) struct Zone<'a> {
    pub zones: &'a dyn TimeZones,
    pub name: &'a str,
}

impl Zone<'_> {
    /// What it is ahead of UTC. None if the zone is unknown.
    pub fn offset(&self, at: i64) -> Option<i64> {
        let ms = self
            .zones
            .offset_ms(self.name, at.checked_mul(QUARTER_MS)?)?;
        Some(ms.div_euclid(QUARTER_MS))
    }

    /// The first quarter hour from `at` with another offset, at most `end`. No zone changes
    /// its offset twice within a day.
    fn until_change(&self, at: i64, end: i64, offset: i64) -> Option<i64> {
        let mut same = at;
        while same < end {
            let next = (same + QUARTERS_IN_DAY).min(end);
            if self.offset(next)? != offset {
                return self.change_between(same, next, offset);
            }
            same = next;
        }
        Some(end)
    }

    /// By halving.
    fn change_between(&self, mut same: i64, mut changed: i64, offset: i64) -> Option<i64> {
        while changed - same > 1 {
            let middle = i64::midpoint(same, changed);
            if self.offset(middle)? == offset {
                same = middle;
            } else {
                changed = middle;
            }
        }
        Some(changed)
    }

    /// When a local day begins.
    pub fn midnight(&self, day: NaiveDate) -> Option<i64> {
        let ms = midnight_ms(self.zones, self.name, day)?;
        Some(ms.div_euclid(QUARTER_MS))
    }

    /// The local day of a quarter hour.
    pub fn day_of(&self, at: i64) -> Option<NaiveDate> {
        date((at + self.offset(at)?).div_euclid(QUARTERS_IN_DAY))
    }
}

/// `months` before, or the last day of that month.
pub(super) fn months_before(day: NaiveDate, months: u32) -> Option<NaiveDate> {
    day.checked_sub_months(Months::new(months))
}
