//! What the sequencer answers to each command.

use super::*;
use crate::chain::checkpoint::Checkpoint;
use crate::chain::keys::VerifierKey;
use crate::chain::receipt::verify_fact;
use crate::chain::tests::memory::Fault;
use crate::chain::verify::verify_consistency;

fn command(http: &LogHttp, command: &Command) -> (u16, Value) {
    let served = http.serve(&serde_json::to_vec(command).unwrap());
    (served.status, serde_json::from_str(&served.body).unwrap())
}

fn append(http: &LogHttp, number: u64) -> Receipt {
    let (status, body) = command(http, &Command::Append(request(number)));
    assert_eq!(status, 200);
    serde_json::from_value(body).unwrap()
}

#[test]
fn an_append_is_answered_with_its_proof_and_replayed_as_it_was() {
    let http = LogHttp::new(None);
    let first = append(&http, 0);
    assert_eq!(
        (first.leaf_index, first.tree_size, first.replayed),
        (0, 1, false)
    );
    append(&http, 1);
    let again = append(&http, 0);
    assert!(again.replayed);
    assert_eq!((again.fact_id, again.leaf_index), (first.fact_id, 0));
    assert_eq!(http.size(), 2);
}

#[test]
fn a_key_used_for_another_fact_is_a_conflict() {
    let http = LogHttp::new(None);
    append(&http, 0);
    let mut other = request(0);
    other.fact.object = "refused".to_owned();
    let (status, body) = command(&http, &Command::Append(other));
    assert_eq!(
        (status, body["code"].as_str()),
        (409, Some("idempotency_conflict"))
    );
    let mut wrong = request(1);
    wrong.fact.subject = String::new();
    let (status, body) = command(&http, &Command::Append(wrong));
    assert_eq!((status, body["code"].as_str()), (409, Some("invalid_fact")));
    assert_eq!(http.size(), 1);
}

#[test]
fn facts_come_with_proofs_that_hold_and_unknown_ones_are_absent() {
    let http = LogHttp::new(None);
    let ids: Vec<Hash> = (0..5).map(|number| append(&http, number).fact_id).collect();
    let asked = vec![ids[3], Hash::of(b"unknown"), ids[0]];
    let (_, body) = command(&http, &Command::Facts(asked));
    let Found {
        asked,
        facts: found,
    } = serde_json::from_value(body).unwrap();
    assert_eq!(
        (asked, subjects(&found)),
        (3, vec!["case/3".to_owned(), "case/0".to_owned()])
    );
    let (_, head) = command(&http, &Command::Head);
    let key: VerifierKey = head["verifier_key"].as_str().unwrap().parse().unwrap();
    for fact in &found {
        let StoredContent::Present { canonical, .. } = &fact.stored.content else {
            panic!("erased");
        };
        let verdicts = verify_fact(Some(canonical), &fact.receipt, &key);
        assert!(verdicts.integrity.holds() && verdicts.completeness.holds());
        assert!(verdicts.signer.holds());
        assert_eq!(
            fact.receipt.checkpoint,
            head["checkpoint"].as_str().unwrap()
        );
    }
}

/// Facts of almost the most bytes, which are many more as JSON within JSON.
fn large(number: u64) -> AppendRequest {
    let mut request = request(number);
    request.fact.object = "\"".repeat(32_000);
    request
}

#[test]
fn answers_stay_within_bounds_whatever_the_facts_hold() {
    let http = LogHttp::new(None);
    let (ledger, counted) = (client(Rc::clone(&http) as Rc<dyn Http>), 100);
    let mut ids = Vec::new();
    for numbers in [0..40, 40..80, 80..counted] {
        let requests: Vec<AppendRequest> = numbers.map(large).collect();
        let answers = block_on(ledger.append_all(&requests)).unwrap();
        ids.extend(answers.into_iter().map(|answer| answer.unwrap().fact_id));
    }
    let found = block_on(ledger.facts(&ids)).unwrap();
    let found: Vec<Hash> = found.iter().map(|fact| fact.stored.fact_id).collect();
    assert_eq!(found, ids);
    let newest = block_on(ledger.recent(MAX_FACTS)).unwrap();
    let newest: Vec<Hash> = newest.iter().map(|fact| fact.stored.fact_id).collect();
    assert!(
        newest.len() > 50 && ids.ends_with(&newest),
        "{}",
        newest.len()
    );
    let (mut read, mut answers) = (0, 0);
    while read < counted {
        let body = serde_json::to_vec(&Command::Entries(read)).unwrap();
        let served = http.serve(&body);
        assert!(served.body.len() < 16 * 1024 * 1024);
        let entries: Vec<StoredFact> = serde_json::from_str(&served.body).unwrap();
        assert_eq!(entries[0].leaf_index, read);
        (read, answers) = (read + entries.len() as u64, answers + 1);
    }
    assert_eq!((read, answers), (counted, 2));
}

