//! The client, against a witness in memory and against strange answers.

use std::cell::{Cell, RefCell};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream;

use super::super::client::{Prover, RemoteWitness, WitnessError};
use super::serving::ask;
use super::{NOW_MS, Seen, TestLog, cosigner};
use crate::chain::hash::Hash;
use crate::ports::{Http, HttpError, HttpRequest, HttpResponse};
use crate::testing::block_on;

struct Served {
    seen: RefCell<Seen>,
    asked: Cell<u32>,
    /// Answers instead, with a media type.
    instead: Option<(u16, &'static str, String)>,
}

impl Served {
    fn new(seen: Seen) -> Self {
        Self {
            seen: RefCell::new(seen),
            asked: Cell::new(0),
            instead: None,
        }
    }

    fn answering(status: u16, media_type: &'static str, body: &str) -> Self {
        Self {
            instead: Some((status, media_type, body.to_owned())),
            ..Self::new(Seen::default())
        }
    }
}

#[async_trait(?Send)]
impl Http for Served {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        assert_eq!(request.url, "https://witness.example/x/add-checkpoint");
        self.asked.set(self.asked.get() + 1);
        let (status, media_type, body) = self.instead.clone().unwrap_or_else(|| {
            let text = std::str::from_utf8(&request.body).unwrap();
            let answer = ask(&mut *self.seen.borrow_mut(), text);
            (answer.status, answer.content_type(), answer.body)
        });
        Ok(HttpResponse {
            status,
            headers: vec![("content-type", media_type.to_owned())],
            body: Box::pin(stream::iter([Ok(Bytes::from(body))])),
        })
    }
}

#[async_trait(?Send)]
impl Prover for TestLog {
    async fn prove(&self, first: u64, second: u64) -> Result<Vec<Hash>, String> {
        Ok(self.proof(first, second))
    }
}

fn cosign(http: &Served, log: &TestLog, size: u64, known: u64) -> Result<u64, WitnessError> {
    let witness = RemoteWitness {
        key: cosigner(1).verifier().clone(),
        url: "https://witness.example/x".to_owned(),
    };
    let note = log.note(size);
    block_on(witness.cosign(http, log, &note, known)).map(|cosignature| cosignature.time_s)
}

#[test]
fn what_the_witness_knows_is_asked_for_once() {
    let (http, log) = (Served::new(Seen::default()), TestLog::of(30));
    let time_s = NOW_MS / 1000;
    // (size, thought to be known, requests it takes)
    for (size, known, requests) in [
        (4, 0, 1),
        (9, 4, 1),
        (20, 0, 2),
        (20, 20, 1),
        (30, 9, 2),
        (30, 99, 1),
    ] {
        http.asked.set(0);
        assert_eq!(
            cosign(&http, &log, size, known),
            Ok(time_s),
            "{size} {known}"
        );
        assert_eq!(http.asked.get(), requests, "{size} {known}");
    }
}

#[test]
fn a_log_that_was_set_back_is_told_so() {
    let (http, log) = (Served::new(Seen::default()), TestLog::of(30));
    cosign(&http, &log, 20, 0).unwrap();
    let behind = WitnessError::Behind {
        witnessed: 20,
        size: 15,
    };
    assert_eq!(cosign(&http, &log, 15, 0), Err(behind));
}

#[test]
fn a_fork_is_told_by_its_name() {
    let (http, log) = (Served::new(Seen::default()), TestLog::of(20));
    let other = TestLog::branch(30, 10, 1);
    cosign(&http, &log, 20, 0).unwrap();
    for known in [0, 20] {
        let forked = Err(WitnessError::Forked { size: 20 });
        assert_eq!(cosign(&http, &other, 20, known), forked);
        let rewritten = Err(WitnessError::Inconsistent { witnessed: 20 });
        assert_eq!(cosign(&http, &other, 30, known), rewritten);
    }
    assert_eq!(http.seen.borrow().forks.len(), 2);
    // By either edition of the specification.
    for status in [409, 422] {
        let http = Served::answering(status, "text/plain", "conflict");
        let forked = Err(WitnessError::Forked { size: 20 });
        assert_eq!(cosign(&http, &log, 20, 20), forked);
    }
}

#[test]
fn refusals_are_named() {
    let log = TestLog::of(5);
    let of = |status, media_type, body: &str| {
        let http = Served::answering(status, media_type, body);
        let error = cosign(&http, &log, 5, 0).unwrap_err();
        assert!(http.asked.get() <= 2);
        error
    };
    assert_eq!(of(403, "text/plain", ""), WitnessError::NotSigned);
    assert_eq!(of(404, "text/plain", ""), WitnessError::UnknownLog);
    assert_eq!(of(409, "text/x.tlog.size", "3\n"), WitnessError::Busy);
    assert_eq!(
        of(409, "text/x.tlog.size; charset=utf-8", "3\n"),
        WitnessError::Busy
    );
    for size in ["", "3", "03\n", "-3\n", "x\n"] {
        let error = of(409, "text/x.tlog.size", size);
        assert!(
            matches!(error, WitnessError::Refused { status: 409, .. }),
            "{size}"
        );
    }
    let error = of(500, "text/html", &"x".repeat(10_000));
    assert!(matches!(error, WitnessError::Refused { status: 500, reason } if reason.len() == 200));
    let huge = of(200, "text/plain", &"x".repeat(100_000));
    assert!(matches!(huge, WitnessError::Unavailable(_)));
}

#[test]
fn an_answer_without_its_cosignature_is_none() {
    let log = TestLog::of(5);
    let note = log.note(5);
    let by_another = cosigner(2).cosign(note.text(), 7).unwrap().to_string();
    let of_another = cosigner(1)
        .cosign(log.note(4).text(), 7)
        .unwrap()
        .to_string();
    // Over a longer text, which an empty line makes of checkpoint and signature.
    let longer = cosigner(1)
        .cosign(&note.to_string(), 7)
        .unwrap()
        .to_string();
    let longer = format!("\n{longer}");
    for body in ["", "x", &by_another, &of_another, &longer] {
        let http = Served::answering(200, "text/plain", body);
        assert_eq!(
            cosign(&http, &log, 5, 0),
            Err(WitnessError::NotCosigned),
            "{body}"
        );
    }
    // Among others, it is found.
    let own = cosigner(1).cosign(note.text(), 9).unwrap().to_string();
    let http = Served::answering(200, "text/plain", &format!("{by_another}{own}"));
    assert_eq!(cosign(&http, &log, 5, 0), Ok(9));
}
