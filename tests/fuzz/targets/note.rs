//! Texts of the log and its witnesses: notes, checkpoints, keys, policies, requests to witnesses.
//!
//! - What is read is written as the same bytes: one meaning has one form.
//! - A signature holds for the text that was signed, and for no other.
//! - Any text that can be signed is read back as it was.

#![no_main]

use std::sync::LazyLock;

use chitty_core::chain::checkpoint::Checkpoint;
use chitty_core::chain::hash::Hash;
use chitty_core::chain::keys::{SecretKey, SignerKey, VerifierKey};
use chitty_core::chain::note::Note;
use chitty_core::witness::keys::{CosignerKey, CosignerSecret, WitnessKey};
use chitty_core::witness::policy::WitnessPolicy;
use chitty_core::witness::request::AddCheckpoint;
use libfuzzer_sys::fuzz_target;

struct World {
    log: SignerKey,
    /// One name, both algorithms.
    witnesses: [CosignerKey; 2],
    checkpoint: String,
    /// Signed and cosigned.
    note: Note,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let log = SignerKey::from_seed("log.example/fuzz", &[1; 32]).unwrap();
    let witnesses = [4, 6].map(|kind| {
        let secret = CosignerSecret::from_seed(kind, &[2; 32]).unwrap();
        CosignerKey::new("witness.example/fuzz", secret).unwrap()
    });
    let head = Checkpoint {
        origin: log.name().to_owned(),
        size: 5,
        root: Hash::of(b"root"),
    };
    let checkpoint = head.text();
    let mut note = Note::sign(&checkpoint, &log).unwrap();
    for witness in &witnesses {
        let line = witness.cosign(&checkpoint, 1_700_000_000).unwrap();
        note.add_signature(line).unwrap();
    }
    World {
        log,
        witnesses,
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
    if let Ok(key) = CosignerKey::from_secret_text(text) {
        assert_eq!(key.expose_secret_text(), text);
    }
}

fn note(text: &str) {
    let Ok(note) = Note::parse(text) else {
        return;
    };
    assert_eq!(note.to_string(), text);
    if note.verify(&[WORLD.log.verifier()]).is_ok() {
        assert_eq!(note.text(), WORLD.checkpoint);
    }
    let [ed25519, ml_dsa] = WORLD.witnesses.each_ref().map(|key| {
        let found = key.verifier().cosignatures(&note);
        found.is_ok_and(|found| !found.is_empty())
    });
    if ed25519 {
        assert_eq!(note.text(), WORLD.checkpoint);
    }
    // It says nothing of lines after the root.
    if ml_dsa {
        let head = Checkpoint::parse_head(note.text()).unwrap();
        assert_eq!(head.text(), WORLD.checkpoint);
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
    for witness in &WORLD.witnesses {
        if let Ok(line) = witness.cosign(text, 1) {
            note.add_signature(line).unwrap();
        }
    }
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
