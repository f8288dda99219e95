//! The detached signature packet, accepted in one encoding only (RFC 9580 §5.2.3).

use sha2::{Sha256, Sha384, Sha512};

use super::packet::{self, tag};
use super::verdict::Reason;
use super::{Fingerprint, key_id_of};

const VERSION: u8 = 4;
const TYPE_BINARY: u8 = 0;
const ALGORITHM_EDDSA_LEGACY: u8 = 22;
const MAX_HASHED_BYTES: usize = 2048;

/// Subpacket types of RFC 9580 §5.2.3.7 that a data signature may carry.
mod sub {
    pub(super) const CREATED: u8 = 2;
    pub(super) const EXPIRES: u8 = 3;
    pub(super) const ISSUER_KEY_ID: u8 = 16;
    pub(super) const NOTATION: u8 = 20;
    pub(super) const KEY_SERVER: u8 = 24;
    pub(super) const POLICY: u8 = 26;
    pub(super) const SIGNER_USER_ID: u8 = 28;
    pub(super) const ISSUER_FINGERPRINT: u8 = 33;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hash {
    Sha256 = 8,
    Sha384 = 9,
    Sha512 = 10,
}

/// A parsed signature; every field but the two last is covered by the signature itself.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Detached {
    hash: Hash,
    hashed_area: Vec<u8>,
    pub(super) issuer: Fingerprint,
    /// Seconds since 1970.
    pub(super) created: u32,
    /// Seconds since 1970; `None` for never.
    pub(super) expires_at: Option<u64>,
    digest_prefix: [u8; 2],
    /// R and S, 32 octets each, little endian.
    pub(super) signature: [u8; 64],
}

impl Detached {
    /// Reads exactly one packet and refuses it unless writing it again gives the same bytes.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Reason> {
        let (packet, rest) = packet::take(bytes).ok_or(Reason::MalformedSignature)?;
        if packet.tag != tag::SIGNATURE {
            return Err(Reason::NotASignature);
        }
        if !rest.is_empty() {
            return Err(Reason::SeveralPackets);
        }
        let (parsed, issuer_is_hashed) = parse_body(packet.body)?;
        let body = parsed.encode_body(issuer_is_hashed);
        let canonical = [
            packet::frame(tag::SIGNATURE, &body),
            packet::frame_legacy(tag::SIGNATURE, &body),
        ];
        if canonical.iter().any(|form| form == bytes) {
            Ok(parsed)
        } else {
            Err(Reason::NotCanonical)
        }
    }

    /// The digest that Ed25519 signs: content, hashed fields, trailer (RFC 9580 §5.2.4).
    /// `None` when the two octets quoted in the packet are not its first.
    pub(super) fn digest(&self, content: &[u8]) -> Option<Vec<u8>> {
        let fields = self.hashed_fields();
        let length = u32::try_from(fields.len()).ok()?;
        let trailer = [&[VERSION, 0xFF][..], &length.to_be_bytes()].concat();
        let parts = [content, &fields, &trailer];
        let digest = match self.hash {
            Hash::Sha256 => digest_of::<Sha256>(&parts),
            Hash::Sha384 => digest_of::<Sha384>(&parts),
            Hash::Sha512 => digest_of::<Sha512>(&parts),
        };
        digest.starts_with(&self.digest_prefix).then_some(digest)
    }

    fn hashed_fields(&self) -> Vec<u8> {
        let mut out = vec![
            VERSION,
            TYPE_BINARY,
            ALGORITHM_EDDSA_LEGACY,
            self.hash as u8,
        ];
        push_area(&mut out, &self.hashed_area);
        out
    }

    fn encode_body(&self, issuer_is_hashed: bool) -> Vec<u8> {
        let mut out = self.hashed_fields();
        let mut unhashed = Vec::new();
        if !issuer_is_hashed {
            unhashed.extend([9, sub::ISSUER_KEY_ID]);
            unhashed.extend_from_slice(key_id_of(&self.issuer));
        }
        push_area(&mut out, &unhashed);
        out.extend(self.digest_prefix);
        let (r, s) = self.signature.split_at(32);
        push_mpi(&mut out, r);
        push_mpi(&mut out, s);
        out
    }
}

fn digest_of<D: sha2::Digest>(parts: &[&[u8]]) -> Vec<u8> {
    let mut hasher = D::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().to_vec()
}

fn push_area(out: &mut Vec<u8>, area: &[u8]) {
    // Areas read are bounded far below 65,536; a longer one would fail the comparison.
    out.extend(u16::try_from(area.len()).unwrap_or(u16::MAX).to_be_bytes());
    out.extend_from_slice(area);
}

/// Writes a multiprecision integer: bit count, then octets without leading zeros.
pub(super) fn push_mpi(out: &mut Vec<u8>, value: &[u8]) {
    let start = value
        .iter()
        .position(|byte| *byte != 0)
        .unwrap_or(value.len());
    let digits = value.get(start..).unwrap_or_default();
    let spare = digits.first().map_or(0, |byte| byte.leading_zeros());
    let bits = u32::try_from(digits.len() * 8).unwrap_or(u32::MAX) - spare;
    out.extend(u16::try_from(bits).unwrap_or(u16::MAX).to_be_bytes());
    out.extend_from_slice(digits);
}

