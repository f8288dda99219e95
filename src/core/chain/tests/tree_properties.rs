//! Properties of proofs, and agreement with an independent implementation.

use ct_merkle::digest;
use ct_merkle::mem_backed_tree::MemoryBackedTree;
use proptest::prelude::*;

use super::super::hash::Hash;
use super::super::tree::{TreeError, consistency_proof, inclusion_proof, root};
use super::super::verify::{verify_consistency, verify_inclusion};
use super::memory::{MemoryTree, naive_root};

const LARGEST: u64 = 300;

/// SHA-256 in the newer `digest` traits that ct-merkle asks for.
#[derive(Clone, Default)]
struct OtherSha256(sha2::Sha256);

impl digest::HashMarker for OtherSha256 {}

impl digest::OutputSizeUser for OtherSha256 {
    type OutputSize = digest::consts::U32;
}

impl digest::Update for OtherSha256 {
    fn update(&mut self, data: &[u8]) {
        sha2::Digest::update(&mut self.0, data);
    }
}

impl digest::FixedOutput for OtherSha256 {
    fn finalize_into(self, out: &mut digest::Output<Self>) {
        out.copy_from_slice(&sha2::Digest::finalize(self.0));
    }
}

fn concat(hashes: &[Hash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| *hash.as_bytes()).collect()
}

fn leaf(tree: &MemoryTree, index: u64) -> Hash {
    tree.leaves[usize::try_from(index).unwrap()]
}

fn flip(hash: &Hash, bit: usize) -> Hash {
    let mut bytes = *hash.as_bytes();
    bytes[bit / 8] ^= 1 << (bit % 8);
    Hash::from_bytes(bytes)
}

/// Every way to damage a list of hashes in one place.
fn damaged(proof: &[Hash], bit: usize) -> Vec<Vec<Hash>> {
    let extra = Hash::of(b"extra");
    let mut all = Vec::new();
    for place in 0..proof.len() {
        let mut flipped = proof.to_vec();
        flipped[place] = flip(&proof[place], bit);
        let mut without = proof.to_vec();
        without.remove(place);
        let mut doubled = proof.to_vec();
        doubled.insert(place, proof[place]);
        all.extend([flipped, without, doubled]);
        if place > 0 {
            let mut swapped = proof.to_vec();
            swapped.swap(place - 1, place);
            all.push(swapped);
        }
    }
    all.push([proof, &[extra]].concat());
    all.push([&[extra], proof].concat());
    all
}

/// Which sides the siblings stand on, from the RFC's recursive definition.
/// Equal sides mean that two positions cannot be told apart without the size.
fn sides(index: u64, size: u64) -> Vec<bool> {
    if size <= 1 {
        return Vec::new();
    }
    let split = size.next_power_of_two() / 2;
    let on_right = index >= split;
    let mut sides = if on_right {
        sides(index - split, size - split)
    } else {
        sides(index, split)
    };
    sides.push(on_right);
    sides
}

#[test]
fn roots_and_all_proofs_of_all_sizes_verify() {
    let tree = MemoryTree::of_size(LARGEST);
    let mut roots = Vec::new();
    for size in 0..=LARGEST {
        let leaves = &tree.leaves[..usize::try_from(size).unwrap()];
        let root = root(&tree, size).unwrap();
        assert_eq!(root, naive_root(leaves));
        for index in 0..size {
            let proof = inclusion_proof(&tree, index, size).unwrap();
            verify_inclusion(&leaf(&tree, index), index, size, &proof, &root).unwrap();
        }
        roots.push(root);
        for (first, older) in (0..).zip(&roots) {
            let proof = consistency_proof(&tree, first, size).unwrap();
            verify_consistency(first, size, &proof, older, &root).unwrap();
        }
    }
}

