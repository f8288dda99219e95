//! Proof verification, by the algorithms of RFC 9162 §2.1.3.2 and §2.1.4.2
//! (the same proofs as RFC 6962 §2.1.1 and §2.1.2).
//!
//! A proof binds a leaf to a *root*. Several tree sizes can share one path
//! shape, so the size must come from where the root comes from: a signed
//! checkpoint. Never take the size from whoever supplies the proof.

use super::hash::Hash;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    #[error("leaf {index} cannot be in a tree of size {size}")]
    IndexOutOfRange { index: u64, size: u64 },
    #[error("the proof has {got} hashes, which is not the number these positions need")]
    ProofLength { got: usize },
    #[error("the proof leads to root {computed}, not to the expected {expected}")]
    RootMismatch { computed: Hash, expected: Hash },
    #[error("the proof leads to older root {computed}, not to the expected {expected}")]
    FirstRootMismatch { computed: Hash, expected: Hash },
    #[error("the older size {first} is larger than the newer size {second}")]
    SizesOutOfOrder { first: u64, second: u64 },
}

/// Checks that `leaf` (a leaf hash) is at `index` of the tree with `size`
/// leaves and root `root`. `proof` runs from the leaf's sibling upwards.
///
/// # Errors
/// Says which part does not match.
pub fn verify_inclusion(
    leaf: &Hash,
    index: u64,
    size: u64,
    proof: &[Hash],
    root: &Hash,
) -> Result<(), VerifyError> {
    if index >= size {
        return Err(VerifyError::IndexOutOfRange { index, size });
    }
    let mut climb = Climb::new(index, size - 1);
    let mut computed = *leaf;
    for sibling in proof {
        computed = match climb.step() {
            Some(Side::Left) => Hash::node(sibling, &computed),
            Some(Side::Right) => Hash::node(&computed, sibling),
            None => return Err(VerifyError::ProofLength { got: proof.len() }),
        };
    }
    climb.finish(proof.len())?;
    same_root(computed, root)
}

/// Checks that the tree with `second` leaves and root `second_root` extends
/// the one with `first` leaves and root `first_root`.
///
/// `first == 0` needs the empty root and an empty proof.
///
/// # Errors
/// Says which part does not match.
pub fn verify_consistency(
    first: u64,
    second: u64,
    proof: &[Hash],
    first_root: &Hash,
    second_root: &Hash,
) -> Result<(), VerifyError> {
    if first > second {
        return Err(VerifyError::SizesOutOfOrder { first, second });
    }
    if first == 0 {
        same_first_root(Hash::empty_root(), first_root)?;
    }
    if first == second {
        same_root(*first_root, second_root)?;
    }
    if first == 0 || first == second {
        return expect_empty(proof);
    }
    let wrong_length = VerifyError::ProofLength { got: proof.len() };
    let (seed, rest) = if first.is_power_of_two() {
        (first_root, proof)
    } else {
        proof.split_first().ok_or(wrong_length.clone())?
    };
    let mut climb = Climb::new(first - 1, second - 1);
    climb.skip_full_subtree();
    let (mut older, mut newer) = (*seed, *seed);
    for hash in rest {
        match climb.step() {
            Some(Side::Left) => {
                older = Hash::node(hash, &older);
                newer = Hash::node(hash, &newer);
            }
            Some(Side::Right) => newer = Hash::node(&newer, hash),
            None => return Err(wrong_length),
        }
    }
    climb.finish(proof.len())?;
    same_first_root(older, first_root)?;
    same_root(newer, second_root)
}

/// Which side the next hash of a path stands on.
enum Side {
    Left,
    Right,
}

/// `fn` and `sn` of RFC 9162: a node's position and the last position of its
/// level, climbing towards the root.
struct Climb {
    node: u64,
    last: u64,
}

impl Climb {
    const fn new(node: u64, last: u64) -> Self {
        Self { node, last }
    }

    const fn up(&mut self) {
        self.node >>= 1;
        self.last >>= 1;
    }

    const fn is_right_child(&self) -> bool {
        self.node & 1 == 1
    }

    /// One level up; `None` when already at the root.
    fn step(&mut self) -> Option<Side> {
        if self.last == 0 {
            return None;
        }
        let side = if self.is_right_child() || self.node == self.last {
            // A last node without sibling rises until it is a right child.
            while !self.is_right_child() && self.node != 0 {
                self.up();
            }
            Side::Left
        } else {
            Side::Right
        };
        self.up();
        Some(side)
    }

    fn skip_full_subtree(&mut self) {
        while self.is_right_child() {
            self.up();
        }
    }

    const fn finish(&self, got: usize) -> Result<(), VerifyError> {
        if self.last == 0 {
            Ok(())
        } else {
            Err(VerifyError::ProofLength { got })
        }
    }
}

const fn expect_empty(proof: &[Hash]) -> Result<(), VerifyError> {
    if proof.is_empty() {
        Ok(())
    } else {
        Err(VerifyError::ProofLength { got: proof.len() })
    }
}

fn same_root(computed: Hash, expected: &Hash) -> Result<(), VerifyError> {
    if computed == *expected {
        return Ok(());
    }
    Err(VerifyError::RootMismatch {
        computed,
        expected: *expected,
    })
}

fn same_first_root(computed: Hash, expected: &Hash) -> Result<(), VerifyError> {
    if computed == *expected {
        return Ok(());
    }
    Err(VerifyError::FirstRootMismatch {
        computed,
        expected: *expected,
    })
}
