//! Parsers on arbitrary and on nearly right input: no panic, and whatever is
//! accepted is written back byte for byte, so one meaning has one form.

use std::sync::LazyLock;

use proptest::prelude::*;

use super::super::checkpoint::Checkpoint;
use super::super::fact::SaltedFact;
use super::super::hash::Hash;
use super::super::keys::{SignerKey, VerifierKey};
use super::super::note::Note;
use super::super::proof::LogProof;
use super::super::receipt::{Receipt, verify_fact};
use super::memory::MemoryStore;
use super::{Append, NOW_MS, open, request, salt, test_key};

fn parse_all(text: &str) {
    if let Ok(note) = Note::parse(text) {
        assert_eq!(note.to_string(), text);
    }
    if let Ok(checkpoint) = Checkpoint::parse_text(text) {
        assert_eq!(checkpoint.text(), text);
    }
    if let Ok(proof) = LogProof::parse(text) {
        assert_eq!(proof.to_string(), text);
    }
    if let Ok(key) = text.parse::<VerifierKey>() {
        assert_eq!(key.to_string(), text);
    }
    if let Ok(key) = SignerKey::from_secret_text(text) {
        assert_eq!(key.expose_secret_text(), text);
    }
    if let Ok(fact) = SaltedFact::parse(text) {
        assert_eq!(fact.canonical().unwrap(), text);
    }
    if let Ok(hash) = Hash::from_hex(text) {
        assert_eq!(hash.to_string(), text);
    }
    if let Ok(hash) = Hash::from_base64(text) {
        assert_eq!(hash.to_base64(), text);
    }
    if let Ok(receipt) = serde_json::from_str::<Receipt>(text) {
        let verdicts = verify_fact(Some(text), &receipt, test_key().verifier());
        assert!(!verdicts.integrity.holds());
    }
}

static SAMPLES: LazyLock<Vec<String>> = LazyLock::new(samples);

fn samples() -> Vec<String> {
    let mut log = open(MemoryStore::default(), test_key()).unwrap();
    let receipts: Vec<Receipt> = (0..5)
        .map(|number| log.append(&request(number), NOW_MS, &salt(number)).unwrap())
        .collect();
    let content = log.store().entries[&4].content.clone().unwrap();
    let mut samples = vec![
        content,
        log.checkpoint().unwrap(),
        test_key().verifier().to_string(),
        test_key().expose_secret_text(),
    ];
    samples.extend(receipts.iter().map(Receipt::to_proof_text));
    let json = receipts
        .iter()
        .map(|receipt| serde_json::to_string(receipt).unwrap());
    samples.extend(json);
    samples
}

#[test]
fn samples_are_accepted() {
    for sample in samples() {
        parse_all(&sample);
    }
}

#[test]
fn malformed_proofs_are_refused() {
    let proof = samples()[4 + 2].clone();
    assert!(LogProof::parse(&proof).is_ok());
    let (head, checkpoint) = proof.split_once("\n\n").unwrap();
    let hash = Hash::of(b"").to_base64();
    for bad in [
        proof.replace("@v1", "@v2"),
        proof.replace("extra ", "extra  "),
        proof.replace("extra ", "more "),
        proof.replace("index 2", "index 02"),
        proof.replace("index 2", "index"),
        proof.replace("index 2", "index -2"),
        proof.replacen("\n\n", "\n", 1),
        proof.replacen("\n\n", "\nnot a hash\n\n", 1),
        format!("{head}\n{}\n{checkpoint}", format!("{hash}\n").repeat(65)),
        "x".repeat(1 << 20),
    ] {
        let refused = LogProof::parse(&bad)
            .and_then(|proof| proof.verify(&Hash::of(b""), test_key().verifier()))
            .is_err();
        assert!(refused, "{bad:.200}");
    }
    assert!(
        LogProof::parse(&format!("{head}\n\n"))
            .is_ok_and(|proof| { proof.verify(&Hash::of(b""), test_key().verifier()).is_err() })
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn arbitrary_bytes(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        parse_all(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn nearly_right_texts(
        at in any::<prop::sample::Index>(),
        place in any::<prop::sample::Index>(),
        insert in "[\\PC\n+ =—0-9a-f\"{}]{0,4}",
        remove in 0..4_usize,
    ) {
        let characters: Vec<char> = at.get(&SAMPLES).chars().collect();
        let from = place.index(characters.len());
        let to = (from + remove).min(characters.len());
        let mut text: String = characters[..from].iter().collect();
        text += &insert;
        text.extend(&characters[to..]);
        parse_all(&text);
    }

    #[test]
    fn signature_lines(lines in prop::collection::vec("— [a-z+ ]{0,5} ?[A-Za-z0-9+/]{0,12}={0,2}", 0..5)) {
        parse_all(&format!("text\n\n{}\n", lines.join("\n")));
    }
}
