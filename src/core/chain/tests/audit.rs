//! Tampering with any stored part is found and its row named.

use super::super::audit::{Finding, Problem, audit};
use super::super::hash::Hash;
use super::super::keys::SignerKey;
use super::super::sequencer::FactRef;
use super::memory::{Failed, Fault, MemoryStore};
use super::{Append, NOW_MS, open, request, salt, test_key};

const SIZE: u64 = 12;

fn store() -> MemoryStore {
    let mut log = open(MemoryStore::default(), test_key()).unwrap();
    for number in 0..SIZE {
        log.append(&request(number), NOW_MS + number, &salt(number))
            .unwrap();
    }
    log.into_store()
}

fn findings(store: &MemoryStore) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut next = Some(0);
    while let Some(from) = next {
        let slice = audit(store, test_key().verifier(), from, 5).unwrap();
        found.extend(slice.findings);
        next = slice.next;
    }
    found
}

fn tampered(damage: impl FnOnce(&mut MemoryStore)) -> Vec<Finding> {
    let mut store = store();
    damage(&mut store);
    findings(&store)
}

fn assert_found(found: &[Finding], index: u64, problem: Problem) {
    assert!(found.contains(&Finding { index, problem }), "{found:?}");
}

#[test]
fn an_honest_log_passes_in_slices_even_with_erasures() {
    assert_eq!(tampered(|_| ()), []);
    let mut log = open(store(), test_key()).unwrap();
    log.erase(FactRef::Index(3)).unwrap();
    let slice = audit(log.store(), test_key().verifier(), 0, 5).unwrap();
    assert_eq!((slice.next, slice.size, slice.erased), (Some(5), SIZE, 1));
    assert_eq!(findings(log.store()), []);
    let beyond = audit(log.store(), test_key().verifier(), u64::MAX, 5).unwrap();
    assert_eq!((beyond.next, beyond.findings), (None, vec![]));
}

#[test]
fn every_changed_node_is_found() {
    for place in store().nodes.keys() {
        let (level, index) = *place;
        let completed_by = ((index + 1) << level) - 1;
        let changed = tampered(|store| {
            store.nodes.insert(*place, Hash::of(b"x"));
        });
        assert_found(&changed, completed_by, Problem::TreeAltered);
        let removed = tampered(|store| {
            store.nodes.remove(place);
        });
        assert_found(&removed, completed_by, Problem::TreeAltered);
    }
}

#[test]
fn every_changed_column_is_found_in_every_row() {
    for index in 0..SIZE {
        let row = |damage: fn(&mut super::super::store::EntryRow)| {
            tampered(|store| damage(store.entries.get_mut(&index).unwrap()))
        };
        let content = row(|row| {
            row.content = row
                .content
                .as_ref()
                .map(|text| text.replace("approved", "x"));
        });
        assert_found(&content, index, Problem::ContentAltered);
        let time = row(|row| row.logged_at_ms += 1);
        assert_found(&time, index, Problem::TreeAltered);
        let fact_id = row(|row| row.fact_id = Hash::of(b"x"));
        assert_found(&fact_id, index, Problem::TreeAltered);
        assert_found(&fact_id, index, Problem::ContentAltered);
        let position = row(|row| row.index += 100);
        assert_found(&position, index, Problem::EntryMissing);
        let checkpoint = tampered(|store| {
            let checkpoint = store.rounds.get_mut(&(index + 1)).unwrap();
            *checkpoint = checkpoint.replacen('\n', "\n1", 1);
        });
        assert_found(&checkpoint, index, Problem::CheckpointWrong);
        let key = row(|row| row.idempotency_key = "key-0".to_owned());
        let untouched = index == 0;
        assert_eq!(key.is_empty(), untouched, "{key:?}");
    }
}

#[test]
fn deleted_swapped_and_doubled_rows_are_found() {
    for index in 0..SIZE - 1 {
        let deleted = tampered(|s| drop(s.entries.remove(&index)));
        assert_found(&deleted, index, Problem::EntryMissing);
        let swapped = tampered(|store| {
            let (mut one, mut two) = (
                store.entries[&index].clone(),
                store.entries[&(index + 1)].clone(),
            );
            (one.index, two.index) = (two.index, one.index);
            store.entries.extend([(one.index, one), (two.index, two)]);
        });
        assert_found(&swapped, index, Problem::TreeAltered);
        let doubled = tampered(|store| {
            let mut copy = store.entries[&index].clone();
            copy.index += 1;
            store.entries.insert(index + 1, copy);
        });
        assert_found(&doubled, index + 1, Problem::LookupWrong);
    }
}

#[test]
fn a_log_of_another_key_is_found() {
    let stranger = SignerKey::from_seed(test_key().name(), &[5; 32]).unwrap();
    let slice = audit(&store(), stranger.verifier(), 0, 100).unwrap();
    let problem = Problem::CheckpointWrong;
    let all: Vec<_> = (0..SIZE).map(|index| Finding { index, problem }).collect();
    assert_eq!(slice.findings, all);
}

/// One copy cannot show that its newest rows were cut off together with their
/// nodes; a checkpoint kept elsewhere does.
#[test]
fn a_clean_tail_cut_needs_an_outside_checkpoint() {
    let mut store = store();
    let kept_elsewhere = store.rounds.remove(&SIZE).unwrap();
    store.entries.remove(&(SIZE - 1));
    assert_eq!(findings(&store), []);
    let log = open(store, test_key()).unwrap();
    assert_ne!(log.checkpoint().unwrap(), kept_elsewhere);
    let error = log.prove_consistency(SIZE - 1, SIZE).unwrap_err();
    assert_eq!(error.code(), "size_not_reached");
}

#[test]
fn a_store_that_fails_is_not_called_damaged() {
    let store = store();
    for after_operations in 0..30 {
        store.set_fault(Some(Fault {
            after_operations,
            but_persists: false,
        }));
        assert_eq!(audit(&store, test_key().verifier(), 0, 100), Err(Failed));
    }
}
