#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod facts;
mod faults;
mod foreign;
pub(crate) mod memory;
mod notes;
mod parsers;
mod sequencing;
mod stores;
mod tiles;
mod tree_pairs;
mod tree_properties;
mod tree_vectors;

use std::sync::LazyLock;

use super::error::SequencerError;
use super::fact::{Fact, Salt};
use super::keys::SignerKey;
use super::receipt::Receipt;
use super::sequencer::{AppendRequest, Sequencer};
use memory::{Failed, MemoryStore};

const ORIGIN: &str = "example.com/test-log";
const NOW_MS: u64 = 1_700_000_000_123;

/// Made once, since deriving the public key costs as much as signing.
fn test_key() -> SignerKey {
    static KEY: LazyLock<SignerKey> =
        LazyLock::new(|| SignerKey::from_seed(ORIGIN, &[1; 32]).unwrap());
    KEY.clone()
}

fn fact(number: u64) -> Fact {
    Fact {
        subject: format!("case/{number}"),
        predicate: "status".to_owned(),
        object: "approved".to_owned(),
        source: "review".to_owned(),
        timestamp_ms: 1_700_000_000_000,
        execution_id: None,
        evidence_id: None,
        metadata: [].into(),
    }
}

fn request(number: u64) -> AppendRequest {
    AppendRequest {
        idempotency_key: format!("key-{number}"),
        fact: fact(number),
    }
}

/// Distinct for each call number, like fresh randomness.
fn salt(number: u64) -> Salt {
    let mut bytes = [7; 32];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    Salt::from_random_bytes(bytes)
}

/// A log all of which is published.
fn open(
    store: MemoryStore,
    key: SignerKey,
) -> Result<Sequencer<MemoryStore>, SequencerError<Failed>> {
    let mut log = Sequencer::open(store, key, None)?;
    log.note_published(log.committed()?);
    Ok(log)
}

/// A round of one, published at once.
pub(crate) trait Append {
    fn append(
        &mut self,
        request: &AppendRequest,
        now_ms: u64,
        salt: &Salt,
    ) -> Result<Receipt, SequencerError<Failed>>;
}

impl Append for Sequencer<MemoryStore> {
    fn append(
        &mut self,
        request: &AppendRequest,
        now_ms: u64,
        salt: &Salt,
    ) -> Result<Receipt, SequencerError<Failed>> {
        let placed = self.add(&[(request, *salt)], now_ms)?.remove(0)?;
        self.note_published(self.committed()?);
        Ok(self.receipts(&[placed])?.remove(0))
    }
}
