//! Ed25519 keys of C2SP signed-note, in their text forms.
//!
//! - verifier key: `<name>+<key id, 8 hex>+<base64(0x01 ‖ public key)>`
//! - signer key: `PRIVATE+KEY+<name>+<key id, 8 hex>+<base64(0x01 ‖ seed)>`
//!
//! Key id = first four bytes of SHA-256(name ‖ 0x0A ‖ 0x01 ‖ public key).

use std::fmt;
use std::str::FromStr;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};

use super::hash::Hash;

/// Signature type byte of Ed25519 notes, the only type supported.
const ED25519: u8 = 0x01;
pub(crate) const SECRET_PREFIX: &str = "PRIVATE+KEY+";
/// Longest key name in bytes.
pub const MAX_KEY_NAME_BYTES: usize = 256;
/// Longest key text in bytes: room for the name and the rest.
const MAX_KEY_TEXT_BYTES: usize = MAX_KEY_NAME_BYTES + 128;

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error(
        "a key name is 1 to {MAX_KEY_NAME_BYTES} bytes without spaces, plus signs or control characters"
    )]
    Name,
    #[error("a verifier key reads name+keyid+base64")]
    VerifierForm,
    #[error("a signer key reads PRIVATE+KEY+name+keyid+base64")]
    SignerForm,
    #[error("the key's type is not the one wanted here: 0x01 for a log, 0x04 for a witness")]
    UnsupportedType,
    #[error("the public key is not a usable Ed25519 point")]
    BadPoint,
    #[error("the key id does not belong to this name and key: the text was altered or cut")]
    WrongId,
}

/// Checks a key name: C2SP's rules plus a length limit.
///
/// # Errors
/// Empty, too long, or containing Unicode space, `+` or a control character.
pub fn check_key_name(name: &str) -> Result<(), KeyError> {
    let bad = |c: char| c.is_whitespace() || c.is_control() || c == '+';
    if name.is_empty() || name.len() > MAX_KEY_NAME_BYTES || name.contains(bad) {
        return Err(KeyError::Name);
    }
    Ok(())
}

/// A public key trusted for one name.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    id: u32,
    point: VerifyingKey,
}

impl VerifierKey {
    /// # Errors
    /// A bad name, or bytes that are no usable public key (low-order points
    /// verify too much and are refused).
    pub fn new(name: &str, public_key: &[u8; 32]) -> Result<Self, KeyError> {
        check_key_name(name)?;
        let point = VerifyingKey::from_bytes(public_key).map_err(|_| KeyError::BadPoint)?;
        if point.is_weak() {
            return Err(KeyError::BadPoint);
        }
        Ok(Self::from_point(name, point))
    }

    fn from_point(name: &str, point: VerifyingKey) -> Self {
        Self {
            name: name.to_owned(),
            id: key_id(name, ED25519, point.as_bytes()),
            point,
        }
    }

    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    #[must_use]
    pub const fn id(&self) -> u32 {
        self.id
    }

    /// Strict check: canonical signature, no low-order points.
    #[must_use]
    pub(super) fn accepts(&self, message: &[u8], signature: &[u8]) -> bool {
        Signature::from_slice(signature)
            .is_ok_and(|signature| self.point.verify_strict(message, &signature).is_ok())
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let material = typed_base64(ED25519, self.point.as_bytes());
        write!(f, "{}+{:08x}+{material}", self.name, self.id)
    }
}

impl fmt::Debug for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifierKey({self})")
    }
}

impl FromStr for VerifierKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let (name, id, material) = split_key(text).ok_or(KeyError::VerifierForm)?;
        let public_key = typed_bytes(material, ED25519, KeyError::VerifierForm)?;
        let key = Self::new(name, &public_key)?;
        check_id(key.id, id, KeyError::VerifierForm)?;
        Ok(key)
    }
}

/// A secret key with its name. Never printed by `Debug`; wiped when dropped.
#[derive(Clone)]
pub struct SignerKey {
    verifier: VerifierKey,
    secret: SigningKey,
}

impl SignerKey {
    /// The key of a 32-byte seed, which must come from a secure random source.
    ///
    /// # Errors
    /// A bad name.
    pub fn from_seed(name: &str, seed: &[u8; 32]) -> Result<Self, KeyError> {
        check_key_name(name)?;
        let secret = SigningKey::from_bytes(seed);
        let verifier = VerifierKey::from_point(name, secret.verifying_key());
        Ok(Self { verifier, secret })
    }

    /// Reads `PRIVATE+KEY+…`.
    ///
    /// # Errors
    /// Any deviation from the form, or a key id that does not match.
    pub fn from_secret_text(text: &str) -> Result<Self, KeyError> {
        let rest = text
            .strip_prefix(SECRET_PREFIX)
            .ok_or(KeyError::SignerForm)?;
        let (name, id, material) = split_key(rest).ok_or(KeyError::SignerForm)?;
        let seed = typed_bytes(material, ED25519, KeyError::SignerForm)?;
        let key = Self::from_seed(name, &seed)?;
        check_id(key.verifier.id, id, KeyError::SignerForm)?;
        Ok(key)
    }

    /// The secret in text, `PRIVATE+KEY+…`: for storing as a secret only.
    #[must_use]
    pub fn expose_secret_text(&self) -> String {
        let material = typed_base64(ED25519, self.secret.as_bytes());
        let VerifierKey { name, id, .. } = &self.verifier;
        format!("{SECRET_PREFIX}{name}+{id:08x}+{material}")
    }

    #[must_use]
    pub const fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    #[must_use]
    pub fn name(&self) -> &str {
        &self.verifier.name
    }

    #[must_use]
    pub(super) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.secret.sign(message).to_bytes().to_vec()
    }
}

impl fmt::Debug for SignerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SignerKey({}, secret hidden)", self.verifier)
    }
}

/// The recommended id of a key of signature type `kind`.
pub(crate) fn key_id(name: &str, kind: u8, public_key: &[u8]) -> u32 {
    let mut input = name.as_bytes().to_vec();
    input.extend([b'\n', kind]);
    input.extend(public_key);
    let [a, b, c, d, ..] = *Hash::of(&input).as_bytes();
    u32::from_be_bytes([a, b, c, d])
}

/// Name, key id and key material of a key's text.
pub(crate) fn split_key(text: &str) -> Option<(&str, &str, &str)> {
    if text.len() > MAX_KEY_TEXT_BYTES {
        return None;
    }
    let mut parts = text.splitn(3, '+');
    Some((parts.next()?, parts.next()?, parts.next()?))
}

pub(crate) fn typed_base64(kind: u8, key: &[u8]) -> String {
    let mut bytes = vec![kind];
    bytes.extend(key);
    STANDARD.encode(bytes)
}

pub(crate) fn typed_bytes(material: &str, kind: u8, form: KeyError) -> Result<[u8; 32], KeyError> {
    let bytes = STANDARD.decode(material).map_err(|_| form)?;
    let (found, key) = bytes.split_first().ok_or(form)?;
    if *found != kind {
        return Err(KeyError::UnsupportedType);
    }
    key.try_into().map_err(|_| form)
}

pub(crate) fn check_id(expected: u32, text: &str, form: KeyError) -> Result<(), KeyError> {
    let digits = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if text.len() != 8 || !text.bytes().all(digits) {
        return Err(form);
    }
    if text != format!("{expected:08x}") {
        return Err(KeyError::WrongId);
    }
    Ok(())
}
