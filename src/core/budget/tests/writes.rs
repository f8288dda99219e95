//! One write for each command: how often the file is asked, and what comes of one that fails.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use serde_json::{Value, json};

use super::super::remote::{Served, serve};
use super::super::types::{Caps, Limits, Period, Request, Spending};
use super::super::{Account, SqlStore, Store};
use super::memory::{Fault, ShakySql, shaky};
use super::{FakeZones, MINUTE, NOW, admitted, booking, exact, on, request};
use crate::ports::TimeZones;

fn of_key(id: &str, bound: i64) -> Request {
    Request {
        key_id: Some("k1".to_owned()),
        nonce: "n".to_owned(),
        ..request(id, bound)
    }
}

/// Of a user and a key with budgets of a day and a month each, and limits.
fn owner() -> (SqlStore<Rc<ShakySql>>, Rc<ShakySql>) {
    let (store, file) = shaky();
    on(&store, |account| {
        for key in [None, Some("k1")] {
            for period in [Period::Day, Period::Month] {
                let caps = Caps {
                    soft: None,
                    hard: Some(200),
                };
                account.set_budget(key, period, caps, NOW).unwrap();
            }
            account.set_limits(key, Limits::standard(), NOW).unwrap();
        }
        admitted(account.admit(&of_key("first", 60), NOW).unwrap());
    });
    (store, file)
}

/// Settles the one and asks for the other.
fn next(account: &Account<'_>, settled: &str, asked: &str) -> Served {
    let settlement = json!({ "request_id": settled, "actual": exact(10) });
    let command = json!({ "admit": { "request": of_key(asked, 60), "settlements": [settlement] } });
    serve(account, command.to_string().as_bytes(), NOW)
}

fn told(served: &Served) -> Value {
    assert_eq!(served.status, 200, "{}", served.body);
    serde_json::from_str(&served.body).unwrap()
}

fn total(store: &dyn Store) -> (i64, i64) {
    let Spending {
        spent, reserved, ..
    } = store.spending(&[(None, 0, i64::MAX)]).unwrap()[0];
    (spent, reserved)
}

#[test]
fn a_settlement_and_an_admission_are_one_read_and_one_write() {
    let (store, file) = owner();
    let mut last = "first".to_owned();
    for number in 0..9 {
        let asked = format!("r{number}");
        file.batches.set(0);
        let answer = told(&on(&store, |account| next(account, &last, &asked)));
        assert_eq!(answer["settled"][0]["Ok"]["replayed"], false);
        assert_eq!(answer["admission"]["decision"], "admitted");
        assert_eq!(file.batches.get(), 2);
        if number == 3 {
            // What it had in memory is read again as it is.
            let fresh = SqlStore::open(Rc::clone(&file)).unwrap();
            assert_eq!(total(&fresh), (40, 60));
        }
        last = asked;
    }
    file.batches.set(0);
    on(&store, |account| account.settle(&last, exact(10), NOW)).unwrap();
    assert_eq!(file.batches.get(), 1);
    assert_eq!(total(&store), (100, 0));
}

#[test]
fn a_write_that_fails_promises_nothing_and_loses_nothing() {
    let (store, file) = owner();
    on(&store, |account| {
        for fault in [Fault::Before, Fault::Read] {
            file.fault.set(Some(fault));
            let failed = next(account, "first", "second");
            assert_eq!((failed.status, failed.due_ms), (503, None), "{fault:?}");
            assert_eq!(total(&store), (0, 60));
            assert_eq!(account.state(None, NOW).unwrap().held, 1);
            assert!(store.known("first").unwrap().unwrap().held());
            assert_eq!(store.known("second").unwrap(), None);
        }
        file.fault.set(Some(Fault::After));
        assert_eq!(next(account, "first", "second").status, 503);
        // What is on file stands, and the same command learns of it.
        assert_eq!(total(&store), (10, 60));
        let answer = told(&next(account, "first", "second"));
        assert_eq!(answer["settled"][0]["Ok"]["replayed"], true);
        assert_eq!(answer["admission"]["replayed"], false);
        assert_eq!(total(&store), (10, 60));
    });
}

#[test]
fn a_settlement_is_made_though_its_admission_is_no_good() {
    let (store, _) = owner();
    on(&store, |account| {
        assert_eq!(next(account, "first", "no name").status, 400);
        let answer = told(&next(account, "none", "second"));
        let unknown = &answer["settled"][0]["Err"]["code"];
        assert_eq!(unknown, "RESERVATION_NOT_FOUND");
    });
    assert_eq!(total(&store), (10, 60));
}

#[test]
fn nothing_is_left_of_a_command_that_panicked() {
    struct NoZones;
    impl TimeZones for NoZones {
        fn offset_ms(&self, _: &str, _: i64) -> Option<i64> {
            panic!("on purpose")
        }
    }
    let (_, file) = owner();
    // It has yet to look at the calendar.
    let (store, defaults) = (SqlStore::open(file).unwrap(), Limits::standard());
    let account = |zones| Account {
        store: &store,
        zones,
        defaults: &defaults,
    };
    let command = AssertUnwindSafe(|| next(&account(&NoZones), "first", "second"));
    assert!(catch_unwind(command).is_err());
    let answer = told(&next(&account(&FakeZones), "first", "second"));
    assert_eq!(answer["settled"][0]["Ok"]["replayed"], false);
    assert_eq!(total(&store), (10, 60));
}

#[test]
fn all_that_is_over_ends_in_one_write() {
    let (store, file) = shaky();
    on(&store, |account| {
        let limits = Limits {
            requests_per_minute: Some(1_000),
            tokens_per_minute: [("*".to_owned(), 1_000_000)].into(),
            concurrent: Some(100),
        };
        account.set_limits(None, limits, NOW).unwrap();
        for number in 0..90 {
            let asked = Request {
                booking: Some(booking()),
                ..request(&format!("r{number}"), 2)
            };
            admitted(account.admit(&asked, NOW).unwrap());
        }
        file.batches.set(0);
        file.fault.set(Some(Fault::Before));
        account.sweep(NOW + MINUTE).unwrap_err();
        assert_eq!((total(&store), file.batches.get()), ((0, 180), 3));
        file.batches.set(0);
        account.sweep(NOW + MINUTE).unwrap();
        // One write, and the time of the next one.
        assert_eq!((file.batches.get(), total(&store)), (2, (180, 0)));
        assert_eq!(account.unreported(100).unwrap().len(), 90);
    });
    let fresh = SqlStore::open(file).unwrap();
    assert_eq!(
        (total(&fresh), fresh.due(i64::MAX).unwrap()),
        ((180, 0), vec![])
    );
}
