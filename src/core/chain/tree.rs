//! The Merkle tree of RFC 6962 §2.1 over stored complete subtrees.
//!
//! A node `(level, index)` is the hash of the complete subtree over leaves
//! `index * 2^level .. (index + 1) * 2^level`; level 0 holds the leaf hashes.
//! A node, once its subtree is full, never changes, so every function here
//! takes the tree size and reads only nodes complete within it. Nodes beyond
//! that size may be missing or stale without harm.

use std::cell::RefCell;
use std::collections::HashMap;

use super::hash::Hash;

/// Largest tree size: what a JSON number carries exactly (2^53 - 1).
pub const MAX_TREE_SIZE: u64 = (1 << 53) - 1;

/// Read access to stored nodes.
pub trait Nodes {
    type Error;

    /// The node at `(level, index)`, `None` when it is not stored.
    ///
    /// # Errors
    /// The store's own.
    fn get(&self, level: u8, index: u64) -> Result<Option<Hash>, Self::Error>;
}

/// A complete subtree that an append brings into being.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewNode {
    pub level: u8,
    pub index: u64,
    pub hash: Hash,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TreeError<E> {
    #[error("reading the tree failed: {0}")]
    Store(E),
    #[error("tree node {index} of level {level} is missing: the stored log is damaged")]
    MissingNode { level: u8, index: u64 },
    #[error("the tree is full: it holds at most {MAX_TREE_SIZE} leaves")]
    Full,
    #[error("tree size {size} is over the limit of {MAX_TREE_SIZE}")]
    SizeOverLimit { size: u64 },
    #[error("leaf {index} is not in a tree of size {size}: ask for an index below the size")]
    IndexOutOfRange { index: u64, size: u64 },
    #[error("tree size {first} is larger than {second}: give the older, smaller size first")]
    SizesOutOfOrder { first: u64, second: u64 },
}

/// Stored nodes, each read once, and over them those that are not stored yet.
pub struct Working<'a, N> {
    stored: &'a N,
    known: RefCell<HashMap<(u8, u64), Hash>>,
}

impl<'a, N> Working<'a, N> {
    #[must_use]
    pub fn on(stored: &'a N) -> Self {
        Self {
            stored,
            known: RefCell::default(),
        }
    }

    pub fn lay(&self, nodes: &[NewNode]) {
        let places = nodes
            .iter()
            .map(|node| ((node.level, node.index), node.hash));
        self.known.borrow_mut().extend(places);
    }
}

impl<N: Nodes> Nodes for Working<'_, N> {
    type Error = N::Error;

    fn get(&self, level: u8, index: u64) -> Result<Option<Hash>, N::Error> {
        if let Some(hash) = self.known.borrow().get(&(level, index)) {
            return Ok(Some(*hash));
        }
        let stored = self.stored.get(level, index)?;
        if let Some(hash) = stored {
            self.known.borrow_mut().insert((level, index), hash);
        }
        Ok(stored)
    }
}

/// The nodes that appending `leaf` to a tree of `size` leaves completes, leaf
/// first. Reads one node for each trailing one bit of `size`.
///
/// # Errors
/// The tree is full, a node is missing, or the store failed.
pub fn append<N: Nodes>(
    nodes: &N,
    size: u64,
    leaf: Hash,
) -> Result<Vec<NewNode>, TreeError<N::Error>> {
    if size >= MAX_TREE_SIZE {
        return Err(TreeError::Full);
    }
    let (mut level, mut index, mut hash) = (0u8, size, leaf);
    let mut new = vec![NewNode { level, index, hash }];
    while index % 2 == 1 {
        let left = read(nodes, level, index - 1)?;
        hash = Hash::node(&left, &hash);
        level += 1;
        index /= 2;
        new.push(NewNode { level, index, hash });
    }
    Ok(new)
}

