use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, FixedOffset, SecondsFormat};
use garde::Validate;

use super::AnalyticsError;
use super::calendar::{Calendar, Stretch, Zone};
use super::event::QUARTER_MS;
use super::input::{Format, Range, UsageAnalyticsInput};
use super::output::{GroupUsage, UsageAnalytics, UsageAnalyticsOutput, UsageBucket};
use super::read::{Selection, Units, pieces};
use super::tally::{Tally, real};
use crate::ports::{Database, TimeZones};
use crate::sql::{DatabaseError, Outcome, Row};

const MAX_GROUPS: usize = 50;
/// Buckets times groups.
const MAX_CELLS: usize = 3_000;
const MIN_GROUPS: usize = 3;

/// What `user` used, as `input` asks. Whether the caller may see that is decided before.
pub async fn usage_analytics(
    database: &dyn Database,
    zones: &dyn TimeZones,
    user: &str,
    input: &UsageAnalyticsInput,
    now_ms: i64,
) -> Result<UsageAnalyticsOutput, AnalyticsError> {
    input
        .validate()
        .map_err(|report| AnalyticsError::InvalidInput(report.to_string()))?;
    let selection = Selection::new(user, input)?;
    let zone = Zone {
        zones,
        name: input.zone_name(),
    };
    let range = input.range(&zone, now_ms)?;
    let calendar = Calendar::new(&zone, range.from, range.to, input.granularity)
        .ok_or_else(|| AnalyticsError::UnknownZone(zone.name.to_owned()))?;
    let groups = ranking(database, &selection, range, calendar.buckets.len()).await?;
    let cells = Cells::read(database, &selection, range, &calendar, groups).await?;
    let mut output = UsageAnalyticsOutput {
        analytics: cells.told(input, &zone, range, &calendar),
        csv: None,
    };
    if input.format == Format::Csv {
        output.csv = Some(output.to_csv());
        output.analytics.breakdown.clear();
    }
    Ok(output)
}

async fn ranking(
    database: &dyn Database,
    selection: &Selection<'_>,
    range: Range,
    buckets: usize,
) -> Result<Vec<String>, DatabaseError> {
    let most = (MAX_CELLS / buckets.max(1)).clamp(MIN_GROUPS, MAX_GROUPS);
    let Some(statement) = selection.ranking(range, most) else {
        return Ok(Vec::new());
    };
    let found = database.run(statement).await?;
    found.rows.iter().map(|row| row.text("member")).collect()
}

/// Tallies by bucket and group, the rest being the last group.
struct Cells {
    tallies: BTreeMap<(usize, usize), Tally>,
    groups: Vec<String>,
    sessions: Option<i64>,
}

impl Cells {
    async fn read(
        database: &dyn Database,
        selection: &Selection<'_>,
        range: Range,
        calendar: &Calendar,
        groups: Vec<String>,
    ) -> Result<Self, DatabaseError> {
        let (mut statements, mut stretches) = (Vec::new(), Vec::new());
        for stretch in &calendar.stretches {
            let by = Units {
                offset: stretch.offset,
                unit: calendar.unit,
                groups: &groups,
            };
            for piece in pieces(stretch, calendar.unit) {
                statements.push(selection.sums(piece, &by));
                statements.push(selection.latencies(piece, &by));
                stretches.extend([stretch, stretch]);
            }
        }
        statements.extend(selection.sessions(range));
        let outcomes = database.batch(statements).await?;
        let mut cells = Self {
            tallies: BTreeMap::new(),
            sessions: sessions(outcomes.get(stretches.len()))?,
            groups,
        };
        cells.fill(&outcomes, &stretches)?;
        Ok(cells)
    }

