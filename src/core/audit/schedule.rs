//! When standing audits are due: five fields as of cron, in UTC, of which minute and hour are
//! numbers, days are numbers or `*`, and months `*`.

use chrono::{DateTime, Datelike as _, Days};

use super::types::Level;
use crate::sql::{DatabaseError, Row};

const DAY_MS: i64 = 86_400_000;
/// Every schedule has a day in each month of so many.
const LONGEST_DAYS: u64 = 62;

pub(super) struct Schedule {
    pub level: Level,
    minute: i64,
    hour: i64,
    day_of_month: Option<u32>,
    /// 0 is Sunday.
    day_of_week: Option<u32>,
}

impl Schedule {
    /// Of a standing audit. None where it has no schedule that can be read.
    pub fn of(row: &Row) -> Result<Option<Self>, DatabaseError> {
        let metadata = row.json("metadata")?;
        let text = metadata.get("schedule").and_then(serde_json::Value::as_str);
        let level = Level::named(&row.text("audit_level")?).unwrap_or_default();
        Ok(text.and_then(|text| Self::parse(text, level)))
    }

    fn parse(text: &str, level: Level) -> Option<Self> {
        let fields: Vec<&str> = text.split(' ').collect();
        let [minute, hour, day_of_month, "*", day_of_week] = fields[..] else {
            return None;
        };
        Some(Self {
            level,
            minute: minute
                .parse()
                .ok()
                .filter(|minute| (0..60).contains(minute))?,
            hour: hour.parse().ok().filter(|hour| (0..24).contains(hour))?,
            day_of_month: any_or(day_of_month)?,
            day_of_week: any_or(day_of_week)?,
        })
    }

    /// Whether a moment of the schedule lies after the last run and is over.
    pub fn is_due(&self, last_ms: i64, now_ms: i64) -> bool {
        self.last_before(now_ms)
            .is_some_and(|moment| moment > last_ms)
    }

    fn last_before(&self, now_ms: i64) -> Option<i64> {
        let today = DateTime::from_timestamp_millis(now_ms)?.date_naive();
        let days = (0..LONGEST_DAYS).filter_map(|back| today.checked_sub_days(Days::new(back)));
        let mut moments = days
            .filter(|day| {
                self.day_of_month
                    .is_none_or(|of_month| day.day() == of_month)
            })
            .filter(|day| {
                let of_week = day.weekday().num_days_from_sunday();
                self.day_of_week.is_none_or(|wanted| of_week == wanted % 7)
            })
            .filter_map(|day| {
                let midnight = day.and_hms_opt(0, 0, 0)?.and_utc().timestamp_millis();
                Some(midnight + (self.hour * 60 + self.minute) * 60_000)
            });
        moments.find(|moment| *moment <= now_ms)
    }

    /// Rows of that time and later are looked at: a day more than passes between two runs. What a
    /// row says of its time may be forged, so the deepest looks at all.
    pub fn since_ms(&self, now_ms: i64) -> Option<i64> {
        match self.level {
            Level::Basic => Some(now_ms - 2 * DAY_MS),
            Level::Comprehensive => Some(now_ms - 8 * DAY_MS),
            Level::Forensic => None,
        }
    }
}

#[expect(clippy::option_option, reason = "not a number, or any")]
fn any_or(field: &str) -> Option<Option<u32>> {
    if field == "*" {
        return Some(None);
    }
    field.parse().ok().map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-22 02:30:00 UTC, a Sunday.
    const NOW: i64 = 1_795_314_600_000;
    const HOUR: i64 = 3_600_000;

    fn last(text: &str) -> i64 {
        let schedule = Schedule::parse(text, Level::Basic).unwrap();
        schedule.last_before(NOW).unwrap()
    }

    #[test]
    fn the_last_moment_of_each_schedule() {
        assert_eq!(last("0 2 * * *"), NOW - HOUR / 2);
        assert_eq!(last("45 2 * * *"), NOW - DAY_MS + HOUR / 4);
        // Monday the 16th.
        assert_eq!(last("0 3 * * 1"), NOW - 6 * DAY_MS + HOUR / 2);
        assert_eq!(last("30 2 * * 0"), NOW);
        assert_eq!(last("30 2 * * 7"), NOW);
        // The first of the month.
        assert_eq!(last("0 4 1 * *"), NOW - 21 * DAY_MS + 3 * HOUR / 2);
        assert_eq!(last("0 0 31 * *"), NOW - 22 * DAY_MS - 5 * HOUR / 2);
    }

    #[test]
    fn due_once_after_each_moment() {
        let daily = Schedule::parse("0 2 * * *", Level::Basic).unwrap();
        assert!(daily.is_due(NOW - DAY_MS, NOW));
        assert!(!daily.is_due(NOW - HOUR / 4, NOW));
        assert!(!daily.is_due(NOW - HOUR / 2, NOW));
    }

    #[test]
    fn what_is_no_schedule_is_none() {
        for text in [
            "",
            "0 2 * *",
            "60 2 * * *",
            "0 24 * * *",
            "* 2 * * *",
            "0 2 * 1 *",
            "0 2 x * *",
        ] {
            assert!(Schedule::parse(text, Level::Basic).is_none(), "{text}");
        }
    }
}
