//! What the sequencer promises when nothing fails.

use super::super::checkpoint::Checkpoint;
use super::super::error::SequencerError;
use super::super::fact::{LogEntry, SaltedFact};
use super::super::hash::Hash;
use super::super::keys::SignerKey;
use super::super::proof::LogProof;
use super::super::receipt::{
    ContentState, Receipt, StoredContent, TimeVouchedBy, Verdict, verify_fact,
};
use super::super::sequencer::{FactRef, Sequencer};
use super::super::verify::{verify_consistency, verify_inclusion};
use super::memory::MemoryStore;
use super::{Append, NOW_MS, fact, open, request, salt, test_key};

fn empty_log() -> Sequencer<MemoryStore> {
    open(MemoryStore::default(), test_key()).unwrap()
}

fn log_of(size: u64) -> (Sequencer<MemoryStore>, Vec<Receipt>) {
    let mut log = empty_log();
    let receipts = (0..size)
        .map(|number| {
            log.append(&request(number), NOW_MS + number, &salt(number))
                .unwrap()
        })
        .collect();
    (log, receipts)
}

fn content(log: &Sequencer<MemoryStore>, receipt: &Receipt) -> Option<String> {
    match log.fact(FactRef::FactId(receipt.fact_id)).unwrap().content {
        StoredContent::Present { canonical, .. } | StoredContent::Altered { canonical } => {
            Some(canonical)
        }
        StoredContent::Erased => None,
    }
}

#[test]
fn the_empty_log_has_a_checkpoint() {
    let log = empty_log();
    let head = Checkpoint::open(&log.checkpoint().unwrap(), test_key().verifier()).unwrap();
    assert_eq!((head.size, head.root), (0, Hash::empty_root()));
    let missing = log.fact(FactRef::Index(0)).unwrap_err();
    assert_eq!(missing, SequencerError::NotFound);
}

#[test]
fn indices_are_dense_and_receipts_verify() {
    let (log, receipts) = log_of(70);
    let key = test_key();
    for (index, receipt) in (0..).zip(&receipts) {
        assert_eq!((receipt.leaf_index, receipt.tree_size), (index, index + 1));
        assert_eq!(receipt.logged_at_ms, NOW_MS + index);
        assert!(!receipt.replayed);
        let verdicts = verify_fact(content(&log, receipt).as_deref(), receipt, key.verifier());
        assert!(verdicts.integrity.holds() && verdicts.completeness.holds());
        assert!(verdicts.signer.holds());
        assert_eq!(verdicts.time, TimeVouchedBy::LogClock);
        assert_eq!(verdicts.content, ContentState::Present);
    }
}

#[test]
fn the_same_key_replays_the_same_receipt() {
    let (mut log, receipts) = log_of(9);
    for (number, receipt) in (0..).zip(&receipts) {
        let again = log
            .append(&request(number), NOW_MS + 999, &salt(999))
            .unwrap();
        let expected = Receipt {
            replayed: true,
            ..receipt.clone()
        };
        assert_eq!(again, expected);
    }
    assert_eq!(log.size(), 9);
}

#[test]
fn the_same_key_with_another_fact_is_a_conflict() {
    let (mut log, _) = log_of(2);
    let mut other = request(1);
    other.fact.object = "refused".to_owned();
    let error = log.append(&other, NOW_MS, &salt(9)).unwrap_err();
    assert_eq!(error, SequencerError::Conflict { index: 1 });
    assert_eq!(error.code(), "idempotency_conflict");
    // The same fact under another key is another statement of it.
    other = request(1);
    other.idempotency_key = "key-new".to_owned();
    let error = log.append(&other, NOW_MS, &salt(1)).unwrap_err();
    assert_eq!(error, SequencerError::SaltReused { index: 1 });
    let receipt = log.append(&other, NOW_MS, &salt(9)).unwrap();
    assert_eq!(receipt.leaf_index, 2);
}

#[test]
fn bad_requests_write_nothing() {
    let mut log = empty_log();
    for key in ["", "a b", "caf\u{e9}", "a\n", &"k".repeat(256)] {
        let mut bad = request(0);
        bad.idempotency_key = key.to_owned();
        let error = log.append(&bad, NOW_MS, &salt(0)).unwrap_err();
        assert_eq!(error, SequencerError::IdempotencyKey);
    }
    let mut bad = request(0);
    bad.fact.subject.clear();
    let error = log.append(&bad, NOW_MS, &salt(0)).unwrap_err();
    assert_eq!(error.code(), "invalid_fact");
    let error = log.append(&request(0), u64::MAX, &salt(0)).unwrap_err();
    assert_eq!(error, SequencerError::Clock { now_ms: u64::MAX });
    assert!(log.store().entries.is_empty() && log.store().nodes.is_empty());
}

