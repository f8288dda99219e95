//! The client, while calls and replies are lost.

use super::*;

fn ledger(faults: &[LogFault]) -> (RemoteLedger, Rc<LogHttp>) {
    let http = LogHttp::new(None);
    *http.faults.borrow_mut() = faults.iter().copied().collect();
    (client(Rc::clone(&http) as Rc<dyn Http>), http)
}

#[test]
fn every_question_is_answered() {
    let (ledger, http) = ledger(&[]);
    let receipt = block_on(ledger.append(&request(0))).unwrap();
    block_on(ledger.append(&request(1))).unwrap();
    let facts = block_on(ledger.facts(&[receipt.fact_id, Hash::of(b"?")])).unwrap();
    assert_eq!(subjects(&facts), ["case/0"]);
    assert_eq!(subjects(&block_on(ledger.recent(1)).unwrap()), ["case/1"]);
    let head = block_on(ledger.head()).unwrap();
    assert_eq!(head.checkpoint, facts[0].receipt.checkpoint);
    let proof = block_on(ledger.consistency(1, 2)).unwrap();
    assert_eq!(proof.second_checkpoint, head.checkpoint);
    let keyed = block_on(ledger.keyed(&["key-1".to_owned()])).unwrap();
    assert_eq!(keyed[0].facts[0].stored.leaf_index, 1);
    assert_eq!(http.calls.get(), 7);
}

#[test]
fn an_append_whose_reply_is_lost_is_logged_exactly_once() {
    use LogFault::{Answers, None, ReplyLost, RequestLost};
    let storage = Answers(503, r#"{"code":"storage_failed","message":"repeat"}"#);
    let opening = Answers(503, "the log could not be opened");
    let kinds = [None, RequestLost, ReplyLost, storage, opening];
    for first in kinds {
        for second in kinds {
            let (ledger, http) = ledger(&[first, second]);
            let receipt = block_on(ledger.append(&request(0))).unwrap();
            assert_eq!(
                (receipt.leaf_index, http.size()),
                (0, 1),
                "{first:?} {second:?}"
            );
            let known = http.fact(0);
            assert_eq!(known.0, request(0).fact);
        }
    }
}

#[test]
fn after_three_tries_it_says_that_nothing_is_known() {
    let (ledger, http) = ledger(&[LogFault::ReplyLost; 3]);
    let error = block_on(ledger.append(&request(0))).unwrap_err();
    assert!(matches!(error, LedgerError::Unavailable(_)), "{error}");
    assert_eq!((error.code(), http.calls.get()), ("CHAIN_UNAVAILABLE", 3));
    let receipt = block_on(ledger.append(&request(0))).unwrap();
    assert!(receipt.replayed);
    assert_eq!(http.size(), 1);
}

#[test]
fn a_refusal_is_told_and_not_repeated() {
    let (ledger, http) = ledger(&[]);
    block_on(ledger.append(&request(0))).unwrap();
    let mut other = request(0);
    other.fact.object = "refused".to_owned();
    let error = block_on(ledger.append(&other)).unwrap_err();
    assert!(
        matches!(&error, LedgerError::Refused { code, .. } if code == "idempotency_conflict"),
        "{error}"
    );
    assert_eq!((error.code(), http.calls.get()), ("CHAIN_REFUSED", 2));
    assert!(error.to_string().contains("use a new key"));
}

#[test]
fn an_answer_that_cannot_be_read_is_no_answer() {
    for answer in ["", "{}", "[]", "<html>"] {
        let (ledger, _http) = ledger(&[LogFault::Answers(200, answer)]);
        let error = block_on(ledger.head()).unwrap_err();
        assert!(
            matches!(error, LedgerError::Unavailable(_)),
            "{answer}: {error}"
        );
    }
}
