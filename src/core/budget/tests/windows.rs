//! Where days and months begin, and that money is counted in them.

use std::cell::Cell;

use super::super::types::{Caps, Period, Reason};
use super::super::window::{Window, Windows};
use super::memory::sqlite;
use super::{DAY, FakeZones, HOUR, MINUTE, NOW, admitted, exact, on, refused, request};
use crate::ports::TimeZones;
use crate::time::{from_rfc3339, to_rfc3339};

fn window(zone: &str, period: Period, at: &str) -> (String, String) {
    let at_ms = from_rfc3339(at).unwrap();
    let window = Window::of(&FakeZones, zone, period, at_ms).unwrap();
    assert!(window.start_ms <= at_ms && at_ms < window.end_ms);
    (to_rfc3339(window.start_ms), to_rfc3339(window.end_ms))
}

#[test]
fn days_and_months_begin_at_local_midnight() {
    for (zone, period, at, start, end) in [
        (
            "UTC",
            Period::Day,
            "2026-11-21T23:59:59Z",
            "2026-11-21T00",
            "2026-11-22T00",
        ),
        (
            "UTC",
            Period::Day,
            "2026-11-22T00:00:00Z",
            "2026-11-22T00",
            "2026-11-23T00",
        ),
        (
            "UTC",
            Period::Month,
            "2028-02-29T12:00:00Z",
            "2028-02-01T00",
            "2028-03-01T00",
        ),
        (
            "UTC",
            Period::Month,
            "2026-12-31T23:59:59Z",
            "2026-12-01T00",
            "2027-01-01T00",
        ),
        (
            "India",
            Period::Day,
            "2026-11-21T18:29:59Z",
            "2026-11-20T18:30",
            "2026-11-21T18:30",
        ),
        (
            "India",
            Period::Month,
            "2026-11-30T18:30:00Z",
            "2026-11-30T18:30",
            "2026-12-31T18:30",
        ),
        // 25 hours: the clock goes back from -4 to -5.
        (
            "Back",
            Period::Day,
            "2026-11-22T04:30:00Z",
            "2026-11-22T04",
            "2026-11-23T05",
        ),
        (
            "Back",
            Period::Month,
            "2026-11-22T05:30:00Z",
            "2026-11-01T04",
            "2026-12-01T05",
        ),
        // 23 hours: midnight does not happen, the day begins at one o'clock.
        (
            "Forward",
            Period::Day,
            "2026-11-22T22:00:00Z",
            "2026-11-22T22",
            "2026-11-23T21",
        ),
        (
            "Forward",
            Period::Day,
            "2026-11-22T21:59:59Z",
            "2026-11-21T22",
            "2026-11-22T22",
        ),
    ] {
        let (from, to) = window(zone, period, at);
        assert!(
            from.starts_with(start) && to.starts_with(end),
            "{zone} {at}: {from} {to}"
        );
    }
    assert_eq!(Window::of(&FakeZones, "Nowhere", Period::Day, NOW), None);
    assert_eq!(Window::of(&FakeZones, "UTC", Period::Day, i64::MAX), None);
}

#[test]
fn a_new_day_has_its_whole_budget_and_the_month_goes_on() {
    let store = sqlite();
    let hard = |nanos| Caps {
        soft: None,
        hard: Some(nanos),
    };
    on(&store, |account| {
        account
            .set_budget(None, Period::Day, hard(100), NOW)
            .unwrap();
        account
            .set_budget(None, Period::Month, hard(150), NOW)
            .unwrap();
        admitted(account.admit(&request("a", 100), NOW).unwrap());
        account.settle("a", exact(100), NOW).unwrap();

        let over = refused(account.admit(&request("b", 1), NOW).unwrap());
        assert_eq!(
            (over.reason, over.limit, over.remaining, over.needed),
            (Reason::Budget, 100, 0, 1)
        );
        let midnight = from_rfc3339("2026-11-22T00:00:00Z").unwrap();
        assert_eq!(over.retry_after_ms, Some(midnight - NOW));

        let next = admitted(account.admit(&request("b", 40), midnight).unwrap());
        let used: Vec<_> = next
            .standing
            .budgets
            .iter()
            .map(super::super::BudgetState::used)
            .collect();
        assert_eq!(used, [40, 140]);
        // More than a day has will not fit tomorrow either.
        let never = refused(account.admit(&request("c", 101), midnight).unwrap());
        assert_eq!(never.retry_after_ms, None);
    });
}

