//! What was used, when, by whom, and what it cost.
//!
//! [`record`] puts one row on file for each attempt to have an answer from a provider
//! (`usage_events`), and adds it to the roll-ups in the same transaction; a row that is on
//! file already is not counted again. Nothing else is needed to account for money: sessions,
//! messages and logs may go. A user's erasure ([`forget_user`]) leaves the rows as nobody's.
//!
//! # Roll-ups
//! `usage_rollups` holds sums by quarter hour, because that is what time zones are apart, and
//! by hour, because a month has a quarter as many of those. An event is in six rows: under its
//! key, its session and its case, in each span. Histograms are texts that merge by being
//! joined. One SQL text (`fold.sql`) makes all of it, for an event that arrives as for an hour
//! that is made again ([`rebuild_rollups`], nightly), which also shortens histograms.
//!
//! # Answers
//! [`usage_analytics`] reads roll-ups only, never events. Sums are made by the database by
//! hour or day of a stretch of constant offset from UTC; weeks, months and days that a clock
//! change cuts are put together here.
//!
//! `usage_analytics`, the table, is another thing: it counts messages of sessions by UTC hour
//! for programs that read the database directly, and the chat service fills it. Answers here
//! never read it, and it knows neither attempts nor calls without messages.

mod answer;
mod bins;
mod calendar;
mod data_points;
mod error;
mod event;
mod export;
mod input;
mod output;
mod read;
mod statements;
mod tally;
#[cfg(test)]
mod tests;
mod upkeep;

pub use answer::usage_analytics;
pub use data_points::{DataPoint, DataPoints};
pub use error::AnalyticsError;
pub use event::{
    EventCost, MOST_EVENTS, UsageEvent, cut_off_error, record, record_all, record_cut_off,
};
pub use input::{Format, Granularity, GroupBy, UsageAnalyticsInput};
pub use output::{
    GroupUsage, Percentiles, TokenSums, UsageAnalytics, UsageAnalyticsOutput, UsageBucket,
    UsageSums,
};
pub use upkeep::{Rebuilt, forget_user, is_nightly, rebuild_recent, rebuild_rollups};
