use chrono::{Days, NaiveDate};
use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::AnalyticsError;
use super::calendar::{QUARTERS_IN_DAY, Zone, months_before};
use super::event::QUARTER_MS;
use crate::time::{from_rfc3339, to_rfc3339};
use crate::validation::printable_if_some;

const MAX_DAYS: i64 = 1_098;
pub(super) const MAX_BUCKETS: usize = 1_000;

/// Which usage to sum up, and how.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct UsageAnalyticsInput {
    /// Whose usage; yours if left out.
    #[garde(length(chars, min = 1, max = 255), custom(printable_if_some))]
    pub user_id: Option<String>,
    /// From when: a day (`2026-11-01`, its midnight in the time zone) or a time on the quarter
    /// hour (`2026-11-01T08:15:00Z`). Left out: a day back for hours, 30 days for days, 12
    /// weeks for weeks, 12 months for months.
    #[garde(length(chars, max = 40), custom(printable_if_some))]
    pub start_date: Option<String>,
    /// Until when, in the same forms. What happens at that time is not part of it: for all of
    /// November name `2026-12-01`. Left out: now.
    #[garde(length(chars, max = 40), custom(printable_if_some))]
    pub end_date: Option<String>,
    /// What a row of the breakdown is. Weeks begin on Monday.
    #[serde(default)]
    #[garde(skip)]
    pub granularity: Granularity,
    /// Whose hours, days, weeks and months: a name of the IANA database, such as
    /// `Europe/Berlin`. UTC if left out.
    #[garde(length(chars, min = 1, max = 64), custom(printable_if_some))]
    pub time_zone: Option<String>,
    /// What to split the usage by besides time.
    #[garde(skip)]
    pub group_by: Option<GroupBy>,
    /// The breakdown as rows of JSON, or as one text in CSV.
    #[serde(default)]
    #[garde(skip)]
    pub format: Format,
    /// Only what this model answered.
    #[garde(length(chars, min = 1, max = 255), custom(printable_if_some))]
    pub model: Option<String>,
    /// Only this session. At most one of session, case and key can be named, in `group_by` too.
    #[garde(length(chars, min = 1, max = 255), custom(printable_if_some))]
    pub session_id: Option<String>,
    /// Only this case.
    #[garde(length(chars, min = 1, max = 255), custom(printable_if_some))]
    pub case_id: Option<String>,
    /// Only what was called with this key.
    #[garde(length(chars, min = 1, max = 255), custom(printable_if_some))]
    pub key_id: Option<String>,
}

/// How long a row of the breakdown is, on the clock of the time zone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Granularity {
    Hour,
    #[default]
    Day,
    Week,
    Month,
}

/// How the breakdown is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    #[default]
    Json,
    Csv,
}

/// What else a row is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GroupBy {
    Model,
    Session,
    Case,
    Key,
}

/// Quarter hours, half-open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range {
    pub from: i64,
    pub to: i64,
}

impl UsageAnalyticsInput {
    pub(super) fn zone_name(&self) -> &str {
        self.time_zone.as_deref().unwrap_or("UTC")
    }

    /// What is asked for, checked.
    pub(super) fn range(&self, zone: &Zone<'_>, now_ms: i64) -> Result<Range, AnalyticsError> {
        let unknown = || AnalyticsError::UnknownZone(zone.name.to_owned());
        let now = now_ms.div_euclid(QUARTER_MS);
        zone.offset(now).ok_or_else(unknown)?;
        let to = match &self.end_date {
            Some(text) => moment(text, "end_date", zone, now)?,
            None => now + 1,
        };
        let from = match &self.start_date {
            Some(text) => moment(text, "start_date", zone, now)?,
            None => self.default_start(zone, to).ok_or_else(unknown)?,
        };
        if from >= to {
            return Err(AnalyticsError::EmptyRange {
                start: written(from),
                end: written(to),
            });
        }
        self.check_length(to - from)?;
        Ok(Range { from, to })
    }

    fn check_length(&self, quarters: i64) -> Result<(), AnalyticsError> {
        let days = quarters / QUARTERS_IN_DAY;
        if days > MAX_DAYS {
            return Err(AnalyticsError::RangeTooLong {
                days,
                max: MAX_DAYS,
            });
        }
        let hours = usize::try_from(quarters / 4).unwrap_or(usize::MAX);
        if self.granularity == Granularity::Hour && hours > MAX_BUCKETS {
            return Err(AnalyticsError::TooManyHours {
                hours,
                max: MAX_BUCKETS,
            });
        }
        Ok(())
    }

    fn default_start(&self, zone: &Zone<'_>, to: i64) -> Option<i64> {
        let last = zone.day_of(to - 1)?;
        let first = match self.granularity {
            Granularity::Hour => return Some(to - QUARTERS_IN_DAY),
            Granularity::Day => last.checked_sub_days(Days::new(30))?,
            Granularity::Week => last.checked_sub_days(Days::new(84))?,
            Granularity::Month => months_before(last, 12)?,
        };
        zone.midnight(first)
    }
}

/// Reads a day or a time. The quarter hour that is not over yet is told as a whole, so a time
/// in it needs not be on the quarter hour.
fn moment(
    text: &str,
    field: &'static str,
    zone: &Zone<'_>,
    now: i64,
) -> Result<i64, AnalyticsError> {
    let unreadable = || AnalyticsError::UnreadableTime {
        field,
        text: text.to_owned(),
    };
    if let Ok(day) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        return zone.midnight(day).ok_or_else(unreadable);
    }
    let ms = from_rfc3339(text).map_err(|_| unreadable())?;
    let (quarter, rest) = (ms.div_euclid(QUARTER_MS), ms.rem_euclid(QUARTER_MS));
    match rest {
        0 => Ok(quarter),
        _ if quarter == now && field == "end_date" => Ok(quarter + 1),
        _ => Err(AnalyticsError::NotOnTheQuarter {
            field,
            before: written(quarter),
            after: written(quarter + 1),
        }),
    }
}

fn written(quarter: i64) -> String {
    to_rfc3339(quarter.saturating_mul(QUARTER_MS))
}
