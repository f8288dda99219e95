//! The tree of RFC 6962 §2.1, as it is defined there.

use chitty_core::chain::hash::Hash;

/// MTH.
pub fn root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => Hash::empty_root(),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(split(leaves.len()));
            Hash::node(&root(left), &root(right))
        }
    }
}

/// PATH.
pub fn path(index: usize, leaves: &[Hash]) -> Vec<Hash> {
    if leaves.len() <= 1 {
        return Vec::new();
    }
    let middle = split(leaves.len());
    let (left, right) = leaves.split_at(middle);
    let (mut proof, sibling) = if index < middle {
        (path(index, left), root(right))
    } else {
        (path(index - middle, right), root(left))
    };
    proof.push(sibling);
    proof
}

/// PROOF; empty for the empty tree.
pub fn consistency(first: usize, leaves: &[Hash]) -> Vec<Hash> {
    if first == 0 {
        return Vec::new();
    }
    subproof(first, leaves, true)
}

fn subproof(first: usize, leaves: &[Hash], known: bool) -> Vec<Hash> {
    if first == leaves.len() {
        return if known {
            Vec::new()
        } else {
            vec![root(leaves)]
        };
    }
    let middle = split(leaves.len());
    let (left, right) = leaves.split_at(middle);
    let (mut proof, sibling) = if first <= middle {
        (subproof(first, left, known), root(right))
    } else {
        (subproof(first - middle, right, false), root(left))
    };
    proof.push(sibling);
    proof
}

/// The largest power of two below `count`.
fn split(count: usize) -> usize {
    count.next_power_of_two() / 2
}
