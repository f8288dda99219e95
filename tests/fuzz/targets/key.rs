//! Keys. An input is an armored text, or packets, or what a key's owner states about it: that is
//! signed then, so that it is judged by what it says.
//!
//! - A key that is read is written and read again as the same key; if rPGP reads it, as that key too.
//! - A key whose owner has revoked it is revoked or is not read.
//! - A private key that is read signs what holds, or nothing.

#![no_main]

use std::sync::LazyLock;

use chitty_core::openpgp::{PublicKey, SigningKey};
use chitty_fuzz::{
    Fields, ID, Id, Key, NOW_SECS, Reader, TAG_KEY, TAG_SIGNATURE, TAG_SUBKEY, TAG_USER_ATTRIBUTE,
    TAG_USER_ID, armored, packet,
};
use libfuzzer_sys::fuzz_target;
use pgp::composed::{Deserializable as _, SignedPublicKey};
use pgp::types::KeyDetails as _;

static OWNER: LazyLock<Key> = LazyLock::new(|| Key::of_seed(7));
static SUBKEY: LazyLock<Key> = LazyLock::new(|| Key::of_seed(8));

/// Type of a signature (RFC 9580 §5.2.1.12), and of a subpacket (§5.2.3.34).
const KEY_REVOCATION: u8 = 0x20;
const EMBEDDED: u8 = 32;

fn public(text: &str) -> Option<PublicKey> {
    let key = PublicKey::from_armor(text).ok()?;
    let written = key.to_armor();
    let again = PublicKey::from_armor(&written).unwrap();
    assert_eq!(again.to_armor(), written);
    assert_eq!(format!("{again:?}"), format!("{key:?}"));
    // It is stricter about what matters to nobody here, such as pictures.
    if let Ok((rpgp, _)) = SignedPublicKey::from_string(&written) {
        let fingerprint = rpgp.fingerprint().to_string();
        assert_eq!(fingerprint.to_ascii_uppercase(), key.fingerprint());
    }
    if let Ok(before) = key.before_revocation() {
        assert_eq!(before.fingerprint(), key.fingerprint());
        assert_eq!(before.revocation(), None);
    }
    assert!(key.revocation().is_none() || key.usable_at(NOW_SECS).is_err());
    Some(key)
}

fn private(text: &str) {
    if let Ok(key) = SigningKey::from_armor(text, Some("x")) {
        let content = b"content";
        if let Ok(signature) = key.sign(content, NOW_SECS) {
            let verdict =
                chitty_core::openpgp::verify(content, &signature, key.public_key(), NOW_SECS);
            assert!(verdict.valid);
        }
    }
}

/// Statements: each begins with what it is about, its type and its hash function.
fn stated(mut input: Reader<'_>) {
    let (mut direct, mut rest) = (Vec::new(), OWNER.certified());
    let (mut subkeys, mut revoked) = (Vec::new(), false);
    while !input.0.is_empty() {
        let (about, kind, hash) = (input.octet(), input.octet(), input.octet());
        let hashed = [OWNER.usual(), input.area().to_vec()].concat();
        let unhashed = input.area();
        let fields = Fields {
            kind,
            hash,
            hashed: &hashed,
            unhashed,
        };
        match about % 5 {
            0 => {
                revoked |= kind == KEY_REVOCATION;
                direct.extend(packet(TAG_SIGNATURE, &OWNER.sign(&fields, &OWNER.hashed())));
            }
            1 => rest.extend(OWNER.certify(&ID, &fields)),
            2 => rest.extend(OWNER.certify(
                &Id {
                    tag: TAG_USER_ID,
                    bytes: input.area(),
                },
                &fields,
            )),
            3 => {
                let id = Id {
                    tag: TAG_USER_ATTRIBUTE,
                    bytes: input.area(),
                };
                rest.extend(OWNER.certify(&id, &fields));
            }
            _ => subkeys.extend(bound(&fields, input.octet())),
        }
    }
    let block = [packet(TAG_KEY, &OWNER.body), direct, rest, subkeys].concat();
    if let Some(key) = public(&armored("PUBLIC KEY BLOCK", &block)) {
        assert_eq!(key.revocation().is_some(), revoked);
    }
}

/// A subkey with its binding, in whose unhashed part it signs the key in turn (RFC 9580 §5.2.1.9).
fn bound(fields: &Fields<'_>, back: u8) -> Vec<u8> {
    let content = [OWNER.hashed(), SUBKEY.hashed()].concat();
    let answer = Fields {
        kind: back,
        hash: 8,
        hashed: &SUBKEY.usual(),
        unhashed: &[],
    };
    let answer = SUBKEY.sign(&answer, &content);
    let length = u8::try_from(answer.len() + 1).unwrap();
    let unhashed = [&[length, EMBEDDED][..], &answer, fields.unhashed].concat();
    let binding = Fields {
        unhashed: &unhashed,
        ..*fields
    };
    let signature = OWNER.sign(&binding, &content);
    let [subkey, signature] = [(TAG_SUBKEY, &SUBKEY.body), (TAG_SIGNATURE, &signature)]
        .map(|(tag, body)| packet(tag, body));
    [subkey, signature].concat()
}

fuzz_target!(|input: &[u8]| {
    match (input.first(), str::from_utf8(input)) {
        (Some(0x80..), _) => {
            public(&armored("PUBLIC KEY BLOCK", input));
            private(&armored("PRIVATE KEY BLOCK", input));
        }
        (Some(b'-'), Ok(text)) => {
            public(text);
            private(text);
        }
        (Some(b'-'), Err(_)) => {}
        _ => stated(Reader(input)),
    }
});