#[test]
fn time_never_goes_back() {
    let mut log = empty_log();
    let times = [NOW_MS, NOW_MS - 5000, 0, NOW_MS + 1];
    let logged: Vec<u64> = (0..)
        .zip(times)
        .map(|(number, now)| log.append(&request(number), now, &salt(number)).unwrap())
        .map(|receipt| receipt.logged_at_ms)
        .collect();
    assert_eq!(logged, [NOW_MS, NOW_MS, NOW_MS, NOW_MS + 1]);
}

#[test]
fn all_proofs_of_a_log_verify() {
    let (log, receipts) = log_of(40);
    let head = |note: &str| Checkpoint::open(note, log.key().verifier()).unwrap();
    for first in 0..=40 {
        for second in first..=40 {
            let proof = log.prove_consistency(first, second).unwrap();
            let (older, newer) = (
                head(&proof.first_checkpoint),
                head(&proof.second_checkpoint),
            );
            assert_eq!((older.size, newer.size), (first, second));
            verify_consistency(first, second, &proof.proof, &older.root, &newer.root).unwrap();
        }
    }
    for receipt in &receipts {
        let fact = FactRef::FactId(receipt.fact_id);
        for size in receipt.tree_size..=40 {
            let proof = log.prove_inclusion(fact, Some(size)).unwrap();
            let head = head(&proof.checkpoint);
            let leaf = receipt.leaf_hash;
            verify_inclusion(
                &leaf,
                receipt.leaf_index,
                head.size,
                &proof.proof,
                &head.root,
            )
            .unwrap();
        }
        assert_eq!(log.prove_inclusion(fact, None).unwrap().tree_size, 40);
    }
    let too_early = log.prove_inclusion(FactRef::Index(5), Some(5)).unwrap_err();
    assert_eq!(too_early.code(), "invalid_range");
    let too_far = log.prove_consistency(1, 41).unwrap_err();
    assert_eq!(
        too_far,
        SequencerError::SizeNotReached {
            asked: 41,
            size: 40
        }
    );
    assert_eq!(
        log.prove_consistency(3, 2).unwrap_err().code(),
        "invalid_range"
    );
}

#[test]
fn erased_content_leaves_every_proof_valid() {
    let (mut log, receipts) = log_of(20);
    let receipt = &receipts[7];
    let fact = FactRef::FactId(receipt.fact_id);
    let before = log.checkpoint().unwrap();
    for _ in 0..2 {
        assert_eq!(log.erase(fact).unwrap().content, StoredContent::Erased);
    }
    let stored = format!("{:?}", log.store());
    assert!(!stored.contains("case/7\"") && stored.contains("case/8"));
    let verdicts = verify_fact(None, receipt, log.key().verifier());
    assert!(matches!(verdicts.integrity, Verdict::NotChecked { .. }));
    assert!(verdicts.completeness.holds() && verdicts.signer.holds());
    assert_eq!(verdicts.content, ContentState::Erased);
    assert_eq!(
        log.prove_inclusion(fact, Some(receipt.tree_size))
            .unwrap()
            .proof,
        receipt.inclusion_proof
    );
    assert_eq!(log.checkpoint().unwrap(), before);
    let error = log.append(&request(7), NOW_MS, &salt(99)).unwrap_err();
    assert_eq!(error, SequencerError::ReplayOfErased { index: 7 });
    log.append(&request(20), NOW_MS, &salt(20)).unwrap();
    open(log.into_store(), test_key()).unwrap();
}

#[test]
fn each_verdict_fails_for_its_own_reason() {
    let (log, receipts) = log_of(6);
    let receipt = &receipts[4];
    let text = content(&log, receipt).unwrap();
    let key = test_key();
    let judge = |text: &str, receipt: &Receipt, key: &SignerKey| {
        let verdicts = verify_fact(Some(text), receipt, key.verifier());
        [verdicts.integrity, verdicts.completeness, verdicts.signer].map(|verdict| verdict.holds())
    };
    let change = |change: fn(&mut Receipt)| {
        let mut changed = receipt.clone();
        change(&mut changed);
        judge(&text, &changed, &key)
    };
    assert_eq!(judge(&text, receipt, &key), [true, true, true]);
    let altered = text.replace("approved", "refused");
    assert_eq!(judge(&altered, receipt, &key), [false, true, true]);
    let stranger = SignerKey::from_seed(key.name(), &[2; 32]).unwrap();
    assert_eq!(judge(&text, receipt, &stranger), [true, true, false]);
    assert_eq!(change(|r| r.logged_at_ms += 1), [true, false, true]);
    assert_eq!(change(|r| r.leaf_index = 3), [true, false, true]);
    assert_eq!(change(|r| r.tree_size += 1), [true, false, true]);
    assert_eq!(change(|r| r.leaf_hash = Hash::of(b"")), [true, false, true]);
    assert_eq!(change(|r| r.inclusion_proof.clear()), [true, false, true]);
    assert_eq!(change(|r| r.fact_id = Hash::of(b"")), [false, false, true]);
    assert_eq!(change(|r| r.checkpoint.clear()), [true, false, false]);
    let resized = change(|r| {
        r.checkpoint = r.checkpoint.replace("\n5\n", "\n6\n");
        r.tree_size = 6;
    });
    assert!(!resized[2]);
}

