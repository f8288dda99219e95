//! Tests against `gpg`. They need `gpg` (Debian: `apt-get install gnupg`) and fail without it.

mod agreement;
mod arbitrary;
mod corpus;
mod gpg;
mod in_python;
mod interop;
mod keys;
mod making;
mod tamper;

use std::sync::LazyLock;

use ed25519_dalek::Signer as _;
use pgp::crypto::eddsa_legacy::SecretKey as Seed;
use pgp::crypto::hash::HashAlgorithm;
use pgp::crypto::public_key::PublicKeyAlgorithm;
use pgp::packet::{
    PacketTrait as _, SecretKey, SignatureConfig, SignatureType, Subpacket, SubpacketData,
};
use pgp::types::{KeyDetails as _, Password, PlainSecretParams, SecretParams, Timestamp};
use sha2::{Digest as _, Sha512};

use super::armor::{self, Kind};
use super::detached::push_mpi;
use super::key_packet::read_secret_primary;
use super::packet;
use super::*;
use gpg::Gpg;

const CONTENT: &[u8] = b"{\"execution\":\"one\",\"output\":\"exact bytes\"}\n";
const NAME: &str = "Signer <signer@example.org>";

/// An armored private key without expiry, made in 2023 and once a run: for tests whose clock
/// stands still.
pub(crate) fn lasting_key() -> &'static str {
    static KEY: LazyLock<String> = LazyLock::new(|| key_of_2023(NAME, "never"));
    &KEY
}

/// Somebody else's.
pub(crate) fn another_lasting_key() -> &'static str {
    static KEY: LazyLock<String> =
        LazyLock::new(|| key_of_2023("Other <other@example.org>", "never"));
    &KEY
}

/// An armored private key made on 14 November 2023, with an expiry as gpg takes it.
pub(crate) fn key_of_2023(name: &str, expiry: &str) -> String {
    let gpg = Gpg::new();
    let options = ["--passphrase", "", "--faked-system-time", "1700000000"];
    let fingerprint = gpg.make_key_with(&options, name, "ed25519", "sign", expiry);
    gpg.export_secret(&fingerprint)
}

/// An armored public key that nothing here signs with.
pub(crate) fn another_key() -> String {
    let gpg = Gpg::new();
    let fingerprint = gpg.make_key("Other <other@example.org>", "ed25519", "sign", "never");
    gpg.export(&fingerprint)
}

fn now() -> u64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs()
}

fn signature_bytes(text: &str) -> Vec<u8> {
    armor::decode_strict(text, Kind::Signature).unwrap()
}

fn armored(bytes: &[u8]) -> String {
    armor::encode(Kind::Signature, bytes)
}

fn reason(content: &[u8], signature: &str, key: &PublicKey) -> Reason {
    let verdict = verify(content, signature, key, now());
    assert_eq!(verdict.valid, verdict.reason == Reason::Valid);
    assert_eq!(verdict.sentence, verdict.reason.sentence());
    verdict.reason
}

/// A fresh `gpg` home with one Ed25519 signing key, and that key as both halves.
struct Signer {
    gpg: Gpg,
    fingerprint: String,
    secret: SigningKey,
    public: PublicKey,
    packet: SecretKey,
}

impl Signer {
    fn new() -> Self {
        let gpg = Gpg::new();
        let fingerprint = gpg.make_key(NAME, "ed25519", "sign", "1y");
        let secret_text = gpg.export_secret(&fingerprint);
        let bytes = armor::decode_key(&secret_text, Kind::PrivateKey).unwrap();
        let (first, _) = packet::take(&bytes).unwrap();
        Self {
            secret: SigningKey::from_armor(&secret_text, None).unwrap(),
            public: PublicKey::from_armor(&gpg.export(&fingerprint)).unwrap(),
            packet: read_secret_primary(first.body).unwrap(),
            fingerprint,
            gpg,
        }
    }

    /// A signature packet of any shape: the standard one, changed by `change`.
    fn craft(&self, content: &[u8], change: impl FnOnce(&mut SignatureConfig)) -> Vec<u8> {
        let created = u32::try_from(now()).unwrap();
        let mut config = SignatureConfig::v4(
            SignatureType::Binary,
            PublicKeyAlgorithm::EdDSALegacy,
            HashAlgorithm::Sha512,
        );
        config.hashed_subpackets = vec![
            regular(SubpacketData::IssuerFingerprint(self.packet.fingerprint())),
            regular(SubpacketData::SignatureCreationTime(Timestamp::from_secs(
                created,
            ))),
        ];
        config.unhashed_subpackets = vec![regular(SubpacketData::IssuerKeyId(
            self.packet.legacy_key_id(),
        ))];
        change(&mut config);
        let signature = config
            .sign(&self.packet, &Password::empty(), content)
            .unwrap();
        let mut bytes = Vec::new();
        signature.to_writer_with_header(&mut bytes).unwrap();
        bytes
    }
}

impl Signer {
    /// A signature made without rPGP, over subpackets and of types that it refuses to sign.
    fn craft_raw(&self, content: &[u8], kind: u8, extra_subpackets: &[u8]) -> Vec<u8> {
        let SecretParams::Plain(PlainSecretParams::EdDSALegacy(Seed::Ed25519(seed))) =
            self.packet.secret_params()
        else {
            panic!("an unprotected Ed25519 key");
        };
        let created = u32::try_from(now()).unwrap().to_be_bytes();
        let fingerprint = self.packet.fingerprint();
        let mut area = [&[22, 33, 4][..], fingerprint.as_bytes(), &[5, 2], &created].concat();
        area.extend_from_slice(extra_subpackets);
        let mut body = vec![4, kind, 22, 10];
        body.extend(u16::try_from(area.len()).unwrap().to_be_bytes());
        body.extend(area);
        let length = u32::try_from(body.len()).unwrap().to_be_bytes();
        let digest = Sha512::digest([content, &body, &[4, 0xFF], &length].concat());
        let key = ed25519_dalek::SigningKey::from_bytes(seed.as_bytes());
        let signature = key.sign(&digest).to_bytes();
        body.extend([0, 10, 9, 16]);
        body.extend_from_slice(&fingerprint.as_bytes()[12..]);
        body.extend_from_slice(&digest[..2]);
        push_mpi(&mut body, &signature[..32]);
        push_mpi(&mut body, &signature[32..]);
        packet::frame_legacy(packet::tag::SIGNATURE, &body)
    }
}

fn regular(data: SubpacketData) -> Subpacket {
    Subpacket::regular(data).unwrap()
}

/// What `gpg` lists after it has taken in a file of keys.
pub(crate) fn imported(file: &[u8]) -> String {
    let gpg = Gpg::new();
    gpg.run(&["--batch", "--import"], file);
    gpg.run(&["--batch", "--with-colons", "--list-keys"], b"")
}

/// A primary key that certifies and a subkey that signs, both made in 2023.
pub(crate) fn key_with_signing_subkey() -> String {
    let gpg = Gpg::new();
    let at = ["--passphrase", "", "--faked-system-time", "1700000000"];
    let fingerprint = gpg.make_key_with(
        &at,
        "Sub <sub@example.org>",
        "ed25519",
        "cert,sign",
        "never",
    );
    let add = ["--quick-add-key", &fingerprint, "ed25519", "sign", "never"];
    gpg.run(&[&["--batch"], &at[..], &add[..]].concat(), b"");
    gpg.export_secret(&fingerprint)
}
