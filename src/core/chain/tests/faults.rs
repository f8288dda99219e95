//! Exactly once, whatever operation of the storage fails. Random schedules of the whole log are
//! in `ledger::tests::simulator`.

use std::collections::{BTreeMap, BTreeSet};

use super::super::checkpoint::Checkpoint;
use super::super::error::SequencerError;
use super::super::hash::Hash;
use super::super::receipt::Receipt;
use super::super::sequencer::Sequencer;
use super::super::verify::verify_inclusion;
use super::memory::{Fault, MemoryStore, naive_root};
use super::{Append, NOW_MS, open, request, salt, test_key};

/// Sizes whose next append completes few or many subtrees.
const SIZES: [u64; 8] = [0, 1, 2, 3, 4, 6, 7, 15];

/// Clients and a log; checks each answer against all earlier ones.
struct World {
    log: Sequencer<MemoryStore>,
    acknowledged: BTreeMap<u64, Receipt>,
    tried: BTreeSet<u64>,
    salts: u64,
}

impl World {
    fn new() -> Self {
        let log = open(MemoryStore::default(), test_key()).unwrap();
        Self {
            log,
            acknowledged: BTreeMap::new(),
            tried: BTreeSet::new(),
            salts: 0,
        }
    }

    fn append(&mut self, number: u64, now_ms: u64) -> bool {
        self.tried.insert(number);
        self.salts += 1;
        match self.log.append(&request(number), now_ms, &salt(self.salts)) {
            Ok(receipt) => {
                self.acknowledge(number, receipt);
                true
            }
            Err(SequencerError::Store(_)) => false,
            Err(other) => panic!("only storage fails here: {other:?}"),
        }
    }

    fn acknowledge(&mut self, number: u64, receipt: Receipt) {
        if let Some(before) = self.acknowledged.get(&number) {
            let replay = Receipt {
                replayed: true,
                ..before.clone()
            };
            assert_eq!(receipt, replay, "an acknowledged fact moved");
        } else {
            self.acknowledged.insert(number, receipt);
        }
    }

    /// The process dies; another opens what was stored.
    fn restart(&mut self) {
        let empty = open(MemoryStore::default(), test_key()).unwrap();
        let store = std::mem::replace(&mut self.log, empty).into_store();
        store.set_fault(None);
        self.log = open(store, test_key()).unwrap();
    }

    /// All clients repeat until answered; then everything must be in order.
    fn settle_and_check(mut self) -> Self {
        self.log.store().set_fault(None);
        for number in self.tried.clone() {
            assert!(self.append(number, NOW_MS));
        }
        let rows: Vec<_> = self.log.store().entries.values().cloned().collect();
        assert_eq!(rows.len(), self.tried.len(), "lost or duplicate facts");
        let leaves: Vec<Hash> = rows.iter().map(|row| row.entry().leaf_hash()).collect();
        let root = naive_root(&leaves);
        for (index, row) in (0..).zip(&rows) {
            assert_eq!(row.index, index, "gap");
        }
        assert!(
            rows.is_sorted_by_key(|row| row.logged_at_ms),
            "time went back"
        );
        for receipt in self.acknowledged.values() {
            let leaf = leaves[usize::try_from(receipt.leaf_index).unwrap()];
            let size = receipt.tree_size;
            let root = naive_root(&leaves[..usize::try_from(size).unwrap()]);
            let proof = &receipt.inclusion_proof;
            verify_inclusion(&leaf, receipt.leaf_index, size, proof, &root).unwrap();
        }
        let head = Checkpoint::parse_unverified(&self.log.checkpoint().unwrap()).unwrap();
        assert_eq!((head.size, head.root), (rows.len() as u64, root));
        self
    }
}

/// At every size, every row operation of an append fails, done and not done;
/// then the same fact is repeated, or another comes first.
#[test]
fn every_fault_point_heals() {
    let mut points = 0;
    for size in SIZES {
        for but_persists in [false, true] {
            for other_first in [false, true] {
                for after_operations in 0.. {
                    let mut world = World::new();
                    for number in 0..size {
                        assert!(world.append(number, NOW_MS + number));
                    }
                    world.log.store().set_fault(Some(Fault {
                        after_operations,
                        but_persists,
                    }));
                    let done = world.append(100, NOW_MS);
                    if world.log.store().fault_pending() {
                        assert!(done);
                        break;
                    }
                    assert!(!done, "a failure was swallowed");
                    points += 1;
                    world.restart();
                    if other_first {
                        world.append(101, NOW_MS);
                    }
                    world.settle_and_check();
                }
            }
        }
    }
    assert!(
        points > SIZES.len() * 4 * 5,
        "only {points} fault points were met"
    );
}

/// Reading and erasing fail cleanly too, and the erased stays erased.
#[test]
fn a_failed_erasure_can_be_repeated() {
    use super::super::receipt::StoredContent;
    use super::super::sequencer::FactRef;
    for but_persists in [false, true] {
        for after_operations in 0..3 {
            let mut world = World::new();
            world.append(0, NOW_MS);
            world.log.store().set_fault(Some(Fault {
                after_operations,
                but_persists,
            }));
            let failed = world.log.erase(FactRef::Index(0)).unwrap_err();
            assert_eq!(failed.code(), "storage_failed");
            let erased = world.log.erase(FactRef::Index(0)).unwrap();
            assert_eq!(erased.content, StoredContent::Erased);
        }
    }
}
