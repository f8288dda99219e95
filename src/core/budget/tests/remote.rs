//! Commands to an account from afar, and what callers are told.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::future::join;

use super::super::headers::duration;
use super::super::remote::{Objects, RemoteUserLedger, UserLedger, serve};
use super::super::sql_store::SqlStore;
use super::super::types::{Caps, Charge, Limits, Period, RateState, Reason, Refused, Standing};
use super::memory::sqlite;
use super::{NOW, admitted, exact, on, refused, request};
use crate::llm::scripted::JumpClock;
use crate::ports::{Clock, Http, HttpError, HttpRequest, HttpResponse};
use crate::sql::SqliteDatabase;
use crate::testing::{FakeClock, block_on};

/// One object; replies may be lost.
pub(super) struct Object {
    store: SqlStore<SqliteDatabase>,
    names: RefCell<Vec<String>>,
    lost: Cell<u32>,
    /// It takes nothing in and never answers.
    silent: Cell<bool>,
}

struct Way(Rc<Object>);

impl Objects for Way {
    fn named(&self, name: &str) -> Result<Rc<dyn Http>, String> {
        self.0.names.borrow_mut().push(name.to_owned());
        Ok(Rc::new(Way(Rc::clone(&self.0))))
    }
}

#[async_trait(?Send)]
impl Http for Way {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        if self.0.silent.get() {
            std::future::pending::<()>().await;
        }
        let served = on(&self.0.store, |account| serve(account, &request.body, NOW));
        if self.0.lost.get() > 0 {
            self.0.lost.set(self.0.lost.get() - 1);
            return Err(HttpError::Timeout {
                ms: request.timeout_ms,
            });
        }
        let body = futures::stream::iter([Ok(Bytes::from(served.body))]).boxed_local();
        Ok(HttpResponse {
            status: served.status,
            headers: Vec::new(),
            body,
        })
    }
}

pub(super) fn ledger(lost: u32) -> (RemoteUserLedger, Rc<Object>) {
    ledger_by(Rc::new(FakeClock::at(NOW)), lost)
}

fn ledger_by(clock: Rc<dyn Clock>, lost: u32) -> (RemoteUserLedger, Rc<Object>) {
    let object = Rc::new(Object {
        store: sqlite(),
        names: RefCell::default(),
        lost: Cell::new(lost),
        silent: Cell::default(),
    });
    let way = Way(Rc::clone(&object));
    (RemoteUserLedger::new(Rc::new(way), clock), object)
}

#[test]
fn every_verb_crosses_and_comes_back() {
    let (ledger, object) = ledger(0);
    block_on(async {
        let caps = Caps {
            soft: Some(10),
            hard: Some(100),
        };
        ledger.set_zone("ann", "India").await.unwrap();
        ledger
            .set_budget("ann", Some("k1"), Period::Day, caps.into())
            .await
            .unwrap();
        ledger
            .set_limits("ann", Some("k1"), Limits::standard())
            .await
            .unwrap();
        let asked = super::Request {
            key_id: Some("k1".to_owned()),
            sent: false,
            ..request("a", 60)
        };
        let granted = admitted(ledger.admit("ann", &asked).await.unwrap());
        assert_eq!(granted.standing.warnings().count(), 1);
        ledger.sent("ann", "a").await.unwrap();
        assert!(!ledger.settle("ann", "a", exact(50)).await.unwrap().replayed);
        let state = ledger.state("ann", Some("k1")).await.unwrap();
        assert_eq!((state.zone.as_str(), state.held), ("India", 0));
        assert_eq!(state.standing.budgets[0].spending.spent, 50);
        let more = super::Request {
            request_id: "b".to_owned(),
            ..asked
        };
        let over = refused(ledger.admit("ann", &more).await.unwrap());
        assert_eq!(over.reason, Reason::Budget);
    });
    assert!(object.names.borrow().iter().all(|name| name == "ann"));
}

#[test]
fn a_lost_reply_is_asked_for_again_and_silence_is_no_permission() {
    let (ledger, _) = ledger(2);
    let asked = super::Request {
        nonce: "n".to_owned(),
        ..request("a", 1)
    };
    let granted = admitted(block_on(ledger.admit("ann", &asked)).unwrap());
    // It was this very request that the object had admitted, twice unheard.
    assert!(!granted.replayed);
    let (ledger, object) = self::ledger(3);
    let silent = block_on(ledger.admit("ann", &request("a", 1))).unwrap_err();
    assert_eq!(silent.code(), "BUDGET_UNAVAILABLE");
    assert_eq!(object.names.borrow().len(), 3);
}

#[test]
fn a_settlement_goes_along_with_the_next_admission_and_comes_before_it() {
    let clock = JumpClock::at(NOW);
    let (ledger, object) = ledger_by(Rc::new(clock.clone()), 0);
    let caps = Caps {
        soft: None,
        hard: Some(100),
    };
    clock.run(async {
        let set = ledger.set_budget("ann", None, Period::Day, caps.into());
        set.await.unwrap();
        admitted(ledger.admit("ann", &request("a", 90)).await.unwrap());
        let asked = request("b", 90);
        let settled = ledger.settle("ann", "a", exact(10));
        let (settled, next) = join(settled, ledger.admit("ann", &asked)).await;
        assert_eq!(settled.unwrap().charge, Charge::Exact(10));
        // There is room for it only once the first is settled.
        admitted(next.unwrap());
        assert_eq!(object.names.borrow().len(), 3);
        let alone = ledger.settle("ann", "b", exact(20)).await.unwrap();
        assert!(!alone.replayed);
        assert_eq!(object.names.borrow().len(), 4);
    });
}

