//! Arbitrary input never panics and never passes.

use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;

struct Known {
    public: PublicKey,
    /// The spellings that pass: with and without the checksum line, which is optional.
    texts: [String; 2],
    /// The spellings that pass: the two frames of a packet (RFC 9580 §4.2).
    signatures: [Vec<u8>; 2],
    public_block: Vec<u8>,
    secret_block: Vec<u8>,
}

static KNOWN: LazyLock<Known> = LazyLock::new(|| {
    let signer = Signer::new();
    let text = signer.secret.sign(CONTENT, now()).unwrap();
    let secret = signer.gpg.export_secret(&signer.fingerprint);
    let public = signer.secret.public_key_armor();
    let signature = signature_bytes(&text);
    let (packet, _) = packet::take(&signature).unwrap();
    Known {
        signatures: [
            packet::frame(packet.tag, packet.body),
            packet::frame_legacy(packet.tag, packet.body),
        ],
        public_block: armor::decode_key(&public, Kind::PublicKey)
            .unwrap()
            .to_vec(),
        secret_block: armor::decode_key(&secret, Kind::PrivateKey)
            .unwrap()
            .to_vec(),
        public: signer.public.clone(),
        texts: [without_checksum(&text), text],
    }
});

fn without_checksum(text: &str) -> String {
    let lines = text.split_inclusive('\n');
    lines.filter(|line| !line.starts_with('=')).collect()
}

/// `original` with a stretch of it replaced by other bytes.
fn spliced(original: &[u8], at: usize, remove: usize, insert: &[u8]) -> Vec<u8> {
    let start = at % (original.len() + 1);
    let end = (start + remove).min(original.len());
    [&original[..start], insert, &original[end..]].concat()
}

/// Of all stretches that can be taken out of the text, two leave it good: the last line end and
/// the checksum line.
#[test]
fn removed_stretches() {
    let [bare, whole] = &KNOWN.texts;
    for at in 0..whole.len() {
        for remove in 1..=whole.len() - at {
            let text = [&whole[..at], &whole[at + remove..]].concat();
            assert_eq!(
                verify(CONTENT, &text, &KNOWN.public, now()).valid,
                text == *bare || text == whole.trim_end(),
                "{remove} at {at}"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn bytes_as_signature(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(!verify(CONTENT, &armored(&bytes), &KNOWN.public, now()).valid);
        prop_assert!(!verify(CONTENT, &String::from_utf8_lossy(&bytes), &KNOWN.public, now()).valid);
    }

    #[test]
    fn text_as_signature_and_key(text in "\\PC{0,200}") {
        prop_assert!(!verify(CONTENT, &text, &KNOWN.public, now()).valid);
        prop_assert!(PublicKey::from_armor(&text).is_err());
        prop_assert!(SigningKey::from_armor(&text, Some("x")).is_err());
    }

    #[test]
    fn spliced_signatures(at in any::<usize>(), remove in 0usize..12, insert in proptest::collection::vec(any::<u8>(), 0..12)) {
        for signature in &KNOWN.signatures {
            let bytes = spliced(signature, at, remove, &insert);
            prop_assume!(!KNOWN.signatures.contains(&bytes));
            prop_assert!(!verify(CONTENT, &armored(&bytes), &KNOWN.public, now()).valid);
        }
        for text in &KNOWN.texts {
            let bytes = spliced(text.as_bytes(), at, remove, &insert);
            let text = String::from_utf8_lossy(&bytes);
            prop_assume!(KNOWN.texts.iter().all(|known| known.trim_end() != text.trim_end()));
            prop_assert!(!verify(CONTENT, &text, &KNOWN.public, now()).valid);
        }
    }

    #[test]
    fn bytes_as_keys(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(PublicKey::from_armor(&armor::encode(Kind::PublicKey, &bytes)).is_err());
        prop_assert!(SigningKey::from_armor(&armor::encode(Kind::PrivateKey, &bytes), Some("x")).is_err());
    }

    /// Whatever key still reads, it is the same key or it does not verify the signature.
    #[test]
    fn spliced_keys(at in any::<usize>(), remove in 0usize..12, insert in proptest::collection::vec(any::<u8>(), 0..12)) {
        let public = spliced(&KNOWN.public_block, at, remove, &insert);
        if let Ok(key) = PublicKey::from_armor(&armor::encode(Kind::PublicKey, &public))
            && verify(CONTENT, &KNOWN.texts[1], &key, now()).valid
        {
            prop_assert_eq!(key.fingerprint(), KNOWN.public.fingerprint());
        }
        let secret = spliced(&KNOWN.secret_block, at, remove, &insert);
        if let Ok(key) = SigningKey::from_armor(&armor::encode(Kind::PrivateKey, &secret), Some("x"))
            && let Ok(text) = key.sign(CONTENT, now())
        {
            prop_assert!(verify(CONTENT, &text, key.public_key(), now()).valid);
        }
    }
}