#[test]
fn what_ends_after_midnight_counts_where_it_was_admitted() {
    let store = sqlite();
    let eve = from_rfc3339("2026-11-21T23:59:59Z").unwrap();
    on(&store, |account| {
        let caps = Caps {
            soft: None,
            hard: Some(100),
        };
        account.set_budget(None, Period::Day, caps, eve).unwrap();
        admitted(account.admit(&request("late", 90), eve).unwrap());
        account.settle("late", exact(95), eve + MINUTE / 2).unwrap();
        let day = |at| {
            account.state(None, at).unwrap().standing.budgets[0]
                .spending
                .spent
        };
        assert_eq!((day(eve), day(eve + MINUTE)), (95, 0));
    });
}

#[test]
fn a_budget_finds_what_was_spent_before_it_and_another_zone_cuts_anew() {
    let store = sqlite();
    let evening = from_rfc3339("2026-11-21T17:00:00Z").unwrap();
    on(&store, |account| {
        admitted(account.admit(&request("a", 70), evening).unwrap());
        account.settle("a", exact(60), evening).unwrap();
        let caps = Caps {
            soft: Some(50),
            hard: Some(100),
        };
        account
            .set_budget(None, Period::Day, caps, evening)
            .unwrap();
        let later = evening + 2 * HOUR;
        let spent = || {
            let state = account.state(None, later).unwrap();
            (
                state.standing.budgets[0].spending.spent,
                state.standing.warnings().count(),
            )
        };
        assert_eq!(spent(), (60, 1));
        // It is tomorrow there since 18:30.
        account.set_zone("India", later).unwrap();
        assert_eq!(spent(), (0, 0));
        account.set_zone("UTC", later).unwrap();
        assert_eq!(spent(), (60, 1));
        let unknown = account.set_zone("Nowhere", later).unwrap_err();
        assert_eq!(unknown.code(), "INVALID_BUDGET_REQUEST");
        // A month later its sums are gone.
        account.sweep(evening + 40 * DAY).unwrap();
        assert_eq!(spent(), (0, 0));
    });
}

#[test]
fn a_window_is_worked_out_once_and_anew_before_and_after_it() {
    struct Asked(Cell<u32>);
    impl TimeZones for Asked {
        fn offset_ms(&self, zone: &str, at_ms: i64) -> Option<i64> {
            self.0.set(self.0.get() + 1);
            FakeZones.offset_ms(zone, at_ms)
        }
    }
    let (zones, windows) = (Asked(Cell::new(0)), Windows::default());
    let asked = |zone, period, at_ms| {
        let before = zones.0.get();
        let window = windows.of(&zones, zone, period, at_ms);
        assert_eq!(window, Window::of(&FakeZones, zone, period, at_ms));
        zones.0.get() > before
    };
    let midnight = from_rfc3339("2026-11-22T00:00:00Z").unwrap();
    for (zone, period, at_ms, anew) in [
        ("UTC", Period::Day, NOW, true),
        ("UTC", Period::Month, NOW, true),
        ("UTC", Period::Day, midnight - 1, false),
        ("UTC", Period::Day, midnight - DAY, false),
        ("UTC", Period::Day, midnight, true),
        ("UTC", Period::Month, midnight, false),
        ("UTC", Period::Day, midnight - 1, true),
        ("Back", Period::Day, midnight - 1, true),
        ("UTC", Period::Day, midnight - 1, true),
        ("Nowhere", Period::Day, midnight - 1, true),
        ("UTC", Period::Month, NOW, true),
    ] {
        assert_eq!(asked(zone, period, at_ms), anew, "{zone} {at_ms}");
    }
}