#[test]
fn more_bytes_than_a_round_holds_are_refused() {
    let http = LogHttp::new(None);
    let requests: Vec<AppendRequest> = (0..60).map(large).collect();
    let (status, body) = command(&http, &Command::AppendAll(requests));
    assert_eq!((status, body["code"].as_str()), (400, Some("too_large")));
}

#[test]
fn an_entry_that_is_missing_or_altered_hides_no_other() {
    let http = LogHttp::new(None);
    (0..5).for_each(|number| drop(append(&http, number)));
    http.alter(1, None);
    http.alter(3, Some("{}"));
    let (status, body) = command(&http, &Command::Entries(0));
    let entries: Vec<StoredFact> = serde_json::from_value(body).unwrap();
    let at: Vec<u64> = entries.iter().map(|entry| entry.leaf_index).collect();
    assert_eq!((status, at), (200, vec![0, 2, 3, 4]));
    let altered = StoredContent::Altered {
        canonical: "{}".to_owned(),
    };
    assert_eq!(entries[2].content, altered);
}

#[test]
fn the_newest_facts_stand_last_and_are_never_too_many() {
    let http = LogHttp::new(None);
    assert_eq!(
        command(&http, &Command::Recent(5)),
        (200, serde_json::json!([]))
    );
    for number in 0..3 {
        append(&http, number);
    }
    let recent = |count| {
        let (_, body) = command(&http, &Command::Recent(count));
        subjects(&serde_json::from_value::<Vec<_>>(body).unwrap())
    };
    assert_eq!(recent(2), ["case/1", "case/2"]);
    assert_eq!(recent(usize::MAX).len(), 3);
    assert!(recent(0).is_empty());
    let many = vec![Hash::of(b"x"); MAX_FACTS + 1];
    let (status, body) = command(&http, &Command::Facts(many));
    assert_eq!((status, body["code"].as_str()), (400, Some("too_many")));
}

fn keyed(http: &LogHttp, prefixes: &[&str]) -> Vec<(Vec<String>, bool)> {
    let prefixes = prefixes.iter().map(|prefix| (*prefix).to_owned()).collect();
    let (_, body) = command(http, &Command::Keyed(prefixes));
    let found: Vec<Keyed> = serde_json::from_value(body).unwrap();
    let keys = |found: Keyed| found.facts.into_iter().map(|fact| fact.key).collect();
    let told = |found: Keyed| (found.more, keys(found));
    found
        .into_iter()
        .map(told)
        .map(|(more, keys)| (keys, more))
        .collect()
}

#[test]
fn facts_are_found_by_their_keys_when_their_content_is_gone_too() {
    let http = LogHttp::new(None);
    command(&http, &Command::AppendAll((0..12).map(request).collect()));
    http.erase(1);
    let keys = |numbers: &[u64]| -> Vec<String> {
        numbers
            .iter()
            .map(|number| format!("key-{number}"))
            .collect()
    };
    assert_eq!(
        keyed(&http, &["key-1", "none", "key-3"]),
        [
            (keys(&[1, 10, 11]), false),
            (vec![], false),
            (keys(&[3]), false)
        ]
    );
    let many = vec!["key-".to_owned(); MAX_FACTS + 1];
    assert_eq!(command(&http, &Command::Keyed(many)).0, 400);
    let more: Vec<AppendRequest> = (12..300).map(request).collect();
    command(&http, &Command::AppendAll(more));
    let [(found, more)] = &keyed(&http, &["key-"])[..] else {
        panic!("one was asked for");
    };
    assert_eq!((found.len(), *more), (MAX_KEYED, true));
    // What is asked for in one go is answered whole.
    let (ledger, asked) = (
        client(Rc::clone(&http) as Rc<dyn Http>),
        vec!["key-2".to_owned(); 250],
    );
    let found = block_on(ledger.keyed(&asked)).unwrap();
    assert!(found.len() == 250 && found.iter().all(|found| found.facts.len() == 111));
}

#[test]
fn of_large_facts_under_one_key_as_many_are_told_as_fit() {
    let http = LogHttp::new(None);
    for numbers in [100..140, 140..180] {
        let requests: Vec<AppendRequest> = numbers.map(large).collect();
        command(&http, &Command::AppendAll(requests));
    }
    let found = keyed(&http, &["key-10", "key-1", "key-11"]);
    assert_eq!(found.len(), 1, "the second does not fit any more");
    let [(found, more)] = &keyed(&http, &["key-1"])[..] else {
        panic!("one was asked for");
    };
    assert!(*more && (1..80).contains(&found.len()));
}

