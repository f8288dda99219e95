//! Events and roll-ups stay in step.

use std::cell::Cell;

use async_trait::async_trait;

use super::*;
use crate::sql::{DatabaseError, Outcome};

const DAY_MS: i64 = 86_400_000;

fn int(world: &World, sql: &'static str) -> i64 {
    let outcome = block_on(world.database.run(Statement::new(sql))).unwrap();
    outcome.first().unwrap().int("n").unwrap()
}

#[test]
fn an_event_is_in_six_rows_once_however_often_it_is_recorded() {
    let event = event("r", "2026-11-01T10:20:00Z");
    let world = World::with(&[event.clone(), event.clone(), event.clone()]);
    assert_eq!(int(&world, "SELECT COUNT(*) AS n FROM usage_events"), 1);
    assert_eq!(int(&world, "SELECT COUNT(*) AS n FROM usage_rollups"), 6);
    assert_eq!(
        int(&world, "SELECT SUM(attempts) AS n FROM usage_rollups"),
        6
    );
    assert_eq!(
        int(&world, "SELECT SUM(cost_nanos) AS n FROM usage_rollups"),
        6_000
    );
    let at = event.started_at_ms;
    assert_eq!(int(&world, "SELECT started_at AS n FROM usage_events"), at);
}

#[test]
fn another_event_under_a_recorded_id_changes_nothing() {
    let first = event("r", "2026-11-01T10:20:00Z");
    let world = World::with(std::slice::from_ref(&first));
    let before = world.rollups();
    let mut other = first;
    other.model = "gpt-5".into();
    other.started_at_ms += DAY_MS;
    world.record(&other);
    assert_eq!(world.rollups(), before);
}

#[test]
fn a_batch_that_fails_leaves_nothing_behind() {
    let world = World::new();
    let mut statements = record(&event("r", "2026-11-01T10:20:00Z"));
    statements.push(Statement::new("INSERT INTO usage_events (id) VALUES ('x')"));
    assert!(block_on(world.database.batch(statements)).is_err());
    assert_eq!(int(&world, "SELECT COUNT(*) AS n FROM usage_events"), 0);
    assert!(world.rollups().is_empty());
}

#[test]
fn a_wrong_roll_up_is_corrected_and_told() {
    let world = World::with(&[event("r", "2026-11-01T10:20:00Z")]);
    let right = world.rollups();
    let wrong = "UPDATE usage_rollups SET cost_nanos = cost_nanos + 1";
    block_on(world.database.run(Statement::new(wrong))).unwrap();
    let (from, to) = (ms("2026-11-01T00:00:00Z"), ms("2026-11-02T00:00:00Z"));
    let rebuild = || block_on(rebuild_rollups(&world.database, from, to, to + DAY_MS)).unwrap();
    let told = Rebuilt {
        hours: 24,
        hours_corrected: 1,
        next_ms: to,
    };
    assert_eq!(rebuild(), told);
    assert_eq!(world.rollups(), right);
    assert_eq!(
        rebuild(),
        Rebuilt {
            hours_corrected: 0,
            ..told
        }
    );
    assert_eq!(world.rollups(), right);
}

#[test]
fn hours_that_may_still_fill_are_left_alone() {
    let world = World::with(&[event("r", "2026-11-01T10:20:00Z")]);
    let (from, to) = (ms("2026-11-01T00:00:00Z"), ms("2026-11-02T00:00:00Z"));
    let now_ms = ms("2026-11-01T12:59:00Z");
    let rebuilt = block_on(rebuild_rollups(&world.database, from, to, now_ms)).unwrap();
    assert_eq!(rebuilt.hours, 10);
    assert_eq!(rebuilt.next_ms, ms("2026-11-01T10:00:00Z"));
}

#[test]
fn the_nightly_run_goes_over_three_days_and_is_one_of_24() {
    let now_ms = ms("2026-11-04T03:17:00Z");
    let world = World::with(&[
        event("before", "2026-11-01T02:59:00Z"),
        event("first", "2026-11-01T03:00:00Z"),
        event("last", "2026-11-04T00:59:00Z"),
        event("fresh", "2026-11-04T01:30:00Z"),
    ]);
    let right = world.rollups();
    let wrong = "UPDATE usage_rollups SET cost_nanos = cost_nanos + 1";
    block_on(world.database.run(Statement::new(wrong))).unwrap();
    let rebuilt = block_on(rebuild_recent(&world.database, &FakeClock::at(now_ms))).unwrap();
    let told = Rebuilt {
        hours: 70,
        hours_corrected: 2,
        next_ms: ms("2026-11-04T01:00:00Z"),
    };
    assert_eq!(rebuilt, told);
    let wrong_still = world
        .rollups()
        .iter()
        .filter(|row| !right.contains(row))
        .count();
    assert_eq!(wrong_still, 2 * 6, "rows of the hours outside");
    let runs = (0..24).filter(|hour| is_nightly(now_ms + hour * 3_600_000));
    assert_eq!(runs.collect::<Vec<_>>(), [0]);
}

/// Each look at the clock takes a while.
struct Slow(std::cell::Cell<i64>);

