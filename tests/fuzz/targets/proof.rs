//! Proofs and what they are about. An input is a proof's text, a fact, an entry or a receipt in
//! JSON, a tile's path; or a choice of sizes and hashes, which makes proofs that are nearly right.
//!
//! - What is read is written as the same bytes: one meaning has one form.
//! - A proof that holds is the one that a plain reading of RFC 6962 makes.

#![no_main]

use std::sync::LazyLock;

use chitty_core::chain::checkpoint::Checkpoint;
use chitty_core::chain::fact::{LogEntry, SaltedFact};
use chitty_core::chain::hash::Hash;
use chitty_core::chain::keys::SignerKey;
use chitty_core::chain::proof::LogProof;
use chitty_core::chain::receipt::{Receipt, verify_fact};
use chitty_core::chain::tiles::Tile;
use chitty_core::chain::verify::{verify_consistency, verify_inclusion};
use chitty_fuzz::Reader;
use chitty_fuzz::tree::{consistency, path, root};
use libfuzzer_sys::fuzz_target;

const LEAVES: usize = 40;
/// The leaf that proofs in texts are about.
const INDEX: usize = 3;
const SIZE: usize = 7;

struct World {
    log: SignerKey,
    leaves: Vec<Hash>,
    /// All hashes that occur in a proof, and some that do not.
    pool: Vec<Hash>,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let leaf = |number: usize| Hash::leaf(&number.to_be_bytes());
    let leaves: Vec<Hash> = (0..LEAVES).map(leaf).collect();
    let ranges = (0..LEAVES).flat_map(|from| (from + 1..=LEAVES).map(move |to| from..to));
    let pool = ranges.map(|range| root(&leaves[range])).collect();
    World {
        log: SignerKey::from_seed("log.example/fuzz", &[1; 32]).unwrap(),
        pool,
        leaves,
    }
});

fn proof(text: &str) {
    let Ok(proof) = LogProof::parse(text) else {
        return;
    };
    assert_eq!(proof.to_string(), text);
    let verified = proof.verify(&WORLD.leaves[INDEX], WORLD.log.verifier());
    if let Ok(head) = verified {
        assert_eq!(proof.checkpoint, signed());
        assert_eq!((proof.index, head.size), (INDEX as u64, SIZE as u64));
        assert_eq!(proof.inclusion_proof, path(INDEX, &WORLD.leaves[..SIZE]));
    }
}

fn signed() -> String {
    let head = Checkpoint {
        origin: WORLD.log.name().to_owned(),
        size: SIZE as u64,
        root: root(&WORLD.leaves[..SIZE]),
    };
    head.sign(&WORLD.log).unwrap()
}

fn json(text: &str) {
    if let Ok(fact) = SaltedFact::parse(text) {
        assert_eq!(fact.canonical().unwrap(), text);
    }
    if let Ok(entry) = serde_json::from_str::<LogEntry>(text) {
        let canonical = entry.canonical();
        assert_eq!(serde_json::from_str::<LogEntry>(&canonical).unwrap(), entry);
    }
    if let Ok(receipt) = serde_json::from_str::<Receipt>(text) {
        let verdicts = verify_fact(Some(text), &receipt, WORLD.log.verifier());
        assert!(!verdicts.integrity.holds());
        let proof = receipt.to_proof_text();
        if let Ok(read) = LogProof::parse(&proof) {
            assert_eq!(read.to_string(), proof);
        }
    }
}

fn tile(text: &str) {
    if let Some(tile) = Tile::parse(text) {
        assert_eq!(tile.to_string(), text);
        let (from, to) = tile.range();
        assert_eq!(to - from, tile.width);
    }
}

/// Sizes and an index below [`LEAVES`], then two octets for each hash of the pool.
fn chosen(mut input: Reader<'_>) {
    let size = |octet: u8| usize::from(octet) % (LEAVES + 1);
    let (first, second) = (size(input.octet()), size(input.octet()));
    let index = size(input.octet());
    let mut hashes = Vec::new();
    while !input.0.is_empty() {
        hashes.push(WORLD.pool[input.number() % WORLD.pool.len()]);
    }
    let (older, newer) = (&WORLD.leaves[..first], &WORLD.leaves[..second]);
    let (first, second) = (first as u64, second as u64);
    let extends = verify_consistency(first, second, &hashes, &root(older), &root(newer)).is_ok();
    let right = older.len() <= newer.len() && consistency(older.len(), newer) == hashes;
    assert_eq!(extends, right);
    if let Some(leaf) = WORLD.leaves.get(index) {
        let contains = verify_inclusion(leaf, index as u64, second, &hashes, &root(newer)).is_ok();
        let right = index < newer.len() && path(index, newer) == hashes;
        assert_eq!(contains, right);
    }
}

/// Sizes of any magnitude end too.
fn extreme(mut input: Reader<'_>) {
    let mut number = || u64::from_le_bytes(std::array::from_fn(|_| input.octet()));
    let (first, second, index) = (number(), number(), number());
    let hashes = &WORLD.pool[..usize::from(input.octet()) % 80];
    let hash = WORLD.leaves[0];
    let _ = verify_consistency(first, second, hashes, &hash, &hash);
    let _ = verify_inclusion(&hash, index, second, hashes, &hash);
}

fuzz_target!(|input: &[u8]| {
    match (input.split_first(), str::from_utf8(input)) {
        (Some((b'c', _)), Ok(text)) => proof(text),
        (Some((b'{', _)), Ok(text)) => json(text),
        (Some((b't', _)), Ok(text)) => tile(text),
        (Some((0, rest)), _) => extreme(Reader(rest)),
        (Some((1, rest)), _) => chosen(Reader(rest)),
        _ => {}
    }
});