    fn fill(&mut self, outcomes: &[Outcome], stretches: &[&Stretch]) -> Result<(), DatabaseError> {
        let ranks: HashMap<&str, usize> = self
            .groups
            .iter()
            .enumerate()
            .map(|(rank, group)| (group.as_str(), rank))
            .collect();
        for (outcome, stretch) in outcomes.iter().zip(stretches) {
            for row in &outcome.rows {
                let Some(bucket) = stretch.bucket(row.int("unit")?) else {
                    continue;
                };
                let member = row.opt_text("member")?;
                let rank = member.and_then(|member| ranks.get(member.as_str()).copied());
                let tally = self
                    .tallies
                    .entry((bucket, rank.unwrap_or(ranks.len())))
                    .or_default();
                add(tally, row)?;
            }
        }
        Ok(())
    }

    fn told(
        &self,
        input: &UsageAnalyticsInput,
        zone: &Zone<'_>,
        range: Range,
        calendar: &Calendar,
    ) -> UsageAnalytics {
        let (mut total, mut groups) = (Tally::default(), BTreeMap::new());
        for ((_, group), tally) in &self.tallies {
            total.merge(tally);
            groups
                .entry(*group)
                .or_insert_with(Tally::default)
                .merge(tally);
        }
        let totals = total.told();
        UsageAnalytics {
            total_sessions: self.sessions,
            total_messages: totals.messages,
            total_tokens: totals.tokens.total,
            total_cost: totals.cost_nanos.map(|nanos| real(nanos) / 1e9),
            start: local_time(zone, range.from),
            end: local_time(zone, range.to),
            time_zone: zone.name.to_owned(),
            granularity: input.granularity,
            group_by: input.group_by,
            totals,
            groups: self.groups_told(input, groups.iter().map(|(group, tally)| (*group, tally))),
            breakdown: (0..)
                .zip(&calendar.buckets)
                .map(|(number, bucket)| {
                    let of_bucket = self.tallies.range((number, 0)..(number + 1, 0));
                    let of_bucket = of_bucket.map(|((_, group), tally)| (*group, tally));
                    let mut sum = Tally::default();
                    of_bucket.clone().for_each(|(_, tally)| sum.merge(tally));
                    UsageBucket {
                        start: local_time(zone, bucket.from),
                        end: local_time(zone, bucket.to),
                        usage: sum.told(),
                        groups: self.groups_told(input, of_bucket),
                    }
                })
                .collect(),
        }
    }

    fn groups_told<'a>(
        &self,
        input: &UsageAnalyticsInput,
        groups: impl Iterator<Item = (usize, &'a Tally)>,
    ) -> Vec<GroupUsage> {
        if input.group_by.is_none() {
            return Vec::new();
        }
        groups
            .map(|(rank, tally)| {
                let group = self.groups.get(rank);
                GroupUsage {
                    group: group.filter(|group| !group.is_empty()).cloned(),
                    is_rest: group.is_none(),
                    usage: tally.told(),
                }
            })
            .collect()
    }
}

/// A row is of sums or of histograms.
fn add(tally: &mut Tally, row: &Row) -> Result<(), DatabaseError> {
    if row.value("latencies").is_some() {
        return tally.latencies.absorb(&row.text("latencies")?);
    }
    tally.absorb(row)
}

fn sessions(outcome: Option<&Outcome>) -> Result<Option<i64>, DatabaseError> {
    outcome
        .and_then(Outcome::first)
        .map(|row| row.int("sessions"))
        .transpose()
}

/// RFC 3339 with the zone's offset at that time.
fn local_time(zone: &Zone<'_>, quarter: i64) -> String {
    let ms = quarter.saturating_mul(QUARTER_MS);
    let offset = zone
        .offset(quarter)
        .and_then(|quarters| i32::try_from(quarters * QUARTER_MS / 1_000).ok())
        .and_then(FixedOffset::east_opt);
    DateTime::from_timestamp_millis(ms)
        .zip(offset)
        .map_or_else(String::new, |(time, offset)| {
            time.with_timezone(&offset)
                .to_rfc3339_opts(SecondsFormat::Secs, false)
        })
}
