//! Days and hours of zones with clock changes and odd offsets.

use super::calendar::{Calendar, Zone};
use super::*;

fn buckets(zone: &str, start: &str, end: &str, granularity: Granularity) -> Vec<(String, i64)> {
    let world = World::new();
    let input = UsageAnalyticsInput {
        granularity,
        ..range(start, end, zone)
    };
    let answer = world.ask(&input).unwrap();
    answer
        .breakdown
        .into_iter()
        .map(|bucket| {
            let length = moment(&bucket.end) - moment(&bucket.start);
            (bucket.start, length / 60_000)
        })
        .collect()
}

fn moment(text: &str) -> i64 {
    ms(text)
}

fn lengths(zone: &str, start: &str, end: &str) -> Vec<i64> {
    let days = buckets(zone, start, end, Granularity::Day);
    days.into_iter().map(|(_, minutes)| minutes / 15).collect()
}

#[test]
fn days_have_23_24_or_25_hours() {
    let berlin = "Europe/Berlin";
    assert_eq!(lengths(berlin, "2026-03-28", "2026-03-31"), [96, 92, 96]);
    assert_eq!(lengths(berlin, "2026-10-24", "2026-10-27"), [96, 100, 96]);
    // Half an hour of summer time.
    let island = "Australia/Lord_Howe";
    assert_eq!(lengths(island, "2026-04-04", "2026-04-07"), [96, 98, 96]);
    assert_eq!(lengths(island, "2026-10-03", "2026-10-06"), [96, 94, 96]);
}

#[test]
fn a_day_begins_where_the_clock_jumps_over_its_midnight() {
    // 2026-04-24T00:00 is 01:00 at once.
    let days = buckets("Africa/Cairo", "2026-04-23", "2026-04-26", Granularity::Day);
    let expected = [
        ("2026-04-23T00:00:00+02:00", 1_440),
        ("2026-04-24T01:00:00+03:00", 1_380),
        ("2026-04-25T00:00:00+03:00", 1_440),
    ];
    assert_eq!(
        days,
        expected.map(|(start, length)| (start.to_owned(), length))
    );
    // 2026-10-30T00:00 is 2026-10-29T23:00 again.
    let days = buckets("Africa/Cairo", "2026-10-29", "2026-10-31", Granularity::Day);
    let expected = [
        ("2026-10-29T00:00:00+03:00", 1_500),
        ("2026-10-30T00:00:00+02:00", 1_440),
    ];
    assert_eq!(
        days,
        expected.map(|(start, length)| (start.to_owned(), length))
    );
}

#[test]
fn the_hour_that_a_clock_repeats_is_two_rows() {
    let hours = buckets(
        "America/New_York",
        "2026-11-01",
        "2026-11-02",
        Granularity::Hour,
    );
    assert_eq!(hours.len(), 25);
    let starts: Vec<_> = hours
        .iter()
        .skip(1)
        .take(2)
        .map(|(start, _)| start.as_str())
        .collect();
    assert_eq!(
        starts,
        ["2026-11-01T01:00:00-04:00", "2026-11-01T01:00:00-05:00"]
    );
    assert!(hours.iter().all(|(_, minutes)| *minutes == 60));
}

#[test]
fn odd_offsets_have_their_own_midnights() {
    let first = |zone| {
        buckets(zone, "2026-11-01", "2026-11-02", Granularity::Day)[0]
            .0
            .clone()
    };
    assert_eq!(first("Asia/Kolkata"), "2026-11-01T00:00:00+05:30");
    assert_eq!(first("Asia/Kathmandu"), "2026-11-01T00:00:00+05:45");
    assert_eq!(first("Australia/Adelaide"), "2026-11-01T00:00:00+10:30");
    assert_eq!(first("Pacific/Marquesas"), "2026-11-01T00:00:00-09:30");
}

#[test]
fn weeks_begin_on_monday_and_months_on_their_first() {
    let starts = |start, end, granularity| -> Vec<String> {
        let buckets = buckets("UTC", start, end, granularity);
        buckets
            .into_iter()
            .map(|(start, _)| start[..10].to_owned())
            .collect()
    };
    let weeks = starts("2026-10-28", "2026-11-17", Granularity::Week);
    assert_eq!(
        weeks,
        ["2026-10-28", "2026-11-02", "2026-11-09", "2026-11-16"]
    );
    let months = starts("2025-12-31", "2026-03-01", Granularity::Month);
    assert_eq!(months, ["2025-12-31", "2026-01-01", "2026-02-01"]);
}

const ZONES: [&str; 10] = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Australia/Adelaide",
    "Australia/Lord_Howe",
    "Africa/Casablanca",
    "Pacific/Chatham",
    "America/St_Johns",
];

proptest! {
    /// Each quarter hour lies in the bucket of its own local date, and nothing is left out.
    #[test]
    fn buckets_are_local_days_without_gaps(
        zone in 0_usize..ZONES.len(), from in 1_960_000_i64..2_000_000, length in 1_i64..9_000,
    ) {
        let zone = Zone { zones: &BundledZones, name: ZONES[zone] };
        let calendar = Calendar::new(&zone, from, from + length, Granularity::Day).unwrap();
        let mut next = from;
        for bucket in &calendar.buckets {
            prop_assert_eq!(bucket.from, next);
            let day = zone.day_of(bucket.from);
            for quarter in bucket.from..bucket.to {
                prop_assert_eq!(zone.day_of(quarter), day);
            }
            next = bucket.to;
        }
        prop_assert_eq!(next, from + length);
        let stretched: i64 = calendar.stretches.iter().map(|s| s.to - s.from).sum();
        prop_assert_eq!(stretched, length);
    }
}
