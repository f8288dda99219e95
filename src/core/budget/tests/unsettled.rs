//! What an account keeps for the books, and what it takes back.

use super::super::types::Reason;
use super::memory::{MemoryStore, sqlite};
use super::*;

fn booked(id: &str, bound: Option<i64>) -> Request {
    Request {
        bound_nanos: bound,
        nonce: "n-1".to_owned(),
        booking: Some(booking()),
        ..request(id, 0)
    }
}

fn on_each(verbs: impl Fn(&Account<'_>)) {
    on(&sqlite(), &verbs);
    on(&MemoryStore::default(), &verbs);
}

#[test]
fn only_what_may_have_been_sent_is_for_the_books_until_they_have_it() {
    on_each(|account| {
        let unsent = Request {
            sent: false,
            ..booked("unsent", Some(5))
        };
        let unknown = Request {
            booking: None,
            ..booked("unknown", Some(5))
        };
        let settled = booked("settled", Some(5));
        for asked in [
            booked("a", Some(7)),
            booked("b", None),
            unsent,
            unknown,
            settled,
        ] {
            admitted(account.admit(&asked, NOW).unwrap());
        }
        account.settle("settled", exact(5), NOW).unwrap();
        assert_eq!(account.unreported(9).unwrap(), []);
        account.sweep(NOW + MINUTE).unwrap();
        let events = account.unreported(9).unwrap();
        let told: Vec<_> = events
            .iter()
            .map(|event| {
                (
                    event.request_id.as_str(),
                    event.cost.nanos(),
                    event.started_at_ms,
                )
            })
            .collect();
        assert_eq!(told, [("a", Some(7), NOW), ("b", None, NOW)]);
        // However long the books take, it is kept for them, and wakes nobody.
        assert_eq!(account.sweep(NOW + 3 * DAY).unwrap(), None);
        assert_eq!(account.unreported(9).unwrap(), events);
        account.reported(&events).unwrap();
        assert_eq!(account.unreported(9).unwrap(), []);
        account.sweep(NOW + 3 * DAY).unwrap();
        let gone = account.settle("a", exact(1), NOW + 3 * DAY).unwrap_err();
        assert_eq!(gone.code(), "RESERVATION_NOT_FOUND");
    });
}

#[test]
fn an_admission_is_taken_back_by_whoever_asked_for_it() {
    on_each(|account| {
        let asked = booked("a", Some(60));
        assert!(!admitted(account.admit(&asked, NOW).unwrap()).replayed);
        assert!(!admitted(account.admit(&asked, NOW).unwrap()).replayed);
        let others = Request {
            nonce: "n-2".to_owned(),
            ..asked.clone()
        };
        assert!(admitted(account.admit(&others, NOW).unwrap()).replayed);
        account.withdraw(&others, NOW).unwrap();
        assert_eq!(account.state(None, NOW).unwrap().held, 1);
        for _ in 0..2 {
            account.withdraw(&asked, NOW).unwrap();
            assert_eq!(account.state(None, NOW).unwrap().held, 0);
        }
        let late = refused(account.admit(&asked, NOW).unwrap());
        assert_eq!(late.reason, Reason::Finished);
    });
}

#[test]
fn an_admission_that_comes_after_its_withdrawal_reserves_nothing() {
    on_each(|account| {
        let asked = booked("a", Some(60));
        let tokens = |account: &Account<'_>| {
            let tokens = account.state(None, NOW).unwrap().standing.tokens;
            tokens.map(|rate| rate.remaining)
        };
        let before = tokens(account);
        account.withdraw(&asked, NOW).unwrap();
        let late = refused(account.admit(&asked, NOW).unwrap());
        assert_eq!(late.reason, Reason::Finished);
        let state = account.state(None, NOW).unwrap();
        assert_eq!((state.held, tokens(account)), (0, before));
    });
}

#[test]
fn what_has_ended_unheard_is_taken_back_too_but_not_what_was_settled() {
    on_each(|account| {
        let (a, b) = (booked("a", Some(60)), booked("b", Some(5)));
        admitted(account.admit(&a, NOW).unwrap());
        admitted(account.admit(&b, NOW).unwrap());
        account.settle("b", exact(5), NOW).unwrap();
        account.withdraw(&b, NOW).unwrap();
        assert!(account.settle("b", exact(9), NOW).unwrap().replayed);
        account.sweep(NOW + MINUTE).unwrap();
        assert_eq!(account.unreported(9).unwrap().len(), 1);
        account.withdraw(&a, NOW + MINUTE).unwrap();
        assert_eq!(account.unreported(9).unwrap(), []);
        let settled = account.settle("a", exact(1), NOW + MINUTE).unwrap();
        assert_eq!(settled.charge, Charge::Released);
    });
}
