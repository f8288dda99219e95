//! How reservations end.

use super::super::types::{Actual, Charge, Limits, Reason, Request, Spending};
use super::super::{Account, BudgetError};
use super::memory::{Fault, shaky, sqlite};
use super::{DAY, HOUR, MINUTE, NOW, admitted, exact, on, refused, request};

fn total(account: &Account<'_>) -> Spending {
    account.store.spending(&[(None, 0, i64::MAX)]).unwrap()[0]
}

const fn sums(spent: i64, reserved: i64, estimated: i64) -> Spending {
    Spending {
        spent,
        reserved,
        estimated,
    }
}

#[test]
fn the_first_settlement_stands() {
    on(&sqlite(), |account| {
        admitted(account.admit(&request("a", 100), NOW).unwrap());
        assert_eq!(total(account), sums(0, 100, 0));
        let first = account.settle("a", exact(40), NOW + 1).unwrap();
        assert!(!first.replayed && !first.corrected);
        assert_eq!(total(account), sums(40, 0, 0));
        let second = account.settle("a", exact(90), NOW + 2).unwrap();
        assert!(second.replayed && second.charge == Charge::Exact(40));
        assert_eq!(total(account), sums(40, 0, 0));
        assert_eq!(
            refused(account.admit(&request("a", 100), NOW).unwrap()).reason,
            Reason::Finished
        );
    });
}

#[test]
fn each_way_to_end_has_its_sum() {
    let settle = |charge, bound| {
        on(&sqlite(), |account| {
            let request = Request {
                bound_nanos: bound,
                ..request("a", 0)
            };
            admitted(account.admit(&request, NOW).unwrap());
            let actual = Actual {
                charge,
                tokens: None,
            };
            account.settle("a", actual, NOW).unwrap();
            total(account)
        })
    };
    assert_eq!(settle(Charge::Exact(130), Some(100)), sums(130, 0, 0));
    assert_eq!(settle(Charge::Exact(0), Some(100)), sums(0, 0, 0));
    assert_eq!(settle(Charge::Estimated(70), Some(100)), sums(70, 0, 70));
    assert_eq!(settle(Charge::Released, Some(100)), sums(0, 0, 0));
    assert_eq!(settle(Charge::Exact(5), None), sums(5, 0, 0));
    assert_eq!(settle(Charge::Unpriced, None), sums(0, 0, 0));
    // What was reserved is not let go because a price is missing.
    assert_eq!(settle(Charge::Unpriced, Some(100)), sums(100, 0, 100));
}

#[test]
fn what_nobody_settles_is_charged_if_it_may_have_been_sent() {
    on(&sqlite(), |account| {
        let unsent = |id| Request {
            sent: false,
            ..request(id, 10)
        };
        admitted(account.admit(&request("sent", 100), NOW).unwrap());
        admitted(account.admit(&unsent("unsent"), NOW).unwrap());
        admitted(account.admit(&unsent("marked"), NOW).unwrap());
        account.sent("marked", NOW + 1).unwrap();
        account.sweep(NOW + MINUTE - 1).unwrap();
        assert_eq!(total(account), sums(0, 120, 0));
        account.sweep(NOW + MINUTE).unwrap();
        assert_eq!(total(account), sums(110, 0, 110));
        assert_eq!(account.state(None, NOW + MINUTE).unwrap().held, 0);
    });
}

#[test]
fn a_late_settlement_corrects_the_estimate() {
    on(&sqlite(), |account| {
        admitted(account.admit(&request("a", 100), NOW).unwrap());
        let late = NOW + HOUR;
        account.sweep(late).unwrap();
        assert_eq!(total(account), sums(100, 0, 100));
        let settled = account.settle("a", exact(33), late).unwrap();
        assert!(settled.corrected && !settled.replayed);
        assert_eq!(total(account), sums(33, 0, 0));
        assert!(account.settle("a", exact(1), late).unwrap().replayed);
    });
}