impl crate::ports::Clock for Slow {
    fn now_ms(&self) -> i64 {
        self.0.set(self.0.get() + 400_000);
        self.0.get()
    }

    fn sleep(&self, _ms: u64) -> futures::future::LocalBoxFuture<'static, ()> {
        Box::pin(std::future::ready(()))
    }
}

#[test]
fn the_nightly_run_ends_in_time_and_says_where() {
    let slow = Slow(std::cell::Cell::new(ms("2026-11-04T03:00:00Z")));
    let rebuilt = block_on(rebuild_recent(&World::new().database, &slow)).unwrap();
    assert_eq!(
        (rebuilt.hours, rebuilt.next_ms),
        (12, ms("2026-11-01T15:00:00Z"))
    );
}

#[test]
fn a_histogram_that_is_long_waits_for_the_night_and_the_sums_go_on() {
    let world = World::new();
    world.record(&event("r-1", "2026-11-20T10:00:00Z"));
    let long = Statement::new("UPDATE usage_rollups SET latencies = ?1").bind("Taa".repeat(50_000));
    block_on(world.database.run(long)).unwrap();
    world.record(&event("r-2", "2026-11-20T10:01:00Z"));
    assert_eq!(
        int(
            &world,
            "SELECT MAX(LENGTH(latencies)) AS n FROM usage_rollups"
        ),
        150_000
    );
    assert_eq!(
        int(
            &world,
            "SELECT MIN(attempts) AS n FROM usage_rollups WHERE scope = 'key'"
        ),
        2
    );
}

#[test]
fn rebuilding_shortens_histograms() {
    let events: Vec<_> = (0..100)
        .map(|n| event(&format!("r-{n}"), "2026-11-01T10:20:00Z"))
        .collect();
    let world = World::with(&events);
    let longest = "SELECT MAX(length(latencies)) AS n FROM usage_rollups";
    assert_eq!(int(&world, longest), 900);
    let (from, to) = (ms("2026-11-01T10:00:00Z"), ms("2026-11-01T11:00:00Z"));
    block_on(rebuild_rollups(&world.database, from, to, to + DAY_MS)).unwrap();
    assert_eq!(int(&world, longest), 18);
}

#[test]
fn a_forgotten_users_money_stays_and_nothing_else_of_them() {
    let mut event = event("r", "2026-11-01T10:20:00Z");
    event.session_id = Some("session-1".into());
    event.case_id = Some("case-1".into());
    let world = World::with(&[event]);
    block_on(forget_user(&world.database, "ann", &[7; 16])).unwrap();
    let rest = "SELECT COUNT(*) AS n FROM usage_events WHERE user_id IS NULL AND key_id IS NULL \
        AND session_id IS NULL AND case_id IS NULL AND cost_nanos = 1000";
    assert_eq!(int(&world, rest), 1);
    let rest = "SELECT COUNT(*) AS n FROM usage_rollups WHERE user_id = '' AND member = '' \
        AND cost_nanos = 1000";
    assert_eq!(int(&world, rest), 6);
    assert_eq!(int(&world, "SELECT COUNT(*) AS n FROM usage_rollups"), 6);
}

#[test]
fn a_forgotten_users_calls_have_new_names_and_keep_their_attempts() {
    let mut second = event("r-1", "2026-11-01T10:20:00Z");
    second.attempt = 2;
    let first = event("r-1", "2026-11-01T10:20:00Z");
    let other = event("r-2", "2026-11-01T10:21:00Z");
    let later = event("r-3", "2026-11-02T10:21:00Z");
    let world = World::with(&[first, second, other, later]);
    block_on(forget_user(&world.database, "ann", &[7; 16])).unwrap();
    let calls = "SELECT COUNT(DISTINCT request_id) AS n FROM usage_events";
    assert_eq!(int(&world, calls), 3);
    let named = "SELECT COUNT(*) AS n FROM usage_events \
        WHERE request_id LIKE 'r-%' OR id <> request_id || '.' || attempt";
    assert_eq!(int(&world, named), 0);
    let days = "SELECT COUNT(DISTINCT substr(id, 1, 64)) AS n FROM usage_events";
    assert_eq!(int(&world, days), 2);
    let day = ms("2026-11-01T00:00:00Z");
    assert_eq!(
        int(&world, "SELECT MIN(started_at) AS n FROM usage_events"),
        day
    );
}

/// A call ends just after the first batch.
struct Busy<'a> {
    world: &'a World,
    ends: Cell<Option<UsageEvent>>,
}

#[async_trait(?Send)]
impl Database for Busy<'_> {
    async fn run(&self, statement: Statement) -> Result<Outcome, DatabaseError> {
        self.world.database.run(statement).await
    }

    async fn batch(&self, statements: Vec<Statement>) -> Result<Vec<Outcome>, DatabaseError> {
        let outcomes = self.world.database.batch(statements).await;
        if let Some(event) = self.ends.take() {
            self.world.record(&event);
        }
        outcomes
    }
}

