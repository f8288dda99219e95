//! Keys, notes and checkpoints, against published examples.

use super::super::checkpoint::{Checkpoint, CheckpointError};
use super::super::ed25519::Ed25519;
use super::super::hash::Hash;
use super::super::keys::{KeyError, PublicKey, SignerKey, VerifierKey};
use super::super::note::{MAX_SIGNATURES, Note, NoteError};
use super::{ORIGIN, test_key};

// From the documentation of golang.org/x/mod/sumdb/note: a published example.
const GO_VKEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const GO_SKEY: &str =
    "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
const GO_TEXT: &str = "If you think cryptography is the answer to your problem,\n\
    then you don't know what your problem is.\n";
const GO_LINE: &str = "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

// From C2SP signed-note v1.0.0.
const C2SP_VKEY: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
const C2SP_NOTE: &str = "This is an example message.\n\n\
    — example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";

// From C2SP tlog-checkpoint v1.0.0, which does not give the key.
const C2SP_CHECKPOINT: &str = "example.com/behind-the-sofa\n20852163\n\
    CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n\
    — example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n";

// A checkpoint of the public log log2025-1.rekor.sigstore.dev, with a witness.
const REKOR_VKEY: &str =
    "log2025-1.rekor.sigstore.dev+cf119915+AbfK5adZJxsI323FwGD2AJJ9F4i89cfDuLdGJBIYntuO";
const REKOR_CHECKPOINT: &str = "log2025-1.rekor.sigstore.dev\n139911860\n\
    EliTHtnx44DhEBH+5qIXBtQsSpc54Avam7mIYEvxnTA=\n\n\
    — log2025-1.rekor.sigstore.dev zxGZFcOra4Y7QpuiQen+CmnUvDZbxSXfBOXJzL+HKIeR9aC58QTfao58ABqkhVyBhQDseS+TZdDNpcnZhoRxkh7IbQ0=\n\
    — witness.stagemole.eu Z/euoAAAAABqxF18wrJCADsJ1G5Lc2JaRjZqqBwjpNqH24yQse4iJ4rKS6b5MtvHP+IbKYXwaWuWokdGA+BubLFi+TrwK7xpKr6XBw==\n";

fn vkey(text: &str) -> VerifierKey {
    text.parse().unwrap()
}

fn go_note() -> String {
    format!("{GO_TEXT}\n{GO_LINE}")
}

#[test]
fn signs_the_reference_note_byte_for_byte() {
    let key = SignerKey::from_secret_text(GO_SKEY).unwrap();
    assert_eq!(Note::sign(GO_TEXT, &key).unwrap().to_string(), go_note());
    assert_eq!(key.expose_secret_text(), GO_SKEY);
    assert_eq!(key.verifier().to_string(), GO_VKEY);
}

#[test]
fn verifies_published_notes() {
    for (note, key) in [(go_note().as_str(), GO_VKEY), (C2SP_NOTE, C2SP_VKEY)] {
        let key = vkey(key);
        let parsed = Note::parse(note).unwrap();
        assert_eq!(parsed.verify(&[&key]).unwrap(), [&key]);
        assert_eq!(parsed.to_string(), note);
    }
}

#[test]
fn every_flipped_bit_of_a_note_is_refused() {
    let key = vkey(GO_VKEY);
    let note = go_note();
    for place in 0..note.len() {
        for bit in 0..8 {
            let mut bytes = note.clone().into_bytes();
            bytes[place] ^= 1 << bit;
            let accepted = String::from_utf8(bytes).is_ok_and(|note| {
                Note::parse(&note).is_ok_and(|note| note.verify(&[&key]).is_ok())
            });
            assert!(!accepted, "bit {bit} of byte {place}");
        }
    }
}

#[test]
fn malformed_notes_are_refused() {
    let bad = [
        GO_TEXT.to_owned(),
        format!("{GO_TEXT}\n"),
        format!("{GO_TEXT}\n{}", GO_LINE.trim_end()),
        format!("\x01{GO_TEXT}\n{GO_LINE}"),
        format!("{GO_TEXT}\r\n{GO_LINE}"),
        format!("{GO_TEXT}\n{}", GO_LINE.replace("Peter", "Peter ")),
        format!("{GO_TEXT}\n{}", GO_LINE.replace("Peter", "Peter+")),
        format!("{GO_TEXT}\n{}", GO_LINE.replace("AM=", "AN=")),
        format!("{GO_TEXT}\n{GO_LINE}Unexpected line.\n"),
        format!("{GO_TEXT}\n— PeterNeumann x08gow==\n"),
    ];
    for note in bad {
        assert!(Note::parse(&note).is_err(), "{note:?}");
    }
    let many = |count| format!("{GO_TEXT}\n{}", GO_LINE.repeat(count));
    assert!(Note::parse(&many(MAX_SIGNATURES)).is_ok());
    let error = Note::parse(&many(MAX_SIGNATURES + 1));
    assert_eq!(error, Err(NoteError::TooManySignatures));
    let error = Note::parse(&many(3000));
    assert!(matches!(error, Err(NoteError::TooLarge { .. })));
    let unfinished = Note::sign("no newline", &test_key());
    assert_eq!(unfinished, Err(NoteError::TextForm));
}

