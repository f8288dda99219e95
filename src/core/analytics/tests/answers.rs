//! What is told of usage.

use super::*;

fn november() -> UsageAnalyticsInput {
    range("2026-11-01", "2026-12-01", "UTC")
}

fn refused(input: &UsageAnalyticsInput) -> String {
    let error = World::new().ask(input).unwrap_err();
    assert_eq!(error.code(), "INVALID_INPUT");
    error.to_string()
}

#[test]
fn sums_tokens_cost_and_times_are_told() {
    let mut failed = event("b", "2026-11-02T23:59:59.999Z");
    failed.cost = EventCost::Unpriced;
    failed.error = Some("PROVIDER_TIMEOUT".into());
    failed.messages = 0;
    let mut again = event("b", "2026-11-03T00:00:00Z");
    again.attempt = 2;
    again.session_id = Some("session-1".into());
    let world = World::with(&[event("a", "2026-11-01T00:00:00Z"), failed, again]);
    let told = world.ask(&november()).unwrap();
    let totals = &told.totals;
    assert_eq!((totals.requests, totals.attempts, totals.errors), (2, 3, 1));
    assert!((totals.error_rate.unwrap() - 1.0 / 3.0).abs() < 1e-9);
    let tokens = totals.tokens;
    assert_eq!(
        (tokens.prompt, tokens.cached, tokens.cache_write),
        (300, 120, 60)
    );
    assert_eq!(
        (tokens.cache_write_1h, tokens.completion, tokens.reasoning),
        (30, 150, 90)
    );
    assert_eq!(
        (tokens.total, told.total_tokens, totals.web_searches),
        (450, 450, 3)
    );
    assert_eq!((totals.cost_nanos, totals.unpriced), (Some(2_000), 1));
    assert_eq!(totals.cost_usd.as_deref(), Some("0.000002"));
    assert!((told.total_cost.unwrap() - 0.000_002).abs() < 1e-12);
    assert_eq!((told.total_messages, told.total_sessions), (4, Some(1)));
    let total_ms = totals.total_ms.unwrap();
    assert_eq!(total_ms.count, 3);
    assert!((1_960..=2_040).contains(&total_ms.p99), "{total_ms:?}");
    assert_eq!(totals.overhead_ms.unwrap().p50, 3);
    assert_eq!(told.breakdown.len(), 30);
    let attempts: Vec<_> = told
        .breakdown
        .iter()
        .map(|bucket| bucket.usage.attempts)
        .collect();
    assert_eq!(attempts[..4], [1, 1, 1, 0]);
}

#[test]
fn a_cost_nobody_knows_is_null_and_no_usage_costs_nothing() {
    let mut unpriced = event("a", "2026-11-02T00:00:00Z");
    unpriced.cost = EventCost::Unpriced;
    let told = World::with(&[unpriced]).ask(&november()).unwrap();
    assert_eq!((told.total_cost, told.totals.cost_usd), (None, None));
    let nothing = World::new().ask(&november()).unwrap();
    assert_eq!(nothing.total_cost, Some(0.0));
    assert_eq!(nothing.totals.error_rate, None);
    assert_eq!(nothing.totals.total_ms, None);
    assert_eq!(nothing.total_sessions, Some(0));
}

#[test]
fn a_range_holds_its_start_and_not_its_end() {
    let world = World::with(&[
        event("a", "2026-10-31T18:29:59.999Z"),
        event("b", "2026-10-31T18:30:00Z"),
        event("c", "2026-11-01T18:29:59.999Z"),
        event("d", "2026-11-01T18:30:00Z"),
    ]);
    let told = world
        .ask(&range("2026-11-01", "2026-11-02", "Asia/Kolkata"))
        .unwrap();
    assert_eq!(told.totals.requests, 2);
    let told = world.ask(&range(
        "2026-10-31T18:30:00Z",
        "2026-11-01T18:15:00Z",
        "UTC",
    ));
    assert_eq!(told.unwrap().totals.requests, 1);
}

#[test]
fn others_usage_is_not_told() {
    let world = World::with(&[event("a", "2026-11-01T10:00:00Z")]);
    let told = world.ask_as("bob", &november()).unwrap();
    assert_eq!((told.totals.attempts, told.total_sessions), (0, Some(0)));
}

