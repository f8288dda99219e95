//! Keys of C2SP signed-note, in their text forms.
//!
//! - verifier key: `<name>+<key id, 8 hex>+<base64(type ‖ public key)>`
//! - signer key: `PRIVATE+KEY+<name>+<key id, 8 hex>+<base64(type ‖ seed)>`
//!
//! Key id = first four bytes of SHA-256(name ‖ 0x0A ‖ type ‖ public key). A log's keys are of type
//! 0x01, Ed25519; those of witnesses are in [`crate::witness::keys`].

use std::fmt;
use std::str::FromStr;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

use super::ed25519::{Ed25519, Ed25519Secret};
use super::hash::Hash;

/// Signature type byte of Ed25519 notes.
const LOG: u8 = 0x01;
const SECRET_PREFIX: &str = "PRIVATE+KEY+";
/// Longest key name in bytes: what a cosignature's one byte of length can say.
pub const MAX_KEY_NAME_BYTES: usize = u8::MAX as usize;
/// Longest key text in bytes: room for the name, an ML-DSA-44 key and the rest.
const MAX_KEY_TEXT_BYTES: usize = MAX_KEY_NAME_BYTES + 2048;
/// Every secret is made of so many random bytes.
pub const SEED_BYTES: usize = 32;

/// A public key trusted for one log.
pub type VerifierKey = NamedKey<Ed25519<LOG>>;
/// The secret key of a log.
pub type SignerKey = NamedSecret<Ed25519Secret<LOG>>;

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
    #[error(
        "the key's type is not the one wanted here: 0x01 for a log, 0x04 (Ed25519) or 0x06 (ML-DSA-44) for a witness"
    )]
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

/// A public key without its name.
pub trait PublicKey: Sized {
    /// Reads a key of signature type `kind`.
    ///
    /// # Errors
    /// Another type than those it has, or bytes that are no usable key.
    fn read(kind: u8, bytes: &[u8]) -> Result<Self, KeyError>;

    /// Its signature type.
    fn kind(&self) -> u8;

    fn bytes(&self) -> &[u8];

    fn accepts(&self, message: &[u8], signature: &[u8]) -> bool;
}

/// A secret key without its name. Wiped when dropped.
pub trait SecretKey: Sized {
    type Public: PublicKey;

    /// The key of signature type `kind` that `seed` makes.
    ///
    /// # Errors
    /// Another type than those it has.
    fn from_seed(kind: u8, seed: &[u8; SEED_BYTES]) -> Result<Self, KeyError>;

    fn seed(&self) -> &[u8];

    fn public(&self) -> Self::Public;

    /// The same signature each time.
    fn sign(&self, message: &[u8]) -> Vec<u8>;
}

/// A public key trusted for one name. Its text is a C2SP verifier key.
#[derive(Clone, PartialEq, Eq)]
pub struct NamedKey<P> {
    name: String,
    id: u32,
    public: P,
}

impl<P: PublicKey> NamedKey<P> {
    /// # Errors
    /// A bad name.
    pub fn new(name: &str, public: P) -> Result<Self, KeyError> {
        check_key_name(name)?;
        Ok(Self {
            name: name.to_owned(),
            id: key_id(name, &public),
            public,
        })
    }

    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    #[must_use]
    pub const fn id(&self) -> u32 {
        self.id
    }

    /// The key without its name: two texts with the same one are one key.
    #[must_use]
    pub const fn public(&self) -> &P {
        &self.public
    }
}

impl<P: PublicKey> fmt::Display for NamedKey<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let material = typed_base64(self.public.kind(), self.public.bytes());
        write!(f, "{}+{:08x}+{material}", self.name, self.id)
    }
}

impl<P: PublicKey> fmt::Debug for NamedKey<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NamedKey({self})")
    }
}

