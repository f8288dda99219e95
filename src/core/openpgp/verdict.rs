//! The verdict on a detached signature, with a reason a program and a person can read.

use serde::{Deserialize, Serialize};

use super::armor::{self, ArmorError, Kind};
use super::certificate::{Component, PublicKey};
use super::detached::Detached;
use super::{CLOCK_SKEW_SECS, MAX_SIGNATURE_TEXT_BYTES, key_id_of, upper_hex};

/// Why a signature was accepted or refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reason {
    Valid,
    TooLarge,
    NotArmored,
    MalformedArmor,
    NotASignature,
    CleartextSigned,
    SeveralSignatures,
    SeveralPackets,
    MalformedSignature,
    NotCanonical,
    UnsupportedVersion,
    UnsupportedType,
    UnsupportedAlgorithm,
    UnsupportedHash,
    UnsupportedSubpacket,
    NoIssuer,
    IssuerMismatch,
    WrongKey,
    BadSignature,
    SignedInFuture,
    SignedBeforeKey,
    SignatureExpired,
    KeyNotYetValid,
    KeyExpired,
    KeyRevoked,
    KeySuperseded,
    KeyRetired,
    KeyCannotSign,
    /// Not of the signature itself: its key signs no more, and no log has the signature.
    NotLogged,
}

impl Reason {
    /// What it means and what to do about it.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Valid => "The signature is good: this key signed exactly these bytes.",
            Self::TooLarge => "The signature text is too long; give one armored Ed25519 signature.",
            Self::NotArmored => {
                "The text is no armored signature; give all of it, from '-----BEGIN PGP SIGNATURE-----' to the END line, and nothing else."
            }
            Self::MalformedArmor => {
                "The armor is damaged or has header lines, other text or uneven lines; give the signature exactly as it was issued."
            }
            Self::NotASignature => {
                "This is another kind of PGP data; give the detached signature (gpg --armor --detach-sign)."
            }
            Self::CleartextSigned => {
                "This is clear-signed text; sign the exact bytes apart instead (gpg --armor --detach-sign)."
            }
            Self::SeveralSignatures | Self::SeveralPackets => {
                "There is more than one signature; check each by itself."
            }
            Self::MalformedSignature => {
                "The signature is damaged; obtain it again from whoever issued it."
            }
            Self::NotCanonical => {
                "The signature's bytes were changed or written in an unusual form; obtain it again from whoever issued it."
            }
            Self::UnsupportedVersion => {
                "Only version 4 signatures are accepted; sign with a version 4 Ed25519 key."
            }
            Self::UnsupportedType => {
                "Only signatures over binary documents are accepted; sign with gpg --armor --detach-sign, without --textmode."
            }
            Self::UnsupportedAlgorithm => {
                "Only Ed25519 (EdDSA) signatures are accepted; sign with an Ed25519 key."
            }
            Self::UnsupportedHash => {
                "Only SHA-256, SHA-384 and SHA-512 are accepted; sign again with --digest-algo SHA512."
            }
            Self::UnsupportedSubpacket => {
                "The signature carries statements not understood here; sign again without extra notations or options."
            }
            Self::NoIssuer => {
                "The signature does not name its key by fingerprint; sign again with GnuPG 2.2 or later."
            }
            Self::IssuerMismatch => {
                "The signature names two different keys; obtain it again from whoever issued it."
            }
            Self::WrongKey => {
                "Another key made this signature; check it with the key whose fingerprint it names."
            }
            Self::BadSignature => {
                "The content or the signature was changed, or another key made it: do not rely on it."
            }
            Self::SignedInFuture => {
                "The signature's date lies in the future; check the clocks of signer and verifier."
            }
            Self::SignedBeforeKey => {
                "The signature is dated before its key was made: do not rely on it."
            }
            Self::SignatureExpired => "The signature has expired; ask for a new one.",
            Self::KeyNotYetValid => {
                "The key's own signature lies in the future; check this machine's clock."
            }
            Self::KeyExpired => {
                "The key has expired; obtain its renewed public key, or ask for a signature by a current key."
            }
            Self::KeyRevoked => {
                "The key was revoked as compromised or without a reason: rely on nothing it signed, and ask for a signature by a new key."
            }
            Self::KeySuperseded => {
                "The key was revoked because another replaced it; ask for a signature by the new key."
            }
            Self::KeyRetired => {
                "The key was revoked because it is no longer used; ask for a signature by a current key."
            }
            Self::KeyCannotSign => {
                "The key's owner has not allowed it to sign documents; use a key made for signing."
            }
            Self::NotLogged => {
                "The key signs no more, and the log does not prove that this was signed before its end: its date is the signer's own word."
            }
        }
    }
}

