//! What is admitted and what is refused, with which numbers.

use super::super::types::{Caps, Clamp, Limits, Period, Reason, Request};
use super::memory::sqlite;
use super::{MINUTE, NOW, admitted, exact, on, refused, request};

const fn hard(nanos: i64) -> Caps {
    Caps {
        soft: None,
        hard: Some(nanos),
    }
}

fn of_key(id: &str, key: &str, bound: i64) -> Request {
    Request {
        key_id: Some(key.to_owned()),
        ..request(id, bound)
    }
}

#[test]
fn the_cap_is_reached_exactly_and_never_passed() {
    on(&sqlite(), |account| {
        account
            .set_budget(None, Period::Month, hard(100), NOW)
            .unwrap();
        admitted(account.admit(&request("a", 60), NOW).unwrap());
        let over = refused(account.admit(&request("b", 41), NOW).unwrap());
        assert_eq!(
            (over.reason, over.limit, over.remaining, over.needed),
            (Reason::Budget, 100, 40, 41)
        );
        admitted(account.admit(&request("b", 40), NOW).unwrap());
        // What the first leaves is there at once.
        account.settle("a", exact(10), NOW).unwrap();
        admitted(account.admit(&request("c", 50), NOW).unwrap());
        assert_eq!(
            refused(account.admit(&request("d", 1), NOW).unwrap()).remaining,
            0
        );
        admitted(account.admit(&request("free", 0), NOW).unwrap());
    });
}

#[test]
fn a_keys_budget_holds_beside_its_users() {
    on(&sqlite(), |account| {
        account
            .set_budget(None, Period::Day, hard(100), NOW)
            .unwrap();
        account
            .set_budget(Some("k1"), Period::Day, hard(30), NOW)
            .unwrap();
        admitted(account.admit(&of_key("a", "k1", 30), NOW).unwrap());
        assert_eq!(
            refused(account.admit(&of_key("b", "k1", 1), NOW).unwrap()).limit,
            30
        );
        let other = admitted(account.admit(&of_key("c", "k2", 70), NOW).unwrap());
        assert_eq!(other.standing.budgets.len(), 1);
        assert_eq!(
            refused(account.admit(&of_key("d", "k2", 1), NOW).unwrap()).limit,
            100
        );
        let state = account.state(Some("k1"), NOW).unwrap();
        let left: Vec<_> = state
            .standing
            .budgets
            .iter()
            .map(super::super::BudgetState::remaining)
            .collect();
        assert_eq!((left, state.held), (vec![Some(0), Some(0)], 2));
        // Without caps there is no budget.
        account
            .set_budget(Some("k1"), Period::Day, Caps::default(), NOW)
            .unwrap();
        assert_eq!(
            account
                .state(Some("k1"), NOW)
                .unwrap()
                .standing
                .budgets
                .len(),
            1
        );
    });
}

#[test]
fn a_soft_budget_warns_and_admits() {
    on(&sqlite(), |account| {
        let caps = Caps {
            soft: Some(50),
            hard: None,
        };
        account.set_budget(None, Period::Day, caps, NOW).unwrap();
        let quiet = admitted(account.admit(&request("a", 50), NOW).unwrap());
        assert_eq!(quiet.standing.warnings().count(), 0);
        let warned = admitted(account.admit(&request("b", 1), NOW).unwrap());
        assert_eq!(warned.standing.warnings().count(), 1);
    });
}

#[test]
fn without_a_price_there_is_no_call_under_a_budget() {
    on(&sqlite(), |account| {
        let unpriced = |id| Request {
            bound_nanos: None,
            ..request(id, 0)
        };
        let free = admitted(account.admit(&unpriced("a"), NOW).unwrap());
        assert_eq!(free.bound_nanos, None);
        account
            .set_budget(None, Period::Day, hard(1_000), NOW)
            .unwrap();
        let refusal = refused(account.admit(&unpriced("b"), NOW).unwrap());
        assert_eq!(
            (refusal.reason, refusal.retry_after_ms),
            (Reason::Unpriced, None)
        );
    });
}

#[test]
fn output_is_cut_to_what_the_budget_allows() {
    // 50 for the prompt, 20 tokens at 2.5 nano-dollars.
    let cut = |room, min_output_tokens| {
        on(&sqlite(), |account| {
            account
                .set_budget(None, Period::Day, hard(room), NOW)
                .unwrap();
            let clamp = Some(Clamp {
                output_picos: 2_500,
                min_output_tokens,
            });
            let request = Request {
                clamp,
                ..request("a", 100)
            };
            let answer = account.admit(&request, NOW).unwrap();
            let again = account.admit(&request, NOW).unwrap();
            if let super::Admission::Admitted(first) = &answer {
                let replayed = super::Admitted {
                    replayed: true,
                    ..first.clone()
                };
                assert_eq!(admitted(again), replayed);
            }
            answer
        })
    };
    let granted = |room| {
        let granted = admitted(cut(room, 5));
        (granted.max_output_tokens, granted.bound_nanos.unwrap())
    };
    assert_eq!(granted(100), (20, 100));
    assert_eq!(granted(99), (19, 98));
    assert_eq!(granted(95), (18, 95));
    assert_eq!(granted(63), (5, 63));
    let refusal = refused(cut(62, 5));
    assert_eq!(
        (refusal.reason, refusal.remaining, refusal.needed),
        (Reason::Budget, 62, 100)
    );
}