impl<P: PublicKey> FromStr for NamedKey<P> {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let form = KeyError::VerifierForm;
        let (name, id, material) = split_key(text).ok_or(form)?;
        check_key_name(name)?;
        let bytes = STANDARD.decode(material).map_err(|_| form)?;
        let (kind, bytes) = bytes.split_first().ok_or(form)?;
        let key = Self::new(name, P::read(*kind, bytes)?)?;
        check_id(key.id, id, form)?;
        Ok(key)
    }
}

/// A secret key with its name. Never printed by `Debug`.
#[derive(Clone)]
pub struct NamedSecret<S: SecretKey> {
    verifier: NamedKey<S::Public>,
    secret: S,
}

impl<S: SecretKey> NamedSecret<S> {
    /// # Errors
    /// A bad name.
    pub fn new(name: &str, secret: S) -> Result<Self, KeyError> {
        let verifier = NamedKey::new(name, secret.public())?;
        Ok(Self { verifier, secret })
    }

    /// Reads `PRIVATE+KEY+…`.
    ///
    /// # Errors
    /// Any deviation from the form, a type that is not wanted, or a key id that does not match.
    pub fn from_secret_text(text: &str) -> Result<Self, KeyError> {
        let form = KeyError::SignerForm;
        let rest = text.strip_prefix(SECRET_PREFIX).ok_or(form)?;
        let (name, id, material) = split_key(rest).ok_or(form)?;
        let bytes = Zeroizing::new(STANDARD.decode(material).map_err(|_| form)?);
        let (kind, seed) = bytes.split_first().ok_or(form)?;
        let seed = seed.try_into().map_err(|_| form)?;
        let key = Self::new(name, S::from_seed(*kind, seed)?)?;
        check_id(key.verifier.id, id, form)?;
        Ok(key)
    }

    /// The secret in text, `PRIVATE+KEY+…`: for storing as a secret only.
    #[must_use]
    pub fn expose_secret_text(&self) -> String {
        let NamedKey { name, id, public } = &self.verifier;
        let material = typed_base64(public.kind(), self.secret.seed());
        format!("{SECRET_PREFIX}{name}+{id:08x}+{material}")
    }

    #[must_use]
    pub const fn verifier(&self) -> &NamedKey<S::Public> {
        &self.verifier
    }

    #[must_use]
    pub fn name(&self) -> &str {
        &self.verifier.name
    }

    #[must_use]
    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.secret.sign(message)
    }
}

impl SignerKey {
    /// The key of a seed, which must come from a secure random source.
    ///
    /// # Errors
    /// A bad name.
    pub fn from_seed(name: &str, seed: &[u8; SEED_BYTES]) -> Result<Self, KeyError> {
        Self::new(name, Ed25519Secret::from_seed(LOG, seed)?)
    }
}

impl<S: SecretKey> fmt::Debug for NamedSecret<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NamedSecret({}, secret hidden)", self.verifier)
    }
}

/// The recommended id of a key.
fn key_id(name: &str, public: &impl PublicKey) -> u32 {
    let mut input = name.as_bytes().to_vec();
    input.extend([b'\n', public.kind()]);
    input.extend(public.bytes());
    let [a, b, c, d, ..] = *Hash::of(&input).as_bytes();
    u32::from_be_bytes([a, b, c, d])
}

/// Name, key id and key material of a key's text.
fn split_key(text: &str) -> Option<(&str, &str, &str)> {
    if text.len() > MAX_KEY_TEXT_BYTES {
        return None;
    }
    let mut parts = text.splitn(3, '+');
    Some((parts.next()?, parts.next()?, parts.next()?))
}

fn typed_base64(kind: u8, key: &[u8]) -> String {
    let mut bytes = Zeroizing::new(vec![kind]);
    bytes.extend(key);
    STANDARD.encode(bytes)
}

fn check_id(expected: u32, text: &str, form: KeyError) -> Result<(), KeyError> {
    let digits = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if text.len() != 8 || !text.bytes().all(digits) {
        return Err(form);
    }
    if text != format!("{expected:08x}") {
        return Err(KeyError::WrongId);
    }
    Ok(())
}