/// The root of the first `size` leaves, MTH(D[size]) of RFC 6962 §2.1.
///
/// # Errors
/// The size is over the limit, a node is missing, or the store failed.
pub fn root<N: Nodes>(nodes: &N, size: u64) -> Result<Hash, TreeError<N::Error>> {
    check_size(size)?;
    range_root(nodes, 0, size)
}

/// The audit path of leaf `index` in the tree of `size` leaves, leaf's sibling
/// first: PATH(m, D[n]) of RFC 6962 §2.1.1.
///
/// # Errors
/// The index is not below the size, a node is missing, or the store failed.
pub fn inclusion_proof<N: Nodes>(
    nodes: &N,
    index: u64,
    size: u64,
) -> Result<Vec<Hash>, TreeError<N::Error>> {
    check_size(size)?;
    if index >= size {
        return Err(TreeError::IndexOutOfRange { index, size });
    }
    let (mut start, mut end) = (0, size);
    let mut path = Vec::new();
    while end - start > 1 {
        let middle = start + split(end - start);
        if index < middle {
            path.push(range_root(nodes, middle, end)?);
            end = middle;
        } else {
            path.push(range_root(nodes, start, middle)?);
            start = middle;
        }
    }
    path.reverse();
    Ok(path)
}

/// The proof that the tree of `first` leaves is a prefix of that of `second`:
/// PROOF(m, D[n]) of RFC 6962 §2.1.2. Empty when the sizes are equal, and when
/// `first` is 0, since anything extends the empty tree.
///
/// # Errors
/// The sizes are out of order, a node is missing, or the store failed.
pub fn consistency_proof<N: Nodes>(
    nodes: &N,
    first: u64,
    second: u64,
) -> Result<Vec<Hash>, TreeError<N::Error>> {
    check_size(second)?;
    if first > second {
        return Err(TreeError::SizesOutOfOrder { first, second });
    }
    if first == 0 {
        return Ok(Vec::new());
    }
    let (mut start, mut end) = (0, second);
    let mut path = Vec::new();
    while first != end {
        let middle = start + split(end - start);
        if first <= middle {
            path.push(range_root(nodes, middle, end)?);
            end = middle;
        } else {
            path.push(range_root(nodes, start, middle)?);
            start = middle;
        }
    }
    // The verifier knows the first root, so it is not sent when it stands alone.
    if start != 0 {
        path.push(range_root(nodes, start, end)?);
    }
    path.reverse();
    Ok(path)
}

/// Root of leaves `start..end`, where `start` is a multiple of every power of
/// two in `end - start`. So it is for all ranges the RFC's splits produce.
fn range_root<N: Nodes>(nodes: &N, start: u64, end: u64) -> Result<Hash, TreeError<N::Error>> {
    let mut width = end - start;
    let mut position = end;
    let mut right: Option<Hash> = None;
    while width != 0 {
        let level = level_of(width);
        position -= 1 << level;
        let left = read(nodes, level, position >> level)?;
        right = Some(match right {
            Some(right) => Hash::node(&left, &right),
            None => left,
        });
        width &= width - 1;
    }
    Ok(right.unwrap_or_else(Hash::empty_root))
}

fn read<N: Nodes>(nodes: &N, level: u8, index: u64) -> Result<Hash, TreeError<N::Error>> {
    nodes
        .get(level, index)
        .map_err(TreeError::Store)?
        .ok_or(TreeError::MissingNode { level, index })
}

fn check_size<E>(size: u64) -> Result<(), TreeError<E>> {
    if size > MAX_TREE_SIZE {
        return Err(TreeError::SizeOverLimit { size });
    }
    Ok(())
}

/// Level of the smallest complete subtree at the right edge of `width` leaves.
fn level_of(width: u64) -> u8 {
    u8::try_from(width.trailing_zeros()).unwrap_or(u8::MAX)
}

/// The largest power of two below `width`, which is at least 2.
fn split(width: u64) -> u64 {
    1 << (width - 1).ilog2()
}