#[test]
fn the_minutes_requests_run_out_and_come_back() {
    on(&sqlite(), |account| {
        for number in 0..60 {
            let id = format!("r{number}");
            let standing = admitted(account.admit(&request(&id, 1), NOW).unwrap()).standing;
            assert_eq!(standing.requests.unwrap().remaining, 59 - number);
            account.settle(&id, exact(1), NOW).unwrap();
        }
        let fast = refused(account.admit(&request("more", 1), NOW).unwrap());
        assert_eq!(
            (fast.reason, fast.limit, fast.remaining),
            (Reason::RequestsPerMinute, 60, 0)
        );
        assert_eq!(fast.retry_after_ms, Some(1_000));
        assert_eq!(fast.standing.requests.unwrap().reset_ms, MINUTE);
        refused(account.admit(&request("more", 1), NOW + 999).unwrap());
        admitted(account.admit(&request("more", 1), NOW + 1_000).unwrap());
    });
}

#[test]
fn tokens_are_counted_by_family_and_never_by_more_than_fits() {
    on(&sqlite(), |account| {
        let of = |id, family: &str, tokens| Request {
            family: family.to_owned(),
            input_tokens: tokens,
            max_output_tokens: 0,
            ..request(id, 1)
        };
        admitted(account.admit(&of("a", "gpt-4", 10_000), NOW).unwrap());
        let slow = refused(account.admit(&of("b", "gpt-4", 5_000), NOW).unwrap());
        assert_eq!(
            (slow.reason, slow.retry_after_ms),
            (Reason::TokensPerMinute, Some(30_000))
        );
        admitted(account.admit(&of("c", "gpt-3.5", 60_000), NOW).unwrap());
        let large = refused(account.admit(&of("d", "gpt-4", 10_001), NOW).unwrap());
        assert_eq!(
            (large.reason, large.retry_after_ms),
            (Reason::TooLarge, None)
        );
        // A refusal takes nothing.
        admitted(
            account
                .admit(&of("e", "gpt-4", 5_000), NOW + 30_000)
                .unwrap(),
        );
    });
}

#[test]
fn limits_are_the_users_own_or_the_keys() {
    on(&sqlite(), |account| {
        let limits = |requests, concurrent| Limits {
            requests_per_minute: requests,
            concurrent,
            ..Limits::default()
        };
        account
            .set_limits(None, limits(None, Some(2)), NOW)
            .unwrap();
        account
            .set_limits(Some("k1"), limits(Some(1), Some(1)), NOW)
            .unwrap();
        admitted(account.admit(&of_key("a", "k1", 1), NOW).unwrap());
        let full = refused(account.admit(&of_key("b", "k1", 1), NOW).unwrap());
        assert_eq!((full.reason, full.limit), (Reason::Concurrency, 1));
        admitted(account.admit(&request("c", 1), NOW).unwrap());
        let full = refused(account.admit(&request("d", 1), NOW).unwrap());
        assert_eq!((full.reason, full.limit), (Reason::Concurrency, 2));
        account.settle("a", exact(1), NOW).unwrap();
        let fast = refused(account.admit(&of_key("b", "k1", 1), NOW).unwrap());
        assert_eq!((fast.reason, fast.limit), (Reason::RequestsPerMinute, 1));
        let state = account.state(Some("k1"), NOW).unwrap();
        assert_eq!(state.limits[0].requests_per_minute, Some(60));
        assert_eq!(state.limits[1].requests_per_minute, Some(1));
        let zero = account
            .set_limits(None, limits(Some(0), None), NOW)
            .unwrap_err();
        assert_eq!(zero.code(), "INVALID_BUDGET_REQUEST");
    });
}

#[test]
fn bad_requests_change_nothing() {
    on(&sqlite(), |account| {
        for bad in [
            request("", 1),
            request("a b", 1),
            request(&"x".repeat(129), 1),
            request("a", -1),
            request("a", i64::MAX),
            Request {
                ttl_ms: 999,
                ..request("a", 1)
            },
            Request {
                ttl_ms: 3_600_001,
                ..request("a", 1)
            },
            Request {
                input_tokens: u64::MAX,
                ..request("a", 1)
            },
            Request {
                key_id: Some(String::new()),
                ..request("a", 1)
            },
            Request {
                family: String::new(),
                ..request("a", 1)
            },
        ] {
            let error = account.admit(&bad, NOW).unwrap_err();
            assert_eq!(error.code(), "INVALID_BUDGET_REQUEST");
        }
        assert_eq!(account.state(None, NOW).unwrap().held, 0);
    });
}
