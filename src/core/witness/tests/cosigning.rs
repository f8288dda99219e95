//! Keys and cosignatures, against a published one.

use super::super::keys::{CosignerKey, CosignerSecret, WitnessKey};
use super::{ED25519, NOW_MS, TestLog, cosigner};
use crate::chain::keys::{KeyError, SecretKey, SignerKey};
use crate::chain::note::{Note, NoteError};

const SEED: [u8; 32] = [9; 32];

#[test]
fn a_cosignature_holds_and_says_its_time() {
    let (log, witness) = (TestLog::of(5), cosigner(1));
    let mut note = log.note(5);
    let line = witness.cosign(note.text(), NOW_MS / 1000).unwrap();
    note.add_signature(line.clone()).unwrap();
    let note = Note::parse(&note.to_string()).unwrap();
    let found = witness.verifier().cosignatures(&note).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].time_s, &found[0].line), (NOW_MS / 1000, &line));
    // The log's own signature still holds beside it; another witness finds nothing.
    note.verify(&[log.key.verifier()]).unwrap();
    assert_eq!(cosigner(2).verifier().cosignatures(&note), Ok(vec![]));
}

#[test]
fn what_is_signed_is_the_text_of_the_specification() {
    use ed25519_dalek::{Signer as _, SigningKey};
    let text = "example.com/behind-the-sofa\n20852163\n\
        CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
    let message = format!("cosignature/v1\ntime 1679315147\n{text}");
    let expected = SigningKey::from_bytes(&SEED).sign(message.as_bytes());
    let secret = CosignerSecret::from_seed(ED25519, &SEED).unwrap();
    let key = CosignerKey::new("witness.example.com/w1", secret).unwrap();
    let line = key.cosign(text, 1_679_315_147).unwrap();
    assert_eq!(line.signature[..8], [0, 0, 0, 0, 0x64, 0x18, 0x50, 0xcb]);
    assert_eq!(line.signature[8..], expected.to_bytes());
}

#[test]
fn every_changed_bit_of_a_cosignature_is_noticed() {
    let (log, witness) = (TestLog::of(3), cosigner(1));
    let note = log.note(3);
    let line = witness.cosign(note.text(), NOW_MS / 1000).unwrap();
    for bit in 0..line.signature.len() * 8 {
        let mut altered = line.clone();
        altered.signature[bit / 8] ^= 1 << (bit % 8);
        let mut note = note.clone();
        note.add_signature(altered).unwrap();
        let found = witness.verifier().cosignatures(&note);
        assert!(
            matches!(found, Err(NoteError::BadSignature { .. })),
            "bit {bit}"
        );
    }
    // Nor does it hold on another head.
    let mut other = log.note(2);
    other.add_signature(line).unwrap();
    assert!(witness.verifier().cosignatures(&other).is_err());
}

#[test]
fn a_time_of_zero_or_beyond_63_bits_is_refused() {
    let (log, witness) = (TestLog::of(1), cosigner(1));
    for time_s in [0, 1 << 63, u64::MAX] {
        let mut note = log.note(1);
        let line = witness.cosign(note.text(), time_s).unwrap();
        note.add_signature(line).unwrap();
        assert!(witness.verifier().cosignatures(&note).is_err(), "{time_s}");
    }
}

#[test]
fn keys_have_one_text_each() {
    let key = cosigner(1);
    let text = key.verifier().to_string();
    assert_eq!(text.parse::<WitnessKey>().as_ref(), Ok(key.verifier()));
    // The key of a log is none of a witness, even of the same bytes; the ids differ.
    let log = SignerKey::from_seed(key.verifier().name(), &[1; 32]).unwrap();
    let log_text = log.verifier().to_string();
    assert_eq!(
        log_text.parse::<WitnessKey>(),
        Err(KeyError::UnsupportedType)
    );
    assert_ne!(log_text.split('+').nth(1), text.split('+').nth(1));
    for end in 0..text.len() {
        assert!(text[..end].parse::<WitnessKey>().is_err(), "cut to {end}");
    }
    assert!(!format!("{key:?}").contains("0101"));
}

#[test]
fn the_secret_text_is_read_as_written() {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let key = cosigner(7);
    let public = key.verifier().to_string();
    let id = public.split('+').nth(1).unwrap();
    let mut typed = vec![4];
    typed.extend([7; 32]);
    let name = key.verifier().name();
    let secret =
        |id: &str, typed: &[u8]| format!("PRIVATE+KEY+{name}+{id}+{}", STANDARD.encode(typed));
    let read = CosignerKey::from_secret_text(&secret(id, &typed)).unwrap();
    assert_eq!(read.verifier(), key.verifier());
    let wrong_id = CosignerKey::from_secret_text(&secret("00000000", &typed));
    assert_eq!(wrong_id.unwrap_err(), KeyError::WrongId);
    typed[0] = 1;
    let of_a_log = CosignerKey::from_secret_text(&secret(id, &typed));
    assert_eq!(of_a_log.unwrap_err(), KeyError::UnsupportedType);
}
