//! What a key says about itself, taken only from signatures that verify (RFC 9580 §5.2.3.10).
//!
//! Every signature that names the key as its issuer must verify, and every key revocation must,
//! whoever issued it: a statement that cannot be checked refuses the key rather than being
//! passed over.

use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{RevocationCode, Signature, SignatureType, SignatureVersion, SubpacketData};
use pgp::types::{KeyDetails, Tag};

use super::certificate::Revocation;
use super::error::KeyError;

pub(super) const ON_IDENTITY: &[SignatureType] = &[
    SignatureType::CertGeneric,
    SignatureType::CertPersona,
    SignatureType::CertCasual,
    SignatureType::CertPositive,
    SignatureType::CertRevocation,
];

pub(super) const ON_SUBKEY: &[SignatureType] = &[
    SignatureType::SubkeyBinding,
    SignatureType::SubkeyRevocation,
];

pub(super) const CERTIFICATIONS: &[SignatureType] = &[
    SignatureType::CertGeneric,
    SignatureType::CertPersona,
    SignatureType::CertCasual,
    SignatureType::CertPositive,
];

/// The terms of one self-signature. Times are seconds since 1970.
#[derive(Clone, Debug)]
pub(super) struct Terms {
    pub(super) created: u32,
    /// The earlier of the key's expiry and the self-signature's own.
    pub(super) expires_at: Option<u64>,
    /// The signing flag; `None` when the signature carries no flags.
    pub(super) may_sign: Option<bool>,
    pub(super) is_primary_id: bool,
}

impl Terms {
    fn read(signature: &Signature, key_created: u32) -> Option<Self> {
        let created = signature.created()?.as_secs();
        let key_expiry = after(key_created, signature.key_expiration_time());
        let own_expiry = after(created, signature.signature_expiration_time());
        let has_flags = has(signature, |data| matches!(data, SubpacketData::KeyFlags(_)));
        Some(Self {
            created,
            expires_at: earliest([key_expiry, own_expiry]),
            may_sign: has_flags.then(|| signature.key_flags().sign()),
            is_primary_id: signature.is_primary(),
        })
    }
}

pub(super) fn earliest(times: impl IntoIterator<Item = Option<u64>>) -> Option<u64> {
    times.into_iter().flatten().min()
}

fn after(start: u32, duration: Option<pgp::types::Duration>) -> Option<u64> {
    let seconds = duration?.as_secs();
    (seconds != 0).then(|| u64::from(start) + u64::from(seconds))
}

/// The newest signature of the given types that `issuer` made, with its terms for `subject`.
pub(super) fn newest<'a>(
    signatures: &'a [Signature],
    types: &[SignatureType],
    issuer: &impl KeyDetails,
    subject: &impl KeyDetails,
    verifies: impl Fn(&Signature) -> bool,
) -> Result<Option<(&'a Signature, Terms)>, KeyError> {
    let mut newest: Option<&Signature> = None;
    for signature in verified(signatures, types, issuer, verifies)? {
        if newest.is_none_or(|held| held.created() <= signature.created()) {
            newest = Some(signature);
        }
    }
    let Some(signature) = newest else {
        return Ok(None);
    };
    let terms = Terms::read(signature, subject.created_at().as_secs());
    match terms {
        Some(terms) if is_sound(signature) => Ok(Some((signature, terms))),
        _ => Err(KeyError::SelfSignature(
            "its newest self-signature is not acceptable",
        )),
    }
}

/// Refuses a signature by `issuer` of a type that has no place among these: a revocation with a
/// damaged type must not be passed over.
pub(super) fn only_types(
    signatures: &[Signature],
    types: &[SignatureType],
    issuer: &impl KeyDetails,
) -> Result<(), KeyError> {
    let misplaced =
        |s: &Signature| names(s, issuer) && !s.typ().is_some_and(|typ| types.contains(&typ));
    if signatures.iter().any(misplaced) {
        return Err(KeyError::SelfSignature("its type has no place there"));
    }
    Ok(())
}