fn parse_body(body: &[u8]) -> Result<(Detached, bool), Reason> {
    let [version, rest @ ..] = body else {
        return Err(Reason::MalformedSignature);
    };
    if *version != VERSION {
        return Err(Reason::UnsupportedVersion);
    }
    let [kind, algorithm, hash, rest @ ..] = rest else {
        return Err(Reason::MalformedSignature);
    };
    if *kind != TYPE_BINARY {
        return Err(Reason::UnsupportedType);
    }
    if *algorithm != ALGORITHM_EDDSA_LEGACY {
        return Err(Reason::UnsupportedAlgorithm);
    }
    let hash = match hash {
        8 => Hash::Sha256,
        9 => Hash::Sha384,
        10 => Hash::Sha512,
        _ => return Err(Reason::UnsupportedHash),
    };
    let (hashed_area, rest) = take_area(rest).ok_or(Reason::MalformedSignature)?;
    // The unhashed area is written again from the issuer, and so compared whole.
    let (_, rest) = take_area(rest).ok_or(Reason::MalformedSignature)?;
    let (digest_prefix, signature) = take_signature(rest).ok_or(Reason::MalformedSignature)?;
    let fields = HashedFields::parse(hashed_area)?;
    let issuer = fields.issuer.ok_or(Reason::NoIssuer)?;
    if fields
        .issuer_key_id
        .is_some_and(|id| id != key_id_of(&issuer))
    {
        return Err(Reason::IssuerMismatch);
    }
    let created = fields.created.ok_or(Reason::MalformedSignature)?;
    let parsed = Detached {
        hash,
        hashed_area: hashed_area.to_vec(),
        issuer,
        created,
        expires_at: fields
            .expires_after
            .filter(|seconds| *seconds != 0)
            .map(|seconds| u64::from(created) + u64::from(seconds)),
        digest_prefix,
        signature,
    };
    Ok((parsed, fields.issuer_key_id.is_some()))
}

fn take_area(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<2>()?;
    let length = usize::from(u16::from_be_bytes(*length));
    (length <= MAX_HASHED_BYTES)
        .then(|| rest.split_at_checked(length))
        .flatten()
}

fn take_signature(bytes: &[u8]) -> Option<([u8; 2], [u8; 64])> {
    let (prefix, rest) = bytes.split_first_chunk::<2>()?;
    let (r, rest) = take_mpi(rest)?;
    let (s, rest) = take_mpi(rest)?;
    let joined: [u8; 64] = [r, s].concat().try_into().ok()?;
    rest.is_empty().then_some((*prefix, joined))
}

/// Reads an integer of at most 256 bits into 32 octets.
fn take_mpi(bytes: &[u8]) -> Option<([u8; 32], &[u8])> {
    let (bits, rest) = bytes.split_first_chunk::<2>()?;
    let length = usize::from(u16::from_be_bytes(*bits)).div_ceil(8);
    let (digits, rest) = rest.split_at_checked(length)?;
    let mut value = [0; 32];
    let start = value.len().checked_sub(length)?;
    value.get_mut(start..)?.copy_from_slice(digits);
    Some((value, rest))
}

#[derive(Default)]
struct HashedFields<'a> {
    created: Option<u32>,
    expires_after: Option<u32>,
    issuer: Option<Fingerprint>,
    issuer_key_id: Option<&'a [u8]>,
}

impl<'a> HashedFields<'a> {
    fn parse(area: &'a [u8]) -> Result<Self, Reason> {
        let mut fields = Self::default();
        let mut rest = area;
        while !rest.is_empty() {
            let (length, tail) = packet::new_length(rest).ok_or(Reason::MalformedSignature)?;
            let (subpacket, tail) = tail
                .split_at_checked(length)
                .ok_or(Reason::MalformedSignature)?;
            let (kind, data) = subpacket.split_first().ok_or(Reason::MalformedSignature)?;
            fields.read(kind & 0x7F, kind & 0x80 != 0, data)?;
            rest = tail;
        }
        Ok(fields)
    }

    fn read(&mut self, kind: u8, critical: bool, data: &'a [u8]) -> Result<(), Reason> {
        match kind {
            sub::CREATED => once(&mut self.created, seconds(data)),
            sub::EXPIRES => once(&mut self.expires_after, seconds(data)),
            sub::ISSUER_FINGERPRINT => once(&mut self.issuer, fingerprint(data)),
            sub::ISSUER_KEY_ID => once(&mut self.issuer_key_id, (data.len() == 8).then_some(data)),
            // What is cut, or no URI, makes other programs refuse the whole signature.
            sub::NOTATION if !critical => well_formed(is_notation(data)),
            sub::KEY_SERVER | sub::POLICY if !critical => well_formed(data.is_ascii()),
            sub::SIGNER_USER_ID if !critical => Ok(()),
            _ => Err(Reason::UnsupportedSubpacket),
        }
    }
}

fn well_formed(holds: bool) -> Result<(), Reason> {
    holds.then_some(()).ok_or(Reason::MalformedSignature)
}

/// Four octets of flags, of which one bit has a meaning, two lengths, name and value (RFC 9580
/// §5.2.3.24).
fn is_notation(data: &[u8]) -> bool {
    match data {
        [0 | 0x80, 0, 0, 0, n1, n2, v1, v2, texts @ ..] => {
            let [name, value] = [[*n1, *n2], [*v1, *v2]].map(u16::from_be_bytes);
            texts.len() == usize::from(name) + usize::from(value)
        }
        _ => false,
    }
}

fn once<T>(slot: &mut Option<T>, value: Option<T>) -> Result<(), Reason> {
    if slot.is_some() || value.is_none() {
        return Err(Reason::MalformedSignature);
    }
    *slot = value;
    Ok(())
}

fn seconds(data: &[u8]) -> Option<u32> {
    data.try_into().ok().map(u32::from_be_bytes)
}

fn fingerprint(data: &[u8]) -> Option<Fingerprint> {
    match data {
        [VERSION, rest @ ..] => rest.try_into().ok(),
        _ => None,
    }
}
