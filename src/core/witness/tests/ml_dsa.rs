//! ML-DSA-44 cosignatures, beside Ed25519 ones and alone.

use ::ml_dsa::{MlDsa44, Signature, Signer as _, SigningKey};

use super::super::keys::{CosignerKey, CosignerPublic, CosignerSecret, WitnessKey};
use super::super::policy::{LineError, PolicyError, WitnessPolicy};
use super::super::request::AddCheckpoint;
use super::super::server::Witness;
use super::{ED25519, ML_DSA, NOW_MS, ORIGIN, Seen, TestLog, cosigner, cosigner_of, log_key};
use crate::chain::checkpoint::{Checkpoint, CheckpointError};
use crate::chain::hash::Hash;
use crate::chain::keys::{KeyError, PublicKey, SEED_BYTES, SecretKey};
use crate::chain::note::{Note, NoteError, NoteSignature};
use crate::digest::sha256_hex;

const TIME_S: u64 = NOW_MS / 1000;

fn pq() -> CosignerKey {
    cosigner_of(ML_DSA, 1)
}

/// The checkpoint of `size` leaves with one more line.
fn with(size: u64, line: NoteSignature) -> Note {
    let mut note = TestLog::of(size).note(size);
    note.add_signature(line).unwrap();
    Note::parse(&note.to_string()).unwrap()
}

fn holds(note: &Note) -> bool {
    match pq().verifier().cosignatures(note) {
        Ok(found) => !found.is_empty(),
        Err(error) => {
            assert!(matches!(error, NoteError::BadSignature { .. }), "{error}");
            false
        }
    }
}

/// The test groups of NIST ACVP (keyGen, vector set 42) and Wycheproof (`mldsa_44_sign_seed`,
/// tests 1 and 6 to 8, which take 1 to 3 tries), as hashes.
#[test]
fn keys_and_signatures_are_those_of_published_vectors() {
    let secret = |seed: [u8; SEED_BYTES]| CosignerSecret::from_seed(ML_DSA, &seed).unwrap();
    let seed = "93ef2e6ef1fb08999d142abe0295482370d3f43bdb254a78e2b0d5168eca065f";
    let acvp = secret(hex::decode(seed).unwrap().try_into().unwrap());
    assert_eq!(
        sha256_hex(acvp.public().bytes()),
        "6995b20ecd5cde41719035028a712ccf35b1adf53b913030423d9d6fa188d673"
    );
    let wycheproof = secret([0x2a; SEED_BYTES]);
    assert_eq!(
        sha256_hex(wycheproof.public().bytes()),
        "d87f8ca136ac1aa55e2d6c4521680efb3a378cbb9bc0bfb446e9c60893931ea3"
    );
    let block = |first: u8| [&[first][..], &[0; 31]].concat();
    for (message, expected) in [
        (
            b"Hello world".to_vec(),
            "8cd6fc03daa72e87210a4e721523e84c14f27733789075e65736744d4787fdd5",
        ),
        (
            block(5),
            "abbc313b9c81e6a372a5a3502fc329ef278a2b34df1308194e005048581957d7",
        ),
        (
            block(1),
            "ee6dc4ca0a907cb63a51d62f0e588871a96ad0b2f3dd309c9c1b55c09094197c",
        ),
        (
            block(14),
            "ac7f37b216e86e6478db2b9ca83f1b7e2c3dd202031ab018a225fec8334f8c2d",
        ),
    ] {
        let signature = wycheproof.sign(&message);
        assert_eq!(sha256_hex(&signature), expected);
        assert!(wycheproof.public().accepts(&message, &signature));
        assert!(!acvp.public().accepts(&message, &signature));
    }
}

