#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod cosigning;
mod ml_dsa;
mod policies;
mod requests;
mod restarts;
pub(crate) mod serving;
mod submitting;

use std::convert::Infallible;

use super::keys::{CosignerKey, CosignerSecret};
use super::server::Witness;
use super::store::{Fork, SeenHead, WitnessStore};
use crate::chain::checkpoint::Checkpoint;
use crate::chain::hash::Hash;
use crate::chain::keys::{SecretKey, SignerKey};
use crate::chain::note::Note;
use crate::chain::tests::memory::MemoryStore;
use crate::chain::tree;

pub(crate) const ORIGIN: &str = "log.example/chain";
pub(crate) const NOW_MS: u64 = 1_795_262_350_123;

pub(crate) fn log_key() -> SignerKey {
    SignerKey::from_seed(ORIGIN, &[1; 32]).unwrap()
}

/// Signature types of Ed25519 and ML-DSA-44 cosignatures.
pub(crate) const ED25519: u8 = 4;
pub(crate) const ML_DSA: u8 = 6;

pub(crate) fn cosigner_of(kind: u8, number: u8) -> CosignerKey {
    let secret = CosignerSecret::from_seed(kind, &[number; 32]).unwrap();
    CosignerKey::new(&format!("witness.example/w{number}"), secret).unwrap()
}

pub(crate) fn cosigner(number: u8) -> CosignerKey {
    cosigner_of(ED25519, number)
}

pub(crate) fn witness(number: u8) -> Witness {
    Witness {
        cosigners: vec![cosigner(number)],
        logs: vec![log_key().verifier().clone()],
    }
}

/// What one witness saw of one log, in memory.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub head: Option<SeenHead>,
    pub forks: Vec<Fork>,
}

impl WitnessStore for Seen {
    type Error = Infallible;

    fn head(&self) -> Result<Option<SeenHead>, Infallible> {
        Ok(self.head.clone())
    }

    fn set_head(&mut self, head: &SeenHead) -> Result<(), Infallible> {
        self.head = Some(head.clone());
        Ok(())
    }

    fn forks(&self) -> Result<Vec<Fork>, Infallible> {
        Ok(self.forks.clone())
    }

    fn set_forks(&mut self, forks: &[Fork]) -> Result<(), Infallible> {
        self.forks = forks.to_vec();
        Ok(())
    }
}

/// A tree of made-up leaves, with its log's key. Logs of one `branch_at` and other `branch`es
/// share the leaves before it.
pub(crate) struct TestLog {
    nodes: MemoryStore,
    key: SignerKey,
}

impl TestLog {
    pub fn of(size: u64) -> Self {
        Self::branch(size, size, 0)
    }

    pub fn branch(size: u64, branch_at: u64, branch: u8) -> Self {
        let mut nodes = MemoryStore::default();
        for index in 0..size {
            let branch = if index < branch_at { 0 } else { branch };
            let leaf = Hash::leaf(format!("{branch}/{index}").as_bytes());
            for node in tree::append(&nodes, index, leaf).unwrap() {
                nodes.nodes.insert((node.level, node.index), node.hash);
            }
        }
        Self {
            nodes,
            key: log_key(),
        }
    }

    pub fn checkpoint(&self, size: u64) -> Checkpoint {
        Checkpoint {
            origin: ORIGIN.to_owned(),
            size,
            root: tree::root(&self.nodes, size).unwrap(),
        }
    }

    pub fn note(&self, size: u64) -> Note {
        Note::sign(&self.checkpoint(size).text(), &self.key).unwrap()
    }

    pub fn proof(&self, first: u64, second: u64) -> Vec<Hash> {
        tree::consistency_proof(&self.nodes, first, second).unwrap()
    }
}
