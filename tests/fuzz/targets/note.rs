//! Texts of the log and its witnesses: notes, checkpoints, keys, policies, requests to witnesses.
//!
//! - What is read is written as the same bytes: one meaning has one form.
//! - A signature holds for the text that was signed, and for no other.
//! - Any text that can be signed is read back as it was.

#![no_main]

use std::sync::LazyLock;

use chitty_core::chain::checkpoint::Checkpoint;
use chitty_core::chain::hash::Hash;
use chitty_core::chain::keys::{SignerKey, VerifierKey};
use chitty_core::chain::note::Note;
use chitty_core::witness::keys::{CosignerKey, WitnessKey};
use chitty_core::witness::policy::WitnessPolicy;
use chitty_core::witness::request::AddCheckpoint;
use libfuzzer_sys::fuzz_target;

struct World {
    log: SignerKey,
    witness: CosignerKey,
    checkpoint: String,
    /// Signed and cosigned.
    note: Note,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let log = SignerKey::from_seed("log.example/fuzz", &[1; 32]).unwrap();
    let witness = CosignerKey::from_seed("witness.example/fuzz", &[2; 32]).unwrap();
    let head = Checkpoint {
        origin: log.name().to_owned(),
        size: 5,
        root: Hash::of(b"root"),
    };
    let checkpoint = head.text();
    let mut note = Note::sign(&checkpoint, &log).unwrap();
    note.add_signature(witness.cosign(&checkpoint, 1_700_000_000))
        .unwrap();
    World {
        log,
        witness,
        checkpoint,
        note,
    }
});

fn keys(text: &str) {
    if let Ok(key) = text.parse::<VerifierKey>() {
        assert_eq!(key.to_string(), text);
    }
    if let Ok(key) = text.parse::<WitnessKey>() {
        assert_eq!(key.to_string(), text);
    }
    if let Ok(key) = SignerKey::from_secret_text(text) {
        assert_eq!(key.expose_secret_text(), text);
    }
    let _ = CosignerKey::from_secret_text(text);
}

fn note(text: &str) {
    let Ok(note) = Note::parse(text) else {
        return;
    };
    assert_eq!(note.to_string(), text);
    if note.verify(&[WORLD.log.verifier()]).is_ok() {
        assert_eq!(note.text(), WORLD.checkpoint);
    }
    if let Ok(found) = WORLD.witness.verifier().cosignatures(&note)
        && !found.is_empty()
    {
        assert_eq!(note.text(), WORLD.checkpoint);
    }
    if let Ok(head) = Checkpoint::open(text, WORLD.log.verifier()) {
        assert_eq!(head.text(), WORLD.checkpoint);
    }
}

fn checkpoint(text: &str) {
    if let Ok(head) = Checkpoint::parse_text(text) {
        assert_eq!(head.text(), text);
    }
    if let Ok(request) = AddCheckpoint::parse(text) {
        assert_eq!(request.to_string(), text);
        assert!(request.old_size <= request.head.size);
    }
}

fn policy(text: &str) {
    if let Ok(policy) = text.parse::<WitnessPolicy>() {
        let judged = policy.judge(&WORLD.note).unwrap();
        assert!(!judged.quorum_met || !judged.by.is_empty());
        assert!(!(judged.quorum_met && policy.asks_nobody()));
    }
}

fn signed(text: &str) {
    let Ok(mut note) = Note::sign(text, &WORLD.log) else {
        return;
    };
    note.add_signature(WORLD.witness.cosign(text, 1)).unwrap();
    let written = note.to_string();
    // The signatures may be what makes it too large.
    if let Ok(read) = Note::parse(&written) {
        assert_eq!(read, note);
        assert_eq!(
            read.verify(&[WORLD.log.verifier()]),
            Ok(vec![WORLD.log.verifier()])
        );
    } else {
        assert!(written.len() > chitty_core::chain::note::MAX_NOTE_BYTES);
    }
}

fuzz_target!(|input: &[u8]| {
    if let Ok(text) = str::from_utf8(input) {
        keys(text);
        note(text);
        checkpoint(text);
        policy(text);
        signed(text);
    }
});