#[test]
fn what_is_signed_is_the_struct_of_the_specification() {
    let root = Hash::of(b"root");
    let head = Checkpoint {
        origin: ORIGIN.to_owned(),
        size: 0x0102_0304,
        root,
    };
    let message = [
        b"subtree/v1\n\0\x12witness.example/w1".as_slice(),
        &[0, 0, 0, 0, 0x64, 0x18, 0x50, 0xcb],
        b"\x11log.example/chain",
        &[0; 8],
        &[0, 0, 0, 0, 1, 2, 3, 4],
        root.as_bytes(),
    ]
    .concat();
    let secret = SigningKey::<MlDsa44>::from_seed(&[1; SEED_BYTES].into());
    let expected: Signature<MlDsa44> = secret.sign(&message);
    for text in [
        head.text(),
        head.text() + "of lines below nothing is said\n",
    ] {
        let line = pq().cosign(&text, 1_679_315_147).unwrap();
        assert_eq!(line.signature[..8], message[31..39]);
        assert_eq!(line.signature[8..], expected.encode()[..]);
        // As Cloudflare's `tlog_cosignature` makes it of the same seed, checkpoint and time.
        assert_eq!(
            sha256_hex(&line.signature),
            "d70c280481db89f25f90b5bd575a582e9c406dde60ae12388a773df5d275d0aa"
        );
    }
    let none = pq().cosign("no checkpoint\n", TIME_S);
    assert_eq!(none, Err(CheckpointError::Lines));
}

#[test]
fn a_cosignature_holds_for_its_checkpoint_witness_and_time_alone() {
    let text = TestLog::of(5).checkpoint(5).text();
    let line = pq().cosign(&text, TIME_S).unwrap();
    let note = with(5, line.clone());
    let found = pq().verifier().cosignatures(&note).unwrap();
    assert_eq!((found[0].time_s, &found[0].line), (TIME_S, &line));
    assert!(!holds(&with(4, line.clone())));
    let other_origin = text.replacen(ORIGIN, "log.example/other", 1);
    let other = Note::sign(&other_origin, &log_key()).unwrap();
    let other = Note::parse(&format!("{other}{line}")).unwrap();
    assert!(!holds(&other));
    // Signed under another name with the same key, then said to be this one's.
    let secret = CosignerSecret::from_seed(ML_DSA, &[1; SEED_BYTES]).unwrap();
    let namesake = CosignerKey::new("witness.example/w2", secret).unwrap();
    let claimed = NoteSignature {
        signature: namesake.cosign(&text, TIME_S).unwrap().signature,
        ..line.clone()
    };
    assert!(!holds(&with(5, claimed)));
    for time_s in [0, 1 << 63, u64::MAX] {
        let line = pq().cosign(&text, time_s).unwrap();
        assert!(!holds(&with(5, line)), "{time_s}");
    }
}

/// All bits of time and challenge hash, and some of the response and of the hint, whose encoding
/// has unused places.
#[test]
fn changed_bits_and_lengths_are_noticed() {
    let note = TestLog::of(3).note(3);
    let line = pq().cosign(note.text(), TIME_S).unwrap();
    let bits = line.signature.len() * 8;
    let (response, hint) = ((8 + 32) * 8, bits - 84 * 8);
    let sampled = (0..response)
        .chain((response..hint).step_by(149))
        .chain((hint..bits).step_by(7));
    for bit in sampled {
        let mut altered = line.clone();
        altered.signature[bit / 8] ^= 1 << (bit % 8);
        assert!(!holds(&with(3, altered)), "bit {bit}");
    }
    for length in [1, 8, 9, 72, 2427] {
        let mut short = line.clone();
        short.signature.truncate(length);
        assert!(!holds(&with(3, short)), "{length} bytes");
    }
    let mut long = line.clone();
    long.signature.push(0);
    assert!(!holds(&with(3, long)));
    assert!(holds(&with(3, line)));
}

#[test]
fn one_name_may_have_a_key_of_each_algorithm() {
    let text = TestLog::of(6).checkpoint(6).text();
    let [old, new] = [cosigner(1), pq()];
    assert_eq!(old.name(), new.name());
    let lines = [&old, &new].map(|key| key.cosign(&text, TIME_S).unwrap());
    let mut note = with(6, lines[0].clone());
    note.add_signature(lines[1].clone()).unwrap();
    let note = Note::parse(&note.to_string()).unwrap();
    note.verify(&[log_key().verifier()]).unwrap();
    for (key, line) in [&old, &new].into_iter().zip(&lines) {
        let found = key.verifier().cosignatures(&note).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(&found[0].line, line);
    }
    // A signature of the one under the id of the other.
    for (claims, of) in [(0, 1), (1, 0)] {
        let signature = lines[of].signature.clone();
        let line = NoteSignature {
            signature,
            ..lines[claims].clone()
        };
        let key = [&old, &new][claims].verifier();
        assert!(key.cosignatures(&with(6, line)).is_err());
    }
}