/// All signatures of the given types that name `issuer`; an error if one does not verify.
pub(super) fn verified<'a>(
    signatures: &'a [Signature],
    types: &[SignatureType],
    issuer: &impl KeyDetails,
    verifies: impl Fn(&Signature) -> bool,
) -> Result<Vec<&'a Signature>, KeyError> {
    let mut found = Vec::new();
    for signature in signatures {
        if !signature.typ().is_some_and(|typ| types.contains(&typ)) || !names(signature, issuer) {
            continue;
        }
        if !verifies(signature) {
            return Err(KeyError::SelfSignature("it does not fit the key"));
        }
        found.push(signature);
    }
    Ok(found)
}

/// Combines revocations, each of which must verify. One hard reason outweighs all soft ones.
pub(super) fn revocation(
    signatures: &[&Signature],
    verifies: impl Fn(&Signature) -> bool,
) -> Result<Option<Revocation>, KeyError> {
    let mut worst = None;
    for signature in signatures {
        if !verifies(signature) {
            return Err(KeyError::SelfSignature("a revocation does not fit the key"));
        }
        worst = worst.max(Some(reason(signature)));
    }
    Ok(worst)
}

/// No reason, an unknown one and several at once all count as hard.
fn reason(signature: &Signature) -> Revocation {
    let Some(config) = signature.config() else {
        return Revocation::Hard;
    };
    let mut codes = config
        .hashed_subpackets()
        .filter_map(|sub| match &sub.data {
            SubpacketData::RevocationReason(code, _) => Some(*code),
            _ => None,
        });
    match (codes.next(), codes.next()) {
        (Some(RevocationCode::KeySuperseded), None) => Revocation::Superseded,
        (Some(RevocationCode::KeyRetired), None) => Revocation::Retired,
        _ => Revocation::Hard,
    }
}

/// Whether the signature claims `key` as its issuer. One that names nobody counts as claiming.
fn names(signature: &Signature, key: &impl KeyDetails) -> bool {
    let ids = signature.issuer_key_id();
    let fingerprints = signature.issuer_fingerprint();
    (ids.is_empty() && fingerprints.is_empty())
        || ids.contains(&&key.legacy_key_id())
        || fingerprints.contains(&&key.fingerprint())
}

/// Version 4, SHA-2, a creation time, nothing critical that is unknown, nothing said twice.
pub(super) fn is_sound(signature: &Signature) -> bool {
    let Some(config) = signature.config() else {
        return false;
    };
    let strong = matches!(
        config.hash_alg,
        HashAlgorithm::Sha256 | HashAlgorithm::Sha384 | HashAlgorithm::Sha512
    );
    let understood = config.hashed_subpackets().all(|sub| {
        let unknown = matches!(
            sub.data,
            SubpacketData::Other(..) | SubpacketData::Experimental(..) | SubpacketData::Notation(_)
        );
        !(sub.is_critical && unknown)
    });
    config.version() == SignatureVersion::V4
        && strong
        && understood
        && config.created().is_some()
        && !repeats_itself(signature)
}

fn repeats_itself(signature: &Signature) -> bool {
    let single: [fn(&SubpacketData) -> bool; 4] = [
        |data| matches!(data, SubpacketData::SignatureCreationTime(_)),
        |data| matches!(data, SubpacketData::SignatureExpirationTime(_)),
        |data| matches!(data, SubpacketData::KeyExpirationTime(_)),
        |data| matches!(data, SubpacketData::KeyFlags(_)),
    ];
    single.iter().any(|is_it| count(signature, is_it) > 1)
}

fn has(signature: &Signature, is_it: impl Fn(&SubpacketData) -> bool) -> bool {
    count(signature, is_it) > 0
}

fn count(signature: &Signature, is_it: impl Fn(&SubpacketData) -> bool) -> usize {
    signature.config().map_or(0, |config| {
        config
            .hashed_subpackets()
            .filter(|sub| is_it(&sub.data))
            .count()
    })
}

/// The body of a user id or attribute, hashed as it stands.
#[derive(Debug)]
pub(super) struct RawId<'a>(pub(super) Tag, pub(super) &'a [u8]);

impl pgp::ser::Serialize for RawId<'_> {
    fn to_writer<W: std::io::Write>(&self, writer: &mut W) -> pgp::errors::Result<()> {
        writer.write_all(self.1)?;
        Ok(())
    }

    fn write_len(&self) -> usize {
        self.1.len()
    }
}