/// A whole log rebuilt with one fact changed and another key: completeness
/// holds in that other tree, and only the signer tells.
#[test]
fn a_rebuilt_log_is_told_by_its_signer() {
    let thief = SignerKey::from_seed(test_key().name(), &[66; 32]).unwrap();
    let mut forged = open(MemoryStore::default(), thief).unwrap();
    let receipt = forged.append(&request(0), NOW_MS, &salt(0)).unwrap();
    let text = content(&forged, &receipt);
    let verdicts = verify_fact(text.as_deref(), &receipt, test_key().verifier());
    assert!(verdicts.integrity.holds() && verdicts.completeness.holds());
    assert!(matches!(verdicts.signer, Verdict::Fails { .. }));
    assert_eq!(verdicts.time, TimeVouchedBy::Nobody);
}

#[test]
fn the_offline_proof_verifies_from_its_text_alone() {
    let (_, receipts) = log_of(11);
    for receipt in &receipts {
        let text = receipt.to_proof_text();
        assert!(text.starts_with("c2sp.org/tlog-proof@v1\nextra "));
        let proof = LogProof::parse(&text).unwrap();
        assert_eq!(proof.to_string(), text);
        let leaf = Hash::leaf(proof.extra.as_ref().unwrap());
        let head = proof.verify(&leaf, test_key().verifier()).unwrap();
        assert_eq!(head.size, receipt.tree_size);
        let entry: LogEntry = receipt.entry();
        assert_eq!(entry.leaf_hash(), leaf);
        assert!(
            proof
                .verify(&Hash::leaf(b"other"), test_key().verifier())
                .is_err()
        );
        let stranger = SignerKey::from_seed("example.com/other", &[1; 32]).unwrap();
        assert!(proof.verify(&leaf, stranger.verifier()).is_err());
    }
}

#[test]
fn damaged_storage_is_refused_on_opening() {
    let reopen = |damage: fn(&mut MemoryStore)| {
        let mut store = log_of(6).0.into_store();
        damage(&mut store);
        open(store, test_key()).unwrap_err().code()
    };
    let missing = reopen(|store| {
        store.nodes.remove(&(2, 0));
    });
    assert_eq!(missing, "log_damaged");
    let changed = reopen(|store| {
        store.nodes.insert((1, 2), Hash::of(b""));
    });
    assert_eq!(changed, "log_damaged");
    assert_eq!(
        reopen(|s| s.rounds.get_mut(&6).unwrap().clear()),
        "wrong_log_key"
    );
    let stale = reopen(|s| {
        let old = s.rounds[&5].clone();
        s.rounds.insert(6, old);
    });
    assert_eq!(stale, "log_damaged");
    let stranger = SignerKey::from_seed(test_key().name(), &[2; 32]).unwrap();
    let error = open(log_of(1).0.into_store(), stranger).unwrap_err();
    assert_eq!(error.code(), "wrong_log_key");
}

#[test]
fn altered_content_is_served_as_such_and_never_replayed() {
    let (log, receipts) = log_of(3);
    let mut store = log.into_store();
    let row = store.entries.get_mut(&1).unwrap();
    let mut forged = SaltedFact::parse(row.content.as_ref().unwrap()).unwrap();
    forged.fact = fact(77);
    let canonical = forged.canonical().unwrap();
    row.content = Some(canonical.clone());
    let mut log = open(store, test_key()).unwrap();
    let stored = log.fact(FactRef::FactId(receipts[1].fact_id)).unwrap();
    assert_eq!(stored.content, StoredContent::Altered { canonical });
    let error = log.append(&request(1), NOW_MS, &salt(9)).unwrap_err();
    assert_eq!(error.code(), "log_damaged");
}

#[test]
fn answers_cross_a_boundary_as_json() {
    let (log, receipts) = log_of(3);
    let text = serde_json::to_string(&receipts[2]).unwrap();
    assert_eq!(serde_json::from_str::<Receipt>(&text).unwrap(), receipts[2]);
    let stored = log.fact(FactRef::Index(2)).unwrap();
    let text = serde_json::to_string(&stored).unwrap();
    assert!(text.contains(r#""content":{"state":"present","fact":{"#));
    let by_id = serde_json::to_string(&FactRef::FactId(receipts[2].fact_id)).unwrap();
    assert_eq!(by_id, format!(r#"{{"fact_id":"{}"}}"#, receipts[2].fact_id));
    let unknown = r#"{"idempotency_key":"k","fact":{},"more":1}"#;
    assert!(serde_json::from_str::<super::AppendRequest>(unknown).is_err());
}