#[test]
fn keys_have_one_text_each_and_hide_their_secret() {
    let key = pq();
    let text = key.verifier().to_string();
    assert_eq!(text.parse::<WitnessKey>().as_ref(), Ok(key.verifier()));
    for end in (0..text.len()).step_by(23) {
        assert!(text[..end].parse::<WitnessKey>().is_err(), "cut to {end}");
    }
    let secret = key.expose_secret_text();
    let read = CosignerKey::from_secret_text(&secret).unwrap();
    assert_eq!(read.verifier(), key.verifier());
    let (_, seed) = secret.rsplit_once('+').unwrap();
    assert!(!format!("{key:?} {key:#?}").contains(seed));
    // The other algorithm's type before this one's bytes, and none that cosigns.
    let public = key.verifier().public();
    for (kind, error) in [
        (ED25519, KeyError::VerifierForm),
        (1, KeyError::UnsupportedType),
        (5, KeyError::UnsupportedType),
    ] {
        assert_eq!(
            CosignerPublic::read(kind, public.bytes()).err(),
            Some(error)
        );
    }
    let short = CosignerPublic::read(ML_DSA, &[1; 32]).err();
    assert_eq!(short, Some(KeyError::VerifierForm));
    let log_type = CosignerSecret::from_seed(1, &[1; SEED_BYTES]).err();
    assert_eq!(log_type, Some(KeyError::UnsupportedType));
}

#[test]
fn a_policy_counts_each_algorithm_as_it_says() {
    let [old, new] = [cosigner(1), pq()].map(|key| key.verifier().to_string());
    let lines = format!("witness old {old}\nwitness new {new}\ngroup w1 all old new\n");
    let text = TestLog::of(3).checkpoint(3).text();
    let judge = |quorum: &str, note: &Note| {
        let policy: WitnessPolicy = format!("{lines}quorum {quorum}\n").parse().unwrap();
        policy.judge(note).unwrap().quorum_met
    };
    let only = |key: &CosignerKey| with(3, key.cosign(&text, TIME_S).unwrap());
    let mut both = only(&cosigner(1));
    both.add_signatures_of(&only(&pq())).unwrap();
    for (quorum, met) in [
        ("old", [true, false, true]),
        ("new", [false, true, true]),
        ("w1", [false, false, true]),
    ] {
        let notes = [&only(&cosigner(1)), &only(&pq()), &both];
        assert_eq!(notes.map(|note| judge(quorum, note)), met, "{quorum}");
    }
    // Under another name it is the same key still.
    let secret = CosignerSecret::from_seed(ML_DSA, &[1; SEED_BYTES]).unwrap();
    let again = CosignerKey::new("witness.example/w9", secret).unwrap();
    let doubled = format!("{lines}witness w9 {}\nquorum none\n", again.verifier());
    let error = doubled.parse::<WitnessPolicy>().unwrap_err();
    let what = LineError::KeyTaken;
    assert_eq!(error, PolicyError::Line { line: 4, what });
}

#[test]
fn a_witness_with_both_keys_answers_and_serves_both() {
    let witness = Witness {
        cosigners: vec![cosigner(1), pq()],
        logs: vec![log_key().verifier().clone()],
    };
    let (log, mut seen) = (TestLog::of(20), Seen::default());
    for (old, new) in [(0, 7), (7, 20)] {
        let body = AddCheckpoint::new(old, log.proof(old, new), log.note(new)).unwrap();
        let request = witness.admit(&body.to_string()).unwrap();
        let answer = witness.add(&mut seen, &request, NOW_MS);
        assert_eq!((answer.status, answer.body.lines().count()), (200, 2));
        let note = Note::parse(&format!("{}{}", log.note(new), answer.body)).unwrap();
        assert_eq!(seen.head.as_ref().unwrap().note, note.to_string());
        for key in &witness.cosigners {
            let found = key.verifier().cosignatures(&note).unwrap();
            assert_eq!(found[0].time_s, TIME_S);
        }
    }
}
