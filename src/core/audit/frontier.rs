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
        let mut hash = leaf;
        // One subtree is complete for each trailing one of the size.
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.roots.pop() {
                hash = Hash::node(&left, &hash);
            }
        }
        self.roots.push(hash);
        self.size += 1;
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
}