#[test]
fn only_known_keys_count_and_a_wrong_known_signature_refuses_all() {
    let (known, other) = (vkey(GO_VKEY), vkey(C2SP_VKEY));
    let mut note = Note::parse(&go_note()).unwrap();
    let error = note.verify(&[&other]).unwrap_err();
    assert!(matches!(error, NoteError::NoKnownSignature { .. }));
    assert!(note.verify(&[]).is_err());

    let cosigner = SignerKey::from_seed("example.com/witness", &[9; 32]).unwrap();
    note.add_signatures_of(&Note::sign(GO_TEXT, &cosigner).unwrap())
        .unwrap();
    let note = Note::parse(&note.to_string()).unwrap();
    assert_eq!(note.verify(&[&known]).unwrap(), [&known]);
    let both = note.verify(&[cosigner.verifier(), &known]).unwrap();
    assert_eq!(both, [&known, cosigner.verifier()]);

    let wrong = GO_LINE.replace("RyyBwJnAM", "RyyBwJnBM");
    let note = Note::parse(&format!("{GO_TEXT}\n{GO_LINE}{wrong}")).unwrap();
    let error = note.verify(&[&known]).unwrap_err();
    assert!(matches!(error, NoteError::BadSignature { .. }));

    let mut first = Note::sign("one\n", &test_key()).unwrap();
    let second = Note::sign("two\n", &test_key()).unwrap();
    assert_eq!(first.add_signatures_of(&second), Err(NoteError::TextForm));
}

#[test]
fn damaged_keys_are_refused() {
    for (text, secret) in [(GO_VKEY, false), (GO_SKEY, true)] {
        let refused = |text: &str| {
            if secret {
                SignerKey::from_secret_text(text).is_err()
            } else {
                text.parse::<VerifierKey>().is_err()
            }
        };
        assert!(!refused(text));
        for place in 0..text.len() {
            assert!(refused(&text[..place]));
            assert!(place == 0 || refused(&text[place..]));
            for bit in 0..7 {
                let mut bytes = text.as_bytes().to_vec();
                bytes[place] ^= 1 << bit;
                assert!(refused(&String::from_utf8(bytes).unwrap()), "byte {place}");
            }
        }
    }
    let long = "PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==";
    assert_eq!(long.parse::<VerifierKey>(), Err(KeyError::VerifierForm));
    let kind = "PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    assert_eq!(kind.parse::<VerifierKey>(), Err(KeyError::UnsupportedType));
    let mut identity = [0; 32];
    identity[0] = 1;
    let weak = Ed25519::<1>::read(1, &identity).err();
    assert_eq!(weak, Some(KeyError::BadPoint));
    for name in ["", "a b", "a+b", "a\u{a0}b", "a\nb", &"a".repeat(256)] {
        assert_eq!(
            SignerKey::from_seed(name, &[1; 32]).err(),
            Some(KeyError::Name)
        );
    }
}

#[test]
fn debug_hides_the_secret() {
    let key = SignerKey::from_secret_text(GO_SKEY).unwrap();
    let (_, secret) = GO_SKEY.rsplit_once("c74f20a3+").unwrap();
    let shown = format!("{key:?} {key:#?}");
    assert!(
        shown.contains(GO_VKEY) && !shown.contains(secret),
        "{shown}"
    );
}

#[test]
fn opens_a_public_log_checkpoint() {
    let checkpoint = Checkpoint::open(REKOR_CHECKPOINT, &vkey(REKOR_VKEY)).unwrap();
    assert_eq!(checkpoint.size, 139_911_860);
    let altered = REKOR_CHECKPOINT.replace("139911860", "139911861");
    assert!(Checkpoint::open(&altered, &vkey(REKOR_VKEY)).is_err());
    assert!(Checkpoint::open(REKOR_CHECKPOINT, &vkey(GO_VKEY)).is_err());
}

#[test]
fn reads_and_writes_the_specified_checkpoint() {
    let checkpoint = Checkpoint::parse_unverified(C2SP_CHECKPOINT).unwrap();
    assert_eq!(checkpoint.origin, "example.com/behind-the-sofa");
    assert_eq!(checkpoint.size, 20_852_163);
    assert!(C2SP_CHECKPOINT.starts_with(&format!("{}\n—", checkpoint.text())));
}

#[test]
fn checkpoints_round_trip_and_keep_to_their_log() {
    let key = test_key();
    let head = Checkpoint {
        origin: ORIGIN.to_owned(),
        size: 0,
        root: Hash::empty_root(),
    };
    let note = head.sign(&key).unwrap();
    assert_eq!(Checkpoint::open(&note, key.verifier()).unwrap(), head);
    let stranger = SignerKey::from_seed("example.com/other", &[1; 32]).unwrap();
    assert!(matches!(
        head.sign(&stranger),
        Err(CheckpointError::OtherLog { .. })
    ));
    // The same log key must not be talked into another origin.
    let foreign = Note::sign(&head.text().replace("test-log", "other"), &key).unwrap();
    let opened = Checkpoint::open(&foreign.to_string(), key.verifier());
    assert!(matches!(opened, Err(CheckpointError::OtherLog { .. })));
}

#[test]
fn malformed_checkpoints_are_refused() {
    let root = Hash::empty_root().to_base64();
    for text in [
        format!("o\n1\n{root}"),
        format!("o\n1\n{root}\nextension\n"),
        format!("o\n1\n{root}\n\n"),
        format!("\n1\n{root}\n"),
        format!("o\n01\n{root}\n"),
        format!("o\n+1\n{root}\n"),
        format!("o\n-1\n{root}\n"),
        format!("o\n\n{root}\n"),
        format!("o\n18446744073709551616\n{root}\n"),
        format!("o\n1\n{}\n", &root[1..]),
        format!("o\n1\n{}\n", root.replace('=', "")),
        "o\n1\n".to_owned(),
    ] {
        assert!(Checkpoint::parse_text(&text).is_err(), "{text:?}");
    }
}
