//! The root of a log's leaves, read one after the other (RFC 6962 §2.1), in a state that can be
//! put aside.

use serde::{Deserialize, Serialize};

use crate::chain::hash::Hash;

/// The complete subtrees of the leaves so far, largest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frontier {
    pub size: u64,
    roots: Vec<Hash>,
}

impl Frontier {
    pub fn push(&mut self, leaf: Hash) {
        self.grow(leaf, 0);
    }

    /// Adds the root of the complete subtree of the next `2^height` leaves. What is there must be
    /// a multiple of that.
    pub fn grow(&mut self, root: Hash, height: u32) {
        let mut hash = root;
        // One larger subtree is complete for each trailing one of the size.
        for _ in 0..(self.size >> height).trailing_ones() {
            if let Some(left) = self.roots.pop() {
                hash = Hash::node(&left, &hash);
            }
        }
        self.roots.push(hash);
        self.size += 1 << height;
    }

    pub fn root(&self) -> Hash {
        let mut roots = self.roots.iter().rev();
        let Some(smallest) = roots.next() else {
            return Hash::empty_root();
        };
        roots.fold(*smallest, |right, left| Hash::node(left, &right))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::tree::{self, NewNode, Nodes};

    struct Kept(Vec<NewNode>);

    impl Nodes for Kept {
        type Error = std::convert::Infallible;

        fn get(&self, level: u8, index: u64) -> Result<Option<Hash>, Self::Error> {
            let found = self
                .0
                .iter()
                .find(|node| (node.level, node.index) == (level, index));
            Ok(found.map(|node| node.hash))
        }
    }

    #[test]
    fn its_root_is_that_of_the_stored_tree_at_every_size() {
        let (mut frontier, mut kept) = (Frontier::default(), Kept(Vec::new()));
        assert_eq!(frontier.root(), Hash::empty_root());
        for size in 0..200_u64 {
            let leaf = Hash::leaf(&size.to_be_bytes());
            frontier.push(leaf);
            let new = tree::append(&kept, size, leaf).unwrap();
            kept.0.extend(new);
            assert_eq!(frontier.root(), tree::root(&kept, size + 1).unwrap());
            let text = serde_json::to_string(&frontier).unwrap();
            frontier = serde_json::from_str(&text).unwrap();
        }
    }

    #[test]
    fn subtrees_grow_it_as_their_leaves_do() {
        let leaf = |index: u64| Hash::leaf(&index.to_be_bytes());
        let of = |leaves: std::ops::Range<u64>| {
            let mut frontier = Frontier::default();
            leaves.for_each(|index| frontier.push(leaf(index)));
            frontier
        };
        let mut grown = Frontier::default();
        for part in 0..5 {
            grown.grow(of(part * 16..(part + 1) * 16).root(), 4);
        }
        grown.push(leaf(80));
        assert_eq!(grown, of(0..81));
    }
}