#[test]
fn nothing_is_sent_on_an_ended_reservation() {
    on(&sqlite(), |account| {
        let unsent = Request {
            sent: false,
            ..request("a", 10)
        };
        admitted(account.admit(&unsent, NOW).unwrap());
        // Not swept yet, and ended all the same.
        let ended = account.sent("a", NOW + MINUTE).unwrap_err();
        assert_eq!(ended, BudgetError::Ended("a".to_owned()));
        account.sent("a", NOW + MINUTE - 1).unwrap();
        account.sent("a", NOW + MINUTE - 1).unwrap();
        assert_eq!(
            account.sent("b", NOW).unwrap_err().code(),
            "RESERVATION_NOT_FOUND"
        );
    });
}

#[test]
fn a_lost_reply_is_healed_by_asking_again() {
    let (store, file) = shaky();
    file.fault.set(Some(Fault::After));
    on(&store, |account| {
        let unclear = account.admit(&request("a", 100), NOW).unwrap_err();
        assert_eq!(unclear.code(), "BUDGET_UNAVAILABLE");
        let again = admitted(account.admit(&request("a", 100), NOW).unwrap());
        assert!(again.replayed);
        assert_eq!(total(account), sums(0, 100, 0));
        file.fault.set(Some(Fault::Before));
        account.settle("a", exact(7), NOW).unwrap_err();
        assert_eq!(total(account), sums(0, 100, 0));
        assert!(!account.settle("a", exact(7), NOW).unwrap().replayed);
        assert_eq!(total(account), sums(7, 0, 0));
    });
}

#[test]
fn an_id_is_one_request_until_it_leaves_the_file() {
    on(&sqlite(), |account| {
        admitted(account.admit(&request("a", 100), NOW).unwrap());
        let other = account.admit(&request("a", 101), NOW).unwrap_err();
        assert_eq!(other.code(), "REQUEST_ID_CONFLICT");
        account.settle("a", exact(1), NOW).unwrap();
        let next = account.sweep(NOW).unwrap().unwrap();
        assert!(next > NOW + DAY && next <= NOW + DAY + HOUR);
        assert_eq!(account.sweep(next).unwrap(), None);
        assert!(!admitted(account.admit(&request("a", 101), next).unwrap()).replayed);
    });
}

#[test]
fn unused_tokens_are_given_back_and_more_are_taken() {
    on(&sqlite(), |account| {
        let left = |account: &Account<'_>, id| {
            let tokens = admitted(account.admit(&request(id, 1), NOW).unwrap())
                .standing
                .tokens;
            tokens.unwrap().remaining
        };
        let limit = Limits::standard().tokens_per_minute["gpt-4"];
        assert_eq!(left(account, "a"), limit - 30);
        let actual = |tokens| Actual {
            charge: Charge::Exact(1),
            tokens: Some(tokens),
        };
        account.settle("a", actual(12), NOW).unwrap();
        assert_eq!(left(account, "b"), limit - 42);
        account.settle("b", actual(1_000), NOW).unwrap();
        assert_eq!(left(account, "c"), limit - 12 - 1_000 - 30);
        let released = Actual {
            charge: Charge::Released,
            tokens: None,
        };
        account.settle("c", released, NOW).unwrap();
        assert_eq!(left(account, "d"), limit - 12 - 1_000 - 30);
    });
}

#[test]
fn senseless_settlements_are_refused() {
    on(&sqlite(), |account| {
        admitted(account.admit(&request("a", 100), NOW).unwrap());
        for actual in [
            exact(-1),
            exact(i64::MAX),
            Actual {
                charge: Charge::Estimated(-5),
                tokens: None,
            },
            Actual {
                charge: Charge::Exact(1),
                tokens: Some(u64::MAX),
            },
        ] {
            assert_eq!(
                account.settle("a", actual, NOW).unwrap_err().code(),
                "INVALID_BUDGET_REQUEST"
            );
        }
        assert_eq!(total(account), sums(0, 100, 0));
        assert_eq!(
            account.settle("b", exact(1), NOW).unwrap_err().code(),
            "RESERVATION_NOT_FOUND"
        );
    });
}
