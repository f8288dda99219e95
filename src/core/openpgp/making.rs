//! New keys: version 4, Ed25519 (EdDSA legacy), one user id, no expiry, no subkeys. Their life
//! is told by rotation and revocation.

use ed25519_dalek::SigningKey as Seed;
use pgp::packet::{KeyFlags, PacketTrait, SecretKey, SignatureType, SubpacketData};
use pgp::types::{Password, Tag};
use zeroize::Zeroizing;

use super::armor::{self, Kind};
use super::detached::push_mpi;
use super::error::SignError;
use super::key_packet::read_secret_primary;
use super::packet::{self, tag};
use super::self_signature::RawId;
use super::signing::{config, regular};
use crate::ports::Entropy;

/// Version 4, then four octets of time, then the algorithm and the curve's object identifier
/// with its length (RFC 9580 §5.5.5.5, §9.2).
const ALGORITHM_AND_CURVE: [u8; 11] = [22, 9, 0x2B, 6, 1, 4, 1, 0xDA, 0x47, 0x0F, 1];
/// Marks a point in its native form (RFC 9580 §11.2).
const NATIVE: u8 = 0x40;
const UNPROTECTED: u8 = 0;

/// An armored private key block with `user_id`, made at `created_at_secs`. Reads back with
/// [`super::SigningKey::from_armor`].
pub fn make_key(
    user_id: &str,
    created_at_secs: u64,
    entropy: &dyn Entropy,
) -> Result<Zeroizing<String>, SignError> {
    let created = u32::try_from(created_at_secs).map_err(|_| SignError::Time)?;
    let mut seed = Zeroizing::new([0; 32]);
    let filled = entropy.fill(&mut *seed);
    filled.map_err(|_| SignError::Failed("the platform gave no random bytes"))?;
    let body = secret_body(&seed, created);
    let unread = |_| SignError::Failed("the key just made cannot be read");
    let key = read_secret_primary(&body).map_err(unread)?;
    let mut block = Zeroizing::new(packet::frame(tag::SECRET_KEY, &body));
    block.extend(packet::frame(tag::USER_ID, user_id.as_bytes()));
    block.extend(certified(&key, user_id, created)?);
    Ok(Zeroizing::new(armor::encode(Kind::PrivateKey, &block)))
}

fn secret_body(seed: &[u8; 32], created: u32) -> Zeroizing<Vec<u8>> {
    let point = Seed::from_bytes(seed).verifying_key().to_bytes();
    let mut body = Zeroizing::new(vec![4]);
    body.extend(created.to_be_bytes());
    body.extend(ALGORITHM_AND_CURVE);
    push_mpi(&mut body, &[&[NATIVE][..], &point].concat());
    body.push(UNPROTECTED);
    let mut secret = Zeroizing::new(Vec::new());
    push_mpi(&mut secret, seed);
    let sum = secret
        .iter()
        .fold(0_u16, |sum, byte| sum.wrapping_add(u16::from(*byte)));
    body.extend_from_slice(&secret);
    body.extend(sum.to_be_bytes());
    body
}

/// The self-signature that binds the user id and says what the key is for.
fn certified(key: &SecretKey, user_id: &str, created: u32) -> Result<Vec<u8>, SignError> {
    let failed = |_| SignError::Failed("the user id could not be certified");
    let mut flags = KeyFlags::default();
    flags.set_certify(true);
    flags.set_sign(true);
    let mut config = config(key, SignatureType::CertPositive, created).map_err(failed)?;
    let flags = regular(SubpacketData::KeyFlags(flags)).map_err(failed)?;
    config.hashed_subpackets.push(flags);
    let id = RawId(Tag::UserId, user_id.as_bytes());
    let public = key.public_key();
    let signature = config
        .sign_certification(key, public, &Password::empty(), Tag::UserId, &id)
        .map_err(failed)?;
    let mut bytes = Vec::new();
    signature
        .to_writer_with_header(&mut bytes)
        .map_err(failed)?;
    Ok(bytes)
}
