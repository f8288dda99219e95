//! A million events of one user in a month. By hand:
//! `cargo test -p chitty-core --lib analytics::tests::speed -- --ignored --nocapture`
//! A month by hours, 744 rows a group, is only told.

use std::time::{Duration, Instant};

use super::*;

const EVENTS: i64 = 1_000_000;
const MONTH_MS: i64 = 30 * 86_400_000;
const MOST: Duration = Duration::from_millis(200);

/// Written without the roll-ups, which a rebuild then makes.
const FILL: [&str; 2] = [
    "CREATE TABLE codes (n INTEGER PRIMARY KEY, first TEXT, total TEXT, own TEXT)",
    "INSERT INTO usage_events (id, request_id, attempt, user_id, key_id, session_id, case_id, \
    provider, model_asked, model, messages, prompt_tokens, cached_tokens, cache_write_tokens, \
    cache_write_1h_tokens, completion_tokens, reasoning_tokens, web_searches, cost_nanos, \
    cost_status, price_id, first_token_bin, total_bin, overhead_bin, outcome, started_at, bucket, \
    counted) \
    WITH RECURSIVE n(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM n WHERE n < ?1 - 1) \
    SELECT 'r-' || n.n || '.1', 'r-' || n.n, 1, 'ann', 'key-' || n.n % 3, \
    'session-' || n.n / 50, 'case-' || n.n / 5000, 'openai', 'gpt', 'gpt-' || n.n % 5, 2, 1000, \
    100, 0, 0, 200, 50, 0, 1234567, 'priced', 'p', first, total, own, \
    CASE n.n % 100 WHEN 0 THEN 'PROVIDER_TIMEOUT' ELSE 'ok' END, ?2 + n.n * ?3, \
    (?2 + n.n * ?3) / 900000, 1 FROM n CROSS JOIN codes ON codes.n = n.n * 7919 % 10000",
];
const CODES: &str = "INSERT INTO codes SELECT key, json_extract(value, '$[0]'), \
    json_extract(value, '$[1]'), json_extract(value, '$[2]') FROM json_each(?1)";

/// Times as models have them: most near a middle, some far above.
fn codes() -> serde_json::Value {
    use super::bins::Metric;
    let codes = (0_u32..10_000).map(|n| {
        let spread =
            [0, 13, 29, 47].map(|shift| (n.wrapping_mul(2_654_435_761) >> (shift % 16)) % 1_000);
        let total: u32 = 400 + spread.iter().sum::<u32>() * spread[0] / 300;
        [
            Metric::FirstToken.code(total / 3),
            Metric::Total.code(total),
            Metric::Overhead.code(n % 9),
        ]
    });
    serde_json::json!(codes.collect::<Vec<_>>())
}

#[test]
#[ignore = "takes a minute, and its figures are those of an idle machine"]
fn a_month_over_a_million_events_takes_less_than_200_ms() {
    let world = World::new();
    let from = ms("2026-10-01T00:00:00Z");
    let [table, events] = FILL.map(Statement::new);
    let events = events.bind(EVENTS).bind(from).bind(MONTH_MS / EVENTS);
    let codes = Statement::new(CODES).bind(codes());
    block_on(world.database.batch(vec![table, codes, events])).unwrap();
    println!("filled");
    let begun = Instant::now();
    let to = from + MONTH_MS;
    let rebuilt = block_on(rebuild_rollups(&world.database, from, to, to + MONTH_MS)).unwrap();
    println!("rebuild of {} hours: {:?}", rebuilt.hours, begun.elapsed());
    let mut slow = Vec::new();
    for zone in ["UTC", "Europe/Berlin", "Asia/Kathmandu"] {
        for granularity in [Granularity::Hour, Granularity::Day, Granularity::Month] {
            for group_by in [
                None,
                Some(GroupBy::Model),
                Some(GroupBy::Key),
                Some(GroupBy::Case),
                Some(GroupBy::Session),
            ] {
                let input = UsageAnalyticsInput {
                    granularity,
                    group_by,
                    ..range("2026-10-01", "2026-11-01", zone)
                };
                let begun = Instant::now();
                let told = world.ask(&input).unwrap();
                let taken = begun.elapsed();
                println!(
                    "{zone} {granularity:?} {group_by:?}: {taken:?}, {} attempts",
                    told.totals.attempts
                );
                if granularity != Granularity::Hour && taken > MOST {
                    slow.push(format!("{zone} {granularity:?} {group_by:?}: {taken:?}"));
                }
            }
        }
    }
    assert!(slow.is_empty(), "{slow:#?}");
}