#[test]
fn heads_are_proved_consistent() {
    let http = LogHttp::new(None);
    command(&http, &Command::AppendAll((0..3).map(request).collect()));
    command(&http, &Command::AppendAll((3..7).map(request).collect()));
    let ask = Command::Consistency {
        first: 3,
        second: 7,
    };
    let (status, body) = command(&http, &ask);
    assert_eq!(status, 200);
    let proof: ConsistencyProof = serde_json::from_value(body).unwrap();
    let root = |text: &str| Checkpoint::parse_unverified(text).unwrap().root;
    let (first, second) = (
        root(&proof.first_checkpoint),
        root(&proof.second_checkpoint),
    );
    assert_eq!(
        verify_consistency(3, 7, &proof.proof, &first, &second),
        Ok(())
    );
    let beyond = Command::Consistency {
        first: 3,
        second: 8,
    };
    assert_eq!(command(&http, &beyond).0, 409);
}

#[test]
fn what_is_no_command_is_refused() {
    let http = LogHttp::new(None);
    let bodies: [&[u8]; 6] = [
        b"",
        b"{",
        b"\"erase\"",
        b"{\"append\":{}}",
        b"\xff",
        b"{\"facts\":[\"zz\"]}",
    ];
    for body in bodies {
        let served = http.serve(body);
        assert_eq!(served.status, 400, "{body:?}");
        assert!(served.body.contains("invalid_command"));
    }
    assert_eq!(http.size(), 0);
}

#[test]
fn failing_storage_asks_for_the_same_again_and_then_logs_once() {
    let body = serde_json::to_vec(&Command::Append(request(0))).unwrap();
    let mut failed = 0;
    for after_operations in 0..20 {
        for but_persists in [false, true] {
            let http = LogHttp::new(None);
            http.store.0.borrow().set_fault(Some(Fault {
                after_operations,
                but_persists,
            }));
            let first = http.serve(&body);
            if first.status != 200 {
                assert_eq!(first.status, 503, "{}", first.body);
                failed += 1;
            }
            http.store.0.borrow().set_fault(None);
            let again = http.serve(&body);
            assert_eq!(again.status, 200);
            assert_eq!(http.size(), 1);
        }
    }
    assert!(failed >= 4, "{failed}");
}

#[test]
fn many_facts_are_one_round_with_an_outcome_for_each() {
    let http = LogHttp::new(None);
    append(&http, 3);
    let mut wrong = request(5);
    wrong.fact.subject = String::new();
    let mut other = request(3);
    other.fact.object = "refused".to_owned();
    let asked = vec![request(1), wrong, request(2), request(3), other, request(1)];
    let (status, body) = command(&http, &Command::AppendAll(asked));
    assert_eq!(status, 200);
    let answers: Vec<Appended> = serde_json::from_value(body).unwrap();
    let told: Vec<_> = answers
        .iter()
        .map(|answer| match answer {
            Appended::Receipt(receipt) => {
                let place = (receipt.leaf_index, receipt.tree_size, receipt.replayed);
                Ok(place)
            }
            Appended::Refused(refusal) => Err(refusal.code.as_str()),
        })
        .collect();
    let expected = [
        Ok((1, 3, false)),
        Err("invalid_fact"),
        Ok((2, 3, false)),
        Ok((0, 1, true)),
        Err("idempotency_conflict"),
        Ok((1, 3, true)),
    ];
    assert_eq!(told, expected);
    assert_eq!(http.size(), 3);
    let (status, body) = command(&http, &Command::AppendAll(Vec::new()));
    assert_eq!((status, body), (200, serde_json::json!([])));
    let many = vec![request(0); MAX_APPENDS + 1];
    let (status, body) = command(&http, &Command::AppendAll(many));
    assert_eq!((status, body["code"].as_str()), (400, Some("too_many")));
}

#[test]
fn a_size_between_two_rounds_has_no_checkpoint() {
    let http = LogHttp::new(None);
    append(&http, 0);
    command(&http, &Command::AppendAll((1..5).map(request).collect()));
    for size in [0, 1, 5] {
        let (status, body) = command(&http, &Command::Checkpoint(size));
        let head = Checkpoint::parse_unverified(body.as_str().unwrap()).unwrap();
        assert_eq!((status, head.size), (200, size));
    }
    let (status, body) = command(&http, &Command::Checkpoint(2));
    assert_eq!(
        (status, body["code"].as_str()),
        (409, Some("size_not_signed"))
    );
    assert!(
        body["message"]
            .as_str()
            .unwrap()
            .contains("the next is of 5")
    );
    let fact = FactRef::Index(0);
    let ask = |size| command(&http, &Command::Inclusion { fact, size });
    assert_eq!(ask(None).1["tree_size"], 5);
    assert_eq!(ask(Some(1)).1["tree_size"], 1);
    assert_eq!(ask(Some(3)).1["code"], "size_not_signed");
    assert_eq!(ask(Some(6)).1["code"], "size_not_reached");
}