#[test]
fn a_settlement_whose_admission_fails_goes_on_alone() {
    let clock = JumpClock::at(NOW);
    let (ledger, object) = ledger_by(Rc::new(clock.clone()), 0);
    clock.run(async {
        admitted(ledger.admit("ann", &request("a", 90)).await.unwrap());
        object.lost.set(3);
        let asked = request("b", 1);
        let settled = ledger.settle("ann", "a", exact(10));
        let (settled, next) = join(settled, ledger.admit("ann", &asked)).await;
        assert_eq!(next.unwrap_err().code(), "BUDGET_UNAVAILABLE");
        // It was made with the admission, whose replies were lost.
        assert!(settled.unwrap().replayed);
        let unknown = ledger.settle("ann", "none", exact(1));
        let (unknown, next) = join(unknown, ledger.admit("ann", &request("c", 1))).await;
        assert_eq!(unknown.unwrap_err().code(), "RESERVATION_NOT_FOUND");
        admitted(next.unwrap());
    });
}

#[test]
fn a_settlement_whose_admission_is_dropped_is_made_all_the_same() {
    let clock = JumpClock::at(NOW);
    let (ledger, object) = ledger_by(Rc::new(clock.clone()), 0);
    clock.run(async {
        admitted(ledger.admit("ann", &request("a", 90)).await.unwrap());
        object.silent.set(true);
        let asked = request("b", 1);
        let mut admission = Box::pin(ledger.admit("ann", &asked));
        let mut settled = Box::pin(ledger.settle("ann", "a", exact(10)));
        assert!(futures::poll!(&mut settled).is_pending());
        assert!(futures::poll!(&mut admission).is_pending());
        drop(admission);
        object.silent.set(false);
        assert!(!settled.await.unwrap().replayed);
    });
}

#[test]
fn what_an_account_refuses_is_not_asked_again() {
    let (ledger, object) = ledger(0);
    let unknown = block_on(ledger.settle("ann", "a", exact(1))).unwrap_err();
    assert_eq!(unknown.code(), "RESERVATION_NOT_FOUND");
    assert_eq!(object.names.borrow().len(), 1);
    let status = |body: &[u8]| on(&object.store, |account| serve(account, body, NOW)).status;
    assert_eq!(status(b"{}"), 400);
    assert_eq!(status(br#"{"set_zone":"Nowhere"}"#), 400);
    assert_eq!(status(br#"{"sent":"a"}"#), 404);
    assert_eq!(status(br#"{"state":{"key_id":null}}"#), 200);
}

#[test]
fn durations_are_those_of_go() {
    for (ms, text) in [
        (0, "0s"),
        (-5, "0s"),
        (12, "12ms"),
        (1_000, "1s"),
        (1_500, "1.5s"),
        (59_999, "59.999s"),
        (60_000, "1m0s"),
        (360_000, "6m0s"),
        (3_661_010, "1h1m1.01s"),
    ] {
        assert_eq!(duration(ms), text);
    }
}

#[test]
fn refusals_tell_whether_to_come_again() {
    let refusal = |reason, retry_after_ms| Refused {
        reason,
        retry_after_ms,
        limit: 60,
        remaining: 0,
        needed: 1,
        standing: Standing {
            requests: Some(RateState {
                limit: 60,
                remaining: 0,
                reset_ms: 60_000,
            }),
            ..Standing::default()
        },
    };
    let fast = refusal(Reason::RequestsPerMinute, Some(1_200));
    let text = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let headers: Vec<_> = fast
        .headers()
        .iter()
        .map(|(name, value)| text(name, value))
        .collect();
    assert_eq!(
        headers,
        [
            text("x-ratelimit-limit-requests", "60"),
            text("x-ratelimit-remaining-requests", "0"),
            text("x-ratelimit-reset-requests", "1m0s"),
            text("retry-after", "2"),
            text("retry-after-ms", "1200"),
        ]
    );
    assert_eq!(
        fast.to_string(),
        "the limit is 60 requests a minute; try again in 1.2s"
    );
    for reason in [
        Reason::Budget,
        Reason::Unpriced,
        Reason::TooLarge,
        Reason::Finished,
    ] {
        let last = refusal(reason, Some(86_400_000)).headers().pop().unwrap();
        assert_eq!(last, ("x-should-retry", "false".to_owned()));
    }
    let budget = refusal(Reason::Budget, None);
    assert_eq!(budget.error_type(), "insufficient_quota");
    assert!(
        budget
            .to_string()
            .starts_with("the budget of $0.00000006 has $0 left")
    );
}

#[test]
fn the_owner_learns_when_to_look_after_a_new_reservation() {
    let store = sqlite();
    let due = |id, bound| {
        let body = serde_json::json!({ "admit": { "request": request(id, bound) } }).to_string();
        on(&store, |account| serve(account, body.as_bytes(), NOW)).due_ms
    };
    assert_eq!(due("a", 1), Some(NOW + super::MINUTE));
    assert_eq!(due("b", -1), None);
}