#[test]
fn a_call_that_ends_while_its_user_is_forgotten_is_forgotten_too() {
    let world = World::with(&[event("r-1", "2026-11-01T10:20:00Z")]);
    let database = Busy {
        world: &world,
        ends: Cell::new(Some(event("r-2", "2026-11-01T10:21:00Z"))),
    };
    block_on(forget_user(&database, "ann", &[7; 16])).unwrap();
    let forgotten = "SELECT COUNT(DISTINCT request_id) AS n FROM usage_events \
        WHERE user_id IS NULL AND request_id NOT LIKE 'r-%'";
    assert_eq!(int(&world, forgotten), 2);
}

/// `event`, before anybody said how its call ended.
fn cut_off(event: &UsageEvent, cost: EventCost) -> UsageEvent {
    UsageEvent {
        tokens: None,
        cost,
        messages: 0,
        first_token_ms: None,
        total_ms: None,
        overhead_ms: None,
        error: Some(cut_off_error()),
        ..event.clone()
    }
}

fn estimated(nanos: i64) -> EventCost {
    EventCost::Estimated {
        nanos,
        price_id: "bound".into(),
    }
}

fn hours_corrected(world: &World, from: i64) -> u32 {
    let to = from + 3 * DAY_MS;
    let rebuilt = block_on(rebuild_rollups(&world.database, from, to, to + DAY_MS)).unwrap();
    assert_eq!((rebuilt.hours, rebuilt.next_ms), (72, to));
    rebuilt.hours_corrected
}

#[test]
fn cut_off_calls_of_one_roll_up_row_give_way_together() {
    let at = |request: &str, minute: u32| event(request, &format!("2026-11-01T10:{minute}:00Z"));
    let settled = [at("r-1", 20), at("r-2", 21), at("r-3", 50)];
    let waiting = cut_off(&at("r-4", 22), estimated(5));
    let world = World::new();
    for (event, cost) in settled
        .iter()
        .zip([estimated(700), EventCost::Unpriced, estimated(80)])
    {
        block_on(world.database.batch(record_cut_off(&cut_off(event, cost)))).unwrap();
    }
    block_on(world.database.batch(record_cut_off(&waiting))).unwrap();
    let moved: Vec<_> = settled.into_iter().map(elsewhere).collect();
    block_on(world.database.batch(record_all(&moved))).unwrap();
    let mut all = moved;
    all.push(waiting);
    assert_eq!(world.rollups(), World::with(&all).rollups());
    assert_eq!(hours_corrected(&world, ms("2026-11-01T00:00:00Z")), 0);
}

/// By another model, so that nothing is added to the rows that the cut off call was in.
fn elsewhere(event: UsageEvent) -> UsageEvent {
    UsageEvent {
        model: "gpt-5".into(),
        ..event
    }
}

#[test]
fn the_first_of_a_batch_under_one_id_counts() {
    let events: Vec<_> = (0..7)
        .map(|n| {
            let mut event = event(&format!("r-{}", n % 2), "2026-11-01T10:20:00Z");
            event.total_ms = Some(n * 1_000);
            event
        })
        .collect();
    let world = World::new();
    block_on(world.database.batch(record_all(&events))).unwrap();
    assert_eq!(world.rollups(), World::with(&events).rollups());
    assert_eq!(
        int(&world, "SELECT SUM(total_ms) AS n FROM usage_events"),
        1_000
    );
}

#[test]
fn no_statement_of_the_largest_batch_binds_more_than_a_hundred_values() {
    let events = vec![event("r", "2026-11-01T10:20:00Z"); MOST_EVENTS];
    let statements = record_all(&events);
    assert!(statements.iter().all(|one| one.params.len() <= 100));
    assert_eq!(statements.len(), 3 + 17 + 2);
    assert!(record_all(&[]).is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn a_batch_is_what_its_events_are_one_by_one(
        events in events(3, 120),
        lost in proptest::collection::vec(proptest::option::of(0_i64..5_000), 120),
        size in 1..=MOST_EVENTS,
    ) {
        let world = World::new();
        for (event, nanos) in events.iter().zip(lost) {
            if let Some(nanos) = nanos.filter(|_| event.attempt == 1) {
                let cost = if nanos < 1_000 { EventCost::Unpriced } else { estimated(nanos) };
                block_on(world.database.batch(record_cut_off(&cut_off(event, cost)))).unwrap();
            }
        }
        for _again in 0..2 {
            for batch in events.chunks(size) {
                block_on(world.database.batch(record_all(batch))).unwrap();
            }
        }
        prop_assert_eq!(world.rollups(), World::with(&events).rollups());
        prop_assert_eq!(hours_corrected(&world, ms("2026-10-24T00:00:00Z")), 0);
    }

    #[test]
    fn stored_roll_ups_are_what_a_rebuild_makes(events in events(3, 80), forget in any::<bool>()) {
        let world = World::with(&events);
        if forget {
            block_on(forget_user(&world.database, "user-1", &[7; 16])).unwrap();
            events.iter().filter(|event| event.user_id == "user-0").for_each(|e| world.record(e));
        }
        let stored = world.rollups();
        prop_assert_eq!(hours_corrected(&world, ms("2026-10-24T00:00:00Z")), 0);
        prop_assert_eq!(world.rollups(), stored);
    }
}
