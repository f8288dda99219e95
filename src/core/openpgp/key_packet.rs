//! Single packets of a key, read with rPGP and held to what this module accepts.

use ed25519_dalek::VerifyingKey;
use pgp::packet::{PacketHeader, PublicKey, PublicSubkey, SecretKey, SecretSubkey, Signature};
use pgp::ser::Serialize;
use pgp::types::{EddsaLegacyPublicParams, KeyDetails, PublicParams, Tag};

use super::Fingerprint;
use super::error::KeyError;

const VERSION: u8 = 4;
const ALGORITHM_EDDSA_LEGACY: u8 = 22;
const TYPE_KEY_REVOCATION: u8 = 0x20;

const DAMAGED_KEY: KeyError = KeyError::Malformed("a key packet");

pub(super) fn read_primary(body: &[u8]) -> Result<PublicKey, KeyError> {
    check_kind(body)?;
    let mut rest = body;
    let key = PublicKey::try_from_reader(header(Tag::PublicKey, body)?, &mut rest)
        .map_err(|_| DAMAGED_KEY)?;
    check_round_trip(&key, body)?;
    Ok(key)
}

/// `None` for a subkey of another kind, such as one for encryption.
pub(super) fn read_subkey(body: &[u8]) -> Result<Option<PublicSubkey>, KeyError> {
    if check_kind(body).is_err() {
        return Ok(None);
    }
    let mut rest = body;
    let key = PublicSubkey::try_from_reader(header(Tag::PublicSubkey, body)?, &mut rest)
        .map_err(|_| DAMAGED_KEY)?;
    check_round_trip(&key, body)?;
    Ok(Some(key))
}

pub(super) fn read_secret_primary(body: &[u8]) -> Result<SecretKey, KeyError> {
    check_kind(body)?;
    SecretKey::try_from_reader(header(Tag::SecretKey, body)?, body).map_err(|_| DAMAGED_KEY)
}

/// `None` for a subkey of another kind, such as one for encryption.
pub(super) fn read_secret_subkey(body: &[u8]) -> Result<Option<SecretSubkey>, KeyError> {
    if check_kind(body).is_err() {
        return Ok(None);
    }
    SecretSubkey::try_from_reader(header(Tag::SecretSubkey, body)?, body)
        .map(Some)
        .map_err(|_| DAMAGED_KEY)
}

pub(super) fn read_signature(body: &[u8]) -> Result<Signature, KeyError> {
    let damaged = KeyError::Malformed("a signature packet");
    let mut rest = body;
    let signature = Signature::try_from_reader(header(Tag::Signature, body)?, &mut rest)
        .map_err(|_| damaged.clone())?;
    if rest.is_empty() {
        Ok(signature)
    } else {
        Err(damaged)
    }
}

/// Whether a signature packet of any version has the type of a key revocation.
pub(super) fn claims_key_revocation(body: &[u8]) -> bool {
    match body {
        [2 | 3, _, kind, ..] | [_, kind, ..] => *kind == TYPE_KEY_REVOCATION,
        _ => false,
    }
}

pub(super) fn fingerprint_of(key: &impl KeyDetails) -> Result<Fingerprint, KeyError> {
    key.fingerprint()
        .as_bytes()
        .try_into()
        .map_err(|_| DAMAGED_KEY)
}

pub(super) fn point_of(key: &impl KeyDetails) -> Result<VerifyingKey, KeyError> {
    let PublicParams::EdDSALegacy(EddsaLegacyPublicParams::Ed25519 { key }) = key.public_params()
    else {
        return Err(KeyError::Algorithm("EdDSA on another curve".into()));
    };
    if key.is_weak() {
        return Err(KeyError::WeakKey);
    }
    Ok(*key)
}

/// The public body of any key packet.
pub(super) fn public_body(key: &impl Serialize) -> Result<Vec<u8>, KeyError> {
    let mut out = Vec::new();
    key.to_writer(&mut out).map_err(|_| DAMAGED_KEY)?;
    Ok(out)
}

fn header(tag: Tag, body: &[u8]) -> Result<PacketHeader, KeyError> {
    let length = u32::try_from(body.len()).map_err(|_| DAMAGED_KEY)?;
    Ok(PacketHeader::new_fixed(tag, length))
}

fn check_kind(body: &[u8]) -> Result<(), KeyError> {
    match body {
        [VERSION, _, _, _, _, ALGORITHM_EDDSA_LEGACY, ..] => Ok(()),
        [VERSION, _, _, _, _, other, ..] => Err(KeyError::Algorithm(algorithm_name(*other))),
        [version, ..] if *version != VERSION => Err(KeyError::Version(*version)),
        _ => Err(DAMAGED_KEY),
    }
}

/// The fingerprint must be that of the bytes given, not of bytes merely read alike.
fn check_round_trip(key: &impl Serialize, body: &[u8]) -> Result<(), KeyError> {
    if public_body(key)? == body {
        Ok(())
    } else {
        Err(DAMAGED_KEY)
    }
}

/// Names of RFC 9580 §9.1.
fn algorithm_name(id: u8) -> String {
    match id {
        1..=3 => "RSA".into(),
        16 | 20 => "Elgamal".into(),
        17 => "DSA".into(),
        18 => "ECDH".into(),
        19 => "ECDSA".into(),
        27 => "Ed25519 in its newer form (27), which GnuPG 2.2 cannot read".into(),
        28 => "Ed448".into(),
        other => format!("number {other}"),
    }
}
