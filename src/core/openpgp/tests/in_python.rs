//! Signatures by subkeys, as a package's `verify.py` judges them.

use super::packet::{frame, split, tag};
use super::*;
use crate::evidence::VERIFY_PY;

/// Prints the fingerprint of the whole key whose signature it is, or why it is nobody's.
const JUDGE: &str = r#"
import sys
program, keys, signature, content = sys.argv[1:]
space = {"__name__": "verify", "__file__": "verify.py"}
exec(program, space)
try:
    keys = space["public_keys"](keys.encode())
    signature = space["armor"](signature.encode(), "SIGNATURE")
    print(space["openpgp"](content.encode(), signature, keys)["fingerprint"])
except space["Fault"] as fault:
    print(fault)
"#;

fn judged(keys: &str, signature: &str) -> String {
    let content = std::str::from_utf8(CONTENT).unwrap();
    let done = std::process::Command::new("python3")
        .args(["-I", "-c", JUDGE, VERIFY_PY, keys, signature, content])
        .output()
        .unwrap();
    let said = [done.stdout, done.stderr].concat();
    String::from_utf8_lossy(&said).trim().to_owned()
}

struct WithSubkey {
    gpg: Gpg,
    /// Of the primary key.
    fingerprint: String,
    signature: String,
}

impl WithSubkey {
    fn new() -> Self {
        let gpg = Gpg::new();
        let fingerprint = gpg.make_key(NAME, "ed25519", "sign", "1y");
        gpg.add_subkey(&fingerprint, "cv25519", "encr");
        gpg.add_subkey(&fingerprint, "ed25519", "sign");
        let secret = SigningKey::from_armor(&gpg.export_secret(&fingerprint), None).unwrap();
        assert_ne!(secret.fingerprint(), fingerprint);
        Self {
            signature: secret.sign(CONTENT, now()).unwrap(),
            gpg,
            fingerprint,
        }
    }

    /// The published block, as the fortress gives it out.
    fn published(&self) -> String {
        let exported = self.gpg.export(&self.fingerprint);
        PublicKey::from_armor(&exported).unwrap().to_armor()
    }

    fn packets(&self) -> Vec<(u8, Vec<u8>)> {
        let bytes = armor::decode_key(&self.published(), Kind::PublicKey).unwrap();
        let packets = split(&bytes, 100).unwrap();
        packets
            .iter()
            .map(|packet| (packet.tag, packet.body.to_vec()))
            .collect()
    }
}

fn block(packets: &[(u8, Vec<u8>)]) -> String {
    let frames: Vec<u8> = packets
        .iter()
        .flat_map(|(tag, body)| frame(*tag, body))
        .collect();
    armor::encode(Kind::PublicKey, &frames)
}

#[test]
fn a_subkey_that_both_keys_vouch_for_signs_for_its_primary_key() {
    let key = WithSubkey::new();
    assert_eq!(judged(&key.published(), &key.signature), key.fingerprint);
}

#[test]
fn a_subkey_that_nobody_vouches_for_signs_for_nobody() {
    let (victim, other) = (WithSubkey::new(), WithSubkey::new());
    let (mut theirs, forged) = (victim.packets(), other.packets());
    // As it stands, its binding is another primary key's.
    let subkey = forged
        .iter()
        .rposition(|(kind, _)| *kind == tag::PUBLIC_SUBKEY);
    theirs.extend_from_slice(&forged[subkey.unwrap()..]);
    assert_eq!(
        judged(&block(&theirs), &other.signature),
        "the signature is not over these bytes"
    );
    // Without a binding it is no subkey.
    theirs.pop();
    assert!(judged(&block(&theirs), &other.signature).contains("not bound"));
    // Nor does a second primary key borrow the first one's name.
    let mut both = victim.packets();
    both.extend(forged);
    let two = "not one primary key before its subkeys";
    assert_eq!(judged(&block(&both), &other.signature), two);
}

#[test]
fn a_revoked_subkey_signs_for_nobody() {
    let key = WithSubkey::new();
    let answers = "key 2\nrevkey\ny\n1\n\ny\nsave\n";
    let edit = ["--command-fd", "0", "--passphrase", "", "--edit-key"];
    let edit = [&edit[..], &[key.fingerprint.as_str()]].concat();
    key.gpg.run(&edit, answers.as_bytes());
    let said = judged(&key.published(), &key.signature);
    assert!(said.contains("a subkey that is revoked"), "{said}");
}