/// The outcome of [`verify`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    pub valid: bool,
    pub reason: Reason,
    pub sentence: String,
    /// Issuer as the signature states it, 40 upper-case hex digits. Proven only if `valid`.
    pub fingerprint: Option<String>,
    /// Key id of that issuer, 16 upper-case hex digits. Proven only if `valid`.
    pub key_id: Option<String>,
    /// Signing time as the signature states it, seconds since 1970. Proven only if `valid`.
    pub signed_at: Option<u64>,
}

impl Verdict {
    fn new(reason: Reason, signature: Option<&Detached>) -> Self {
        Self {
            valid: reason == Reason::Valid,
            reason,
            sentence: reason.sentence().into(),
            fingerprint: signature.map(|s| upper_hex(&s.issuer)),
            key_id: signature.map(|s| upper_hex(key_id_of(&s.issuer))),
            signed_at: signature.map(|s| u64::from(s.created)),
        }
    }
}

/// Checks an armored detached signature over exactly `content` at the time `now_secs`.
///
/// Anything but one canonical, unexpired signature by `key`, itself neither expired nor
/// revoked now, is refused. A revoked key is refused also for signatures that predate the
/// revocation: their date is the signer's own word.
pub fn verify(content: &[u8], signature_text: &str, key: &PublicKey, now_secs: u64) -> Verdict {
    verify_there(content, signature_text, key, now_secs, now_secs)
}

/// As [`verify`], of a signature that was there at `there_secs`, as is known by other means than
/// its own word: neither it nor its key may have expired by then; later they may.
pub fn verify_there(
    content: &[u8],
    signature_text: &str,
    key: &PublicKey,
    now_secs: u64,
    there_secs: u64,
) -> Verdict {
    match parse(signature_text) {
        Ok(signature) => {
            let reason = check(content, &signature, key, (now_secs, there_secs)).err();
            Verdict::new(reason.unwrap_or(Reason::Valid), Some(&signature))
        }
        Err(reason) => Verdict::new(reason, None),
    }
}

/// The fingerprint of the key that an armored signature names, 40 upper-case hex digits. Proves
/// nothing.
pub fn issuer(signature_text: &str) -> Option<String> {
    let signature = parse(signature_text).ok()?;
    Some(upper_hex(&signature.issuer))
}

fn parse(text: &str) -> Result<Detached, Reason> {
    if text.len() > MAX_SIGNATURE_TEXT_BYTES {
        return Err(Reason::TooLarge);
    }
    let bytes = armor::decode_strict(text, Kind::Signature).map_err(|error| match error {
        ArmorError::NotArmored => Reason::NotArmored,
        ArmorError::WrongKind(Kind::SignedMessage) => Reason::CleartextSigned,
        ArmorError::WrongKind(_) => Reason::NotASignature,
        ArmorError::SeveralBlocks => Reason::SeveralSignatures,
        ArmorError::Malformed(_) => Reason::MalformedArmor,
    })?;
    Detached::parse(&bytes)
}

fn check(
    content: &[u8],
    signature: &Detached,
    key: &PublicKey,
    (now_secs, there_secs): (u64, u64),
) -> Result<(), Reason> {
    let component = key.component(&signature.issuer).ok_or(Reason::WrongKey)?;
    let digest = signature.digest(content).ok_or(Reason::BadSignature)?;
    let raw = ed25519_dalek::Signature::from_bytes(&signature.signature);
    component
        .point
        .verify_strict(&digest, &raw)
        .map_err(|_| Reason::BadSignature)?;
    key.component_usable_at(component, now_secs, there_secs)?;
    check_times(signature, component, (now_secs, there_secs))
}

fn check_times(
    signature: &Detached,
    component: &Component,
    (now_secs, there_secs): (u64, u64),
) -> Result<(), Reason> {
    if signature.created < component.created {
        return Err(Reason::SignedBeforeKey);
    }
    if u64::from(signature.created) > now_secs.saturating_add(CLOCK_SKEW_SECS) {
        return Err(Reason::SignedInFuture);
    }
    if signature.expires_at.is_some_and(|at| at <= there_secs) {
        return Err(Reason::SignatureExpired);
    }
    Ok(())
}