#[test]
fn groups_are_costliest_first_and_the_rest_is_one() {
    let mut all = Vec::new();
    for number in 0..55 {
        let mut event = event(&format!("r-{number}"), "2026-11-05T08:00:00Z");
        event.session_id = (number > 0).then(|| format!("s-{number}"));
        event.cost = EventCost::Priced {
            nanos: 1_000 - number,
            price_id: "p".into(),
        };
        all.push(event);
    }
    let world = World::with(&all);
    let input = UsageAnalyticsInput {
        group_by: Some(GroupBy::Session),
        ..november()
    };
    let told = world.ask(&input).unwrap();
    assert_eq!(told.groups.len(), 51);
    assert_eq!(
        (&told.groups[0].group, told.groups[0].is_rest),
        (&None, false)
    );
    assert_eq!(told.groups[1].group.as_deref(), Some("s-1"));
    assert_eq!(
        (told.groups[50].is_rest, told.groups[50].usage.attempts),
        (true, 5)
    );
    assert_eq!(told.total_sessions, Some(54));
    assert_eq!(told.breakdown[4].groups.len(), 51);
    assert!(told.breakdown[5].groups.is_empty());
}

#[test]
fn a_session_a_case_a_key_or_a_model_can_be_looked_at_alone() {
    let mut one = event("a", "2026-11-05T08:00:00Z");
    one.session_id = Some("s-1".into());
    let mut two = event("b", "2026-11-05T08:00:00Z");
    two.case_id = Some("c-1".into());
    two.model = "o3".into();
    let world = World::with(&[one, two]);
    let told = |input: UsageAnalyticsInput| world.ask(&input).unwrap();
    let of_case = told(UsageAnalyticsInput {
        case_id: Some("c-1".into()),
        group_by: Some(GroupBy::Model),
        ..november()
    });
    assert_eq!((of_case.totals.attempts, of_case.total_sessions), (1, None));
    assert_eq!(of_case.groups[0].group.as_deref(), Some("o3"));
    let of_model = told(UsageAnalyticsInput {
        model: Some("o3".into()),
        ..november()
    });
    assert_eq!(
        (of_model.totals.attempts, of_model.total_sessions),
        (1, Some(0))
    );
    let of_session = told(UsageAnalyticsInput {
        session_id: Some("s-1".into()),
        ..november()
    });
    assert_eq!(
        (of_session.totals.attempts, of_session.total_sessions),
        (1, Some(1))
    );
    let of_key = told(UsageAnalyticsInput {
        key_id: Some("key-1".into()),
        ..november()
    });
    assert_eq!(of_key.totals.attempts, 2);
    let told = refused(&UsageAnalyticsInput {
        case_id: Some("c-1".into()),
        group_by: Some(GroupBy::Session),
        ..november()
    });
    assert!(told.contains("not by two of them"), "{told}");
}

#[test]
fn errors_say_what_to_write_instead() {
    let told = refused(&range("2026-11-01T10:07:00Z", "2026-11-02", "UTC"));
    assert!(
        told.contains("take 2026-11-01T10:00:00.000Z or 2026-11-01T10:15:00.000Z"),
        "{told}"
    );
    let told = refused(&range("2026-11-02", "2026-11-02", "UTC"));
    assert!(told.contains("the range is empty"), "{told}");
    let told = refused(&range("yesterday", "2026-11-02", "UTC"));
    assert!(
        told.contains("start_date `yesterday` is neither a day"),
        "{told}"
    );
    let told = refused(&range("2026-11-01", "2026-11-02", "Mars/Olympus"));
    assert!(told.contains("`Mars/Olympus` is not a time zone"), "{told}");
    let told = refused(&range("2020-01-01", "2026-11-02", "UTC"));
    assert!(told.contains("2497 days and at most 1098"), "{told}");
    let told = refused(&UsageAnalyticsInput {
        granularity: Granularity::Hour,
        ..range("2026-01-01", "2026-03-01", "UTC")
    });
    assert!(told.contains("1416 hours and at most 1000"), "{told}");
    let told = refused(&range("2026-11-01", "2026-11-02", "UTC\n"));
    assert!(told.contains("control characters"), "{told}");
}

#[test]
fn left_out_ends_mean_until_now_and_some_time_back() {
    let world = World::with(&[event("a", "2026-11-21T12:06:59Z")]);
    let ask = |granularity| {
        let input = UsageAnalyticsInput {
            granularity,
            ..UsageAnalyticsInput::default()
        };
        let told = world.ask(&input).unwrap();
        assert_eq!(told.totals.attempts, 1);
        (told.start, told.end, told.breakdown.len())
    };
    let end = "2026-11-21T12:15:00+00:00".to_owned();
    let day = ("2026-10-22T00:00:00+00:00".to_owned(), end.clone(), 31);
    assert_eq!(ask(Granularity::Day), day);
    let hour = ("2026-11-20T12:15:00+00:00".to_owned(), end.clone(), 25);
    assert_eq!(ask(Granularity::Hour), hour);
    let month = ("2025-11-21T00:00:00+00:00".to_owned(), end.clone(), 13);
    assert_eq!(ask(Granularity::Month), month);
    let until_now = range("2026-11-21", "2026-11-21T12:06:59.5Z", "UTC");
    assert_eq!(world.ask(&until_now).unwrap().end, end);
}

