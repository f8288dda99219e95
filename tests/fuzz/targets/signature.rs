//! Detached signatures. An input is an armored text, or packets, or what a signature states: that
//! is signed then, so that it is judged by what it says.
//!
//! - Of texts and packets, only the one that was signed here is valid.
//! - What is valid is so for rPGP too, and with any bit changed it is not.

#![no_main]

use std::sync::LazyLock;

use chitty_core::openpgp::{PublicKey, verify};
use chitty_fuzz::{
    Fields, Key, NOW_SECS, Reader, TAG_KEY, TAG_SIGNATURE, armored, packet, packet_legacy,
    unarmored,
};
use libfuzzer_sys::fuzz_target;
use pgp::composed::{Deserializable as _, DetachedSignature, SignedPublicKey};

const CONTENT: &[u8] = b"{\"execution\":\"one\"}";

struct World {
    key: Key,
    public: PublicKey,
    rpgp: SignedPublicKey,
    /// The one signature, in both frames of a packet.
    good: [Vec<u8>; 2],
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let key = Key::of_seed(7);
    let block = [packet(TAG_KEY, &key.body), key.certified()].concat();
    let text = armored("PUBLIC KEY BLOCK", &block);
    let stated = Fields {
        kind: 0,
        hash: 10,
        hashed: &key.usual(),
        unhashed: &key.issuer_id(),
    };
    let body = key.sign(&stated, CONTENT);
    World {
        public: PublicKey::from_armor(&text).unwrap(),
        rpgp: SignedPublicKey::from_string(&text).unwrap().0,
        good: [
            packet(TAG_SIGNATURE, &body),
            packet_legacy(TAG_SIGNATURE, &body),
        ],
        key,
    }
});

fn takes(text: &str) -> bool {
    let verdict = verify(CONTENT, text, &WORLD.public, NOW_SECS);
    if verdict.valid {
        assert_eq!(verdict.fingerprint, Some(WORLD.public.fingerprint()));
        let (signature, _) = DetachedSignature::from_string(text).unwrap();
        signature.verify(&WORLD.rpgp, CONTENT).unwrap();
    }
    verdict.valid
}

fn takes_packets(bytes: &[u8]) -> bool {
    takes(&armored("SIGNATURE", bytes))
}

/// Two octets: hash function and type; then the areas, each after its length, and a bit to flip.
fn stated(input: &[u8]) {
    let mut input = Reader(input);
    let (hash, kind) = (input.octet(), input.octet());
    let (hashed, unhashed) = (input.area(), input.area());
    let stated = Fields {
        kind,
        hash,
        hashed,
        unhashed,
    };
    let body = WORLD.key.sign(&stated, CONTENT);
    let mut bytes = packet(TAG_SIGNATURE, &body);
    if takes_packets(&bytes) {
        assert!(takes_packets(&packet_legacy(TAG_SIGNATURE, &body)));
        let bit = input.number() % (bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(!takes_packets(&bytes), "bit {bit}");
    }
}

fuzz_target!(
    init: assert!(WORLD.good.iter().all(|bytes| takes_packets(bytes))),
    |input: &[u8]| {
        match (input.first(), str::from_utf8(input)) {
            (Some(0x80..), _) => assert_eq!(takes_packets(input), WORLD.good.iter().any(|good| good == input)),
            (Some(b'-'), Ok(text)) if takes(text) => {
                assert!(WORLD.good.contains(&unarmored(text)));
            }
            (Some(b'-'), _) => {}
            _ => stated(input),
        }
    }
);
