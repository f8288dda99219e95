//! Consistency between pairs of heads of one larger log, far more than the small trees that the
//! properties walk through whole.

use std::collections::BTreeSet;

use super::super::hash::Hash;
use super::super::tree::{self, Nodes, consistency_proof, root};
use super::super::verify::verify_consistency;
use super::memory::Failed;
use crate::testing::Random;

const LARGEST: u64 = 10_000;
const SAMPLED: usize = 100_000;
/// Every so manieth of them is damaged too, in each way.
const DAMAGED_EVERY: usize = 10;

/// A tree by levels: a million reads are quick.
#[derive(Default)]
struct Levels(Vec<Vec<Hash>>);

impl Nodes for Levels {
    type Error = Failed;

    fn get(&self, level: u8, index: u64) -> Result<Option<Hash>, Failed> {
        let level = self.0.get(usize::from(level));
        let index = usize::try_from(index).unwrap();
        Ok(level.and_then(|hashes| hashes.get(index)).copied())
    }
}

/// A log and all its heads.
struct Log {
    nodes: Levels,
    roots: Vec<Hash>,
}

impl Log {
    fn new() -> Self {
        let mut nodes = Levels::default();
        let mut roots = vec![Hash::empty_root()];
        for index in 0..LARGEST {
            let leaf = Hash::leaf(&index.to_be_bytes());
            for node in tree::append(&nodes, index, leaf).unwrap() {
                let level = usize::from(node.level);
                if nodes.0.len() == level {
                    nodes.0.push(Vec::new());
                }
                nodes.0[level].push(node.hash);
            }
            roots.push(root(&nodes, index + 1).unwrap());
        }
        Self { nodes, roots }
    }

    fn holds(&self, first: u64, second: u64, proof: &[Hash]) -> bool {
        let root = |size: u64| &self.roots[usize::try_from(size).unwrap()];
        verify_consistency(first, second, proof, root(first), root(second)).is_ok()
    }
}

/// One proof damaged in each way: a bit flipped, a hash dropped, one added, two swapped.
fn damaged(proof: &[Hash], random: &Random) -> Vec<Vec<Hash>> {
    let mut added = proof.to_vec();
    added.insert(random.at(proof.len() + 1), Hash::of(b"extra"));
    let mut all = vec![added];
    if !proof.is_empty() {
        let place = random.at(proof.len());
        let mut bytes = *proof[place].as_bytes();
        bytes[random.at(bytes.len())] ^= 1 << random.below(8);
        let mut flipped = proof.to_vec();
        flipped[place] = Hash::from_bytes(bytes);
        let mut dropped = proof.to_vec();
        dropped.remove(place);
        all.extend([flipped, dropped]);
    }
    if proof.len() > 1 {
        let place = random.at(proof.len() - 1);
        let mut swapped = proof.to_vec();
        swapped.swap(place, place + 1);
        all.push(swapped);
    }
    all
}

/// All pairs of powers of two, one less and one more, then random ones.
fn pairs(random: &Random) -> Vec<(u64, u64)> {
    let powers = (0..=LARGEST.ilog2()).map(|exponent| 1_u64 << exponent);
    let near = powers.flat_map(|power| [power - 1, power, power + 1]);
    let mut special: BTreeSet<u64> = near.collect();
    special.insert(LARGEST);
    let of = |first| special.range(first..).map(move |second| (first, *second));
    let mut pairs: Vec<(u64, u64)> = special.iter().flat_map(|first| of(*first)).collect();
    while pairs.len() < SAMPLED {
        let second = random.below(LARGEST + 1);
        pairs.push((random.below(second + 1), second));
    }
    pairs
}

#[test]
fn any_two_heads_of_a_log_of_10_000_are_consistent_by_their_own_proof_alone() {
    let (log, random) = (Log::new(), Random::seeded(1));
    let mut refused = 0;
    for (number, (first, second)) in pairs(&random).into_iter().enumerate() {
        let proof = consistency_proof(&log.nodes, first, second).unwrap();
        assert!(log.holds(first, second, &proof), "{first} {second}");
        if number % DAMAGED_EVERY != 0 {
            continue;
        }
        for bad in damaged(&proof, &random) {
            assert!(!log.holds(first, second, &bad), "{first} {second} {bad:?}");
            refused += 1;
        }
        // Anything extends the empty tree, by an empty proof.
        let other = 1 + random.below(LARGEST);
        if first == 0 || other == first || other == second {
            continue;
        }
        assert!(
            !log.holds(other, second, &proof),
            "{other} for {first} to {second}"
        );
        assert!(
            !log.holds(first, other, &proof),
            "{first} to {other} for {second}"
        );
        refused += 2;
    }
    assert!(refused > SAMPLED / 2, "{refused}");
}

#[test]
#[ignore = "50 million proofs: minutes, even optimized"]
fn all_two_heads_of_a_log_of_10_000_are_consistent() {
    let log = Log::new();
    for second in 0..=LARGEST {
        for first in 0..=second {
            let proof = consistency_proof(&log.nodes, first, second).unwrap();
            assert!(log.holds(first, second, &proof), "{first} {second}");
        }
    }
}