#[test]
fn impossible_requests_are_named() {
    let tree = MemoryTree::of_size(3);
    let out = TreeError::IndexOutOfRange { index: 3, size: 3 };
    assert_eq!(inclusion_proof(&tree, 3, 3), Err(out));
    let order = TreeError::SizesOutOfOrder {
        first: 3,
        second: 2,
    };
    assert_eq!(consistency_proof(&tree, 3, 2), Err(order));
    let missing = TreeError::MissingNode { level: 2, index: 0 };
    assert_eq!(root(&tree, 4), Err(missing));
    let size = u64::MAX;
    assert_eq!(root(&tree, size), Err(TreeError::SizeOverLimit { size }));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn agrees_with_ct_merkle(size in 1..=LARGEST, at in any::<prop::sample::Index>()) {
        let tree = MemoryTree::of_size(size);
        let index = at.index(usize::try_from(size).unwrap());
        let mut other = MemoryBackedTree::<OtherSha256, [u8; 8]>::new();
        for number in 0..size {
            other.push(number.to_be_bytes());
        }
        let root = root(&tree, size).unwrap();
        let other_root = other.root();
        prop_assert_eq!(&root.as_bytes()[..], &other_root.as_bytes()[..]);
        let path = inclusion_proof(&tree, index as u64, size).unwrap();
        let others = other.prove_inclusion(index);
        prop_assert_eq!(concat(&path), others.as_bytes());
        let path = consistency_proof(&tree, index as u64 + 1, size).unwrap();
        let others = other.prove_consistency(usize::try_from(size).unwrap() - index - 1);
        prop_assert_eq!(concat(&path), others.as_bytes());
    }

    #[test]
    fn damaged_inclusion_proofs_fail(
        size in 1..=LARGEST,
        at in any::<prop::sample::Index>(),
        bit in 0..256_usize,
    ) {
        let tree = MemoryTree::of_size(size);
        let index = at.index(usize::try_from(size).unwrap()) as u64;
        let (leaf, root) = (leaf(&tree, index), root(&tree, size).unwrap());
        let proof = inclusion_proof(&tree, index, size).unwrap();
        let check = |leaf: &Hash, index, size, proof: &[Hash], root: &Hash| {
            verify_inclusion(leaf, index, size, proof, root).is_ok()
        };
        prop_assert!(check(&leaf, index, size, &proof, &root));
        prop_assert!(!check(&flip(&leaf, bit), index, size, &proof, &root));
        prop_assert!(!check(&leaf, index, size, &proof, &flip(&root, bit)));
        for bad in damaged(&proof, bit) {
            prop_assert!(!check(&leaf, index, size, &bad, &root));
        }
        for other in (0..size).filter(|other| *other != index) {
            prop_assert!(!check(&leaf, other, size, &proof, &root));
        }
        for other in index + 1..=2 * LARGEST {
            let same_shape = sides(index, other) == sides(index, size);
            prop_assert_eq!(check(&leaf, index, other, &proof, &root), same_shape);
        }
    }

    #[test]
    fn damaged_consistency_proofs_fail(
        second in 2..=LARGEST,
        at in any::<prop::sample::Index>(),
        bit in 0..256_usize,
    ) {
        let tree = MemoryTree::of_size(second);
        let first = 1 + at.index(usize::try_from(second).unwrap() - 1) as u64;
        let (older, newer) = (root(&tree, first).unwrap(), root(&tree, second).unwrap());
        let proof = consistency_proof(&tree, first, second).unwrap();
        let check = |first, second, proof: &[Hash], older: &Hash, newer: &Hash| {
            verify_consistency(first, second, proof, older, newer).is_ok()
        };
        prop_assert!(check(first, second, &proof, &older, &newer));
        prop_assert!(!check(first, second, &proof, &flip(&older, bit), &newer));
        prop_assert!(!check(first, second, &proof, &older, &flip(&newer, bit)));
        for bad in damaged(&proof, bit) {
            prop_assert!(!check(first, second, &bad, &older, &newer));
        }
        for other in (0..=second).filter(|other| *other != first) {
            prop_assert!(!check(other, second, &proof, &older, &newer));
        }
        for other in 0..first {
            prop_assert!(!check(first, other, &proof, &older, &newer));
        }
    }

    /// A log that rewrote one old leaf cannot prove consistency.
    #[test]
    fn rewritten_history_is_not_consistent(
        second in 1..=LARGEST,
        at in any::<prop::sample::Index>(),
    ) {
        let honest = MemoryTree::of_size(second);
        let place = at.index(usize::try_from(second).unwrap());
        let mut entries: Vec<_> = (0..second).map(u64::to_be_bytes).collect();
        entries[place] = [0xff; 8];
        let forged = MemoryTree::of_entries(&entries);
        let newer = root(&forged, second).unwrap();
        for first in place as u64 + 1..=second {
            let older = root(&honest, first).unwrap();
            for tree in [&honest, &forged] {
                let proof = consistency_proof(tree, first, second).unwrap();
                prop_assert!(verify_consistency(first, second, &proof, &older, &newer).is_err());
            }
        }
    }

    #[test]
    fn verification_never_panics(
        first: u64,
        second: u64,
        seeds in prop::collection::vec(any::<[u8; 32]>(), 0..70),
    ) {
        let proof: Vec<Hash> = seeds.into_iter().map(Hash::from_bytes).collect();
        let root = Hash::of(b"root");
        let index = second.wrapping_sub(1);
        prop_assert!(verify_inclusion(&root, first, second, &proof, &root).is_err());
        prop_assert!(verify_inclusion(&root, index, second, &proof, &Hash::empty_root()).is_err());
        let newer = Hash::empty_root();
        prop_assert!(verify_consistency(first, second, &proof, &root, &newer).is_err());
        prop_assert!(verify_consistency(first, u64::MAX, &proof, &root, &newer).is_err());
    }
}