#[test]
fn a_csv_quotes_texts_and_defuses_formulas() {
    let mut event = event("a", "2026-11-01T10:00:00Z");
    event.case_id = Some("=HYPERLINK(\"x\"),1".into());
    event.cost = EventCost::Unpriced;
    let world = World::with(&[event]);
    let input = UsageAnalyticsInput {
        group_by: Some(GroupBy::Case),
        format: Format::Csv,
        ..range("2026-11-01", "2026-11-03", "UTC")
    };
    let now_ms = ms("2026-11-21T12:07:00Z");
    let output = usage_analytics(&world.database, &BundledZones, "ann", &input, now_ms);
    let output = block_on(output).unwrap();
    assert!(output.analytics.breakdown.is_empty());
    assert_eq!(output.analytics.totals.requests, 1);
    let csv = output.csv.unwrap();
    let lines: Vec<&str> = csv.split("\r\n").collect();
    assert_eq!(lines.len(), 4);
    let row = "\"2026-11-01T00:00:00+00:00\",\"2026-11-02T00:00:00+00:00\",\
        \"'=HYPERLINK(\"\"x\"\"),1\",false,1,1,0,0,2,100,40,20,10,50,30,150,1,,,1,0,";
    assert!(lines[1].starts_with(row), "{}", lines[1]);
    let columns = lines[0].split(',').count();
    assert_eq!(lines[2].split(',').count(), columns);
    assert!(lines[2].ends_with(",,,,,,,,,"), "{}", lines[2]);
}

const ZONES: [&str; 6] = [
    "UTC",
    "Europe/Berlin",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "America/New_York",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Whatever the zone, granularity and group: totals are the sums of buckets and of groups,
    /// and all are those of the events themselves.
    #[test]
    fn totals_are_the_sums_of_buckets_and_groups(
        events in events(12, 60), zone in 0..ZONES.len(), granularity in 0_usize..4,
        group in 0_usize..5, start in 0_i64..500, length in 1_i64..600,
    ) {
        let world = World::with(&events);
        let quarter = 900_000;
        let from = ms("2026-10-24T00:00:00Z") + start * quarter;
        let to = from + length * quarter;
        let groups = [GroupBy::Model, GroupBy::Session, GroupBy::Case, GroupBy::Key];
        let input = UsageAnalyticsInput {
            granularity: [Granularity::Hour, Granularity::Day, Granularity::Week,
                Granularity::Month][granularity],
            group_by: groups.get(group).copied(),
            ..range(&crate::time::to_rfc3339(from), &crate::time::to_rfc3339(to), ZONES[zone])
        };
        let told = world.ask_as("user-0", &input).unwrap();
        let mut seen = std::collections::HashSet::new();
        let (mut attempts, mut nanos, mut measured) = (0, 0, 0);
        for event in &events {
            let new = seen.insert((&event.request_id, event.attempt));
            if new && event.user_id == "user-0" && (from..to).contains(&event.started_at_ms) {
                attempts += 1;
                nanos += event.cost.nanos().unwrap_or(0);
                measured += u64::from(event.first_token_ms.is_some());
            }
        }
        let sum = |usage: &UsageSums| (
            usage.attempts, usage.cost_nanos.unwrap_or(0),
            usage.first_token_ms.map_or(0, |times| times.count),
        );
        let add = |(a, b, c), (d, e, f)| (a + d, b + e, c + f);
        let over = |all: &mut dyn Iterator<Item = &UsageSums>| all.map(sum).fold((0, 0, 0), add);
        let expected = (attempts, nanos, measured);
        prop_assert_eq!(sum(&told.totals), expected);
        prop_assert_eq!(over(&mut told.breakdown.iter().map(|b| &b.usage)), expected);
        if input.group_by.is_some() {
            prop_assert_eq!(over(&mut told.groups.iter().map(|g| &g.usage)), expected);
            let cells = told.breakdown.iter().flat_map(|b| b.groups.iter());
            prop_assert_eq!(over(&mut cells.map(|g| &g.usage)), expected);
        }
    }
}
