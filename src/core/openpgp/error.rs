//! What can be wrong with a key, said so that its owner can put it right.

use super::armor::{ArmorError, Kind};
use super::verdict::Reason;

const MAKE_KEY: &str =
    "make one with: gpg --quick-generate-key 'Name <mail@example.org>' ed25519 sign 1y";
const EXPORT_PUBLIC: &str =
    "export it with: gpg --armor --export-options export-minimal --export FINGERPRINT";
const EXPORT_SECRET: &str = "export it with: gpg --armor --export-secret-keys FINGERPRINT";

/// Why a key cannot be used. The text tells what to do instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    #[error("the key is larger than {} KiB; {EXPORT_PUBLIC}", super::MAX_KEY_TEXT_BYTES / 1024)]
    TooLarge,
    #[error(
        "this is no armored key: it must start with a line '-----BEGIN PGP …-----'; {EXPORT_PUBLIC}"
    )]
    NotArmored,
    #[error(
        "a public key is needed, and this is a private key: never hand it out; {EXPORT_PUBLIC}"
    )]
    PrivateKeyGiven,
    #[error("a private key is needed, and this is a public key; {EXPORT_SECRET}")]
    PublicKeyGiven,
    #[error("a key is needed, and this is a PGP {0}; {EXPORT_PUBLIC}")]
    NotAKey(&'static str),
    #[error("there must be exactly one key; {EXPORT_PUBLIC}")]
    SeveralKeys,
    #[error("the key is damaged ({0}); {EXPORT_PUBLIC}")]
    Malformed(&'static str),
    #[error("the key has version {0}, and only version 4 is used here; {MAKE_KEY}")]
    Version(u8),
    #[error(
        "the key's algorithm is {0}, and only Ed25519 (EdDSA, algorithm 22) is used here; {MAKE_KEY}"
    )]
    Algorithm(String),
    #[error("the key's public point is weak, so anybody could sign for it; {MAKE_KEY}")]
    WeakKey,
    #[error("a self-signature or revocation on the key cannot be verified ({0}); {EXPORT_PUBLIC}")]
    SelfSignature(&'static str),
    #[error("the key has no valid, unrevoked user id; {MAKE_KEY}")]
    NoUserId,
    #[error("the key may not sign, nor has it a usable Ed25519 subkey that may; {MAKE_KEY}")]
    CannotSign,
    #[error("the private key is protected by a passphrase and none was given; set PGP_PASSPHRASE")]
    PassphraseNeeded,
    #[error("the passphrase does not open the private key; set PGP_PASSPHRASE to the right one")]
    WrongPassphrase,
    #[error(
        "the private key's protection is not supported here; set it again with: gpg --passwd FINGERPRINT, then {EXPORT_SECRET}"
    )]
    Protection,
}

impl KeyError {
    pub(super) fn from_armor(error: &ArmorError) -> Self {
        match error {
            ArmorError::NotArmored => Self::NotArmored,
            ArmorError::WrongKind(Kind::PrivateKey) => Self::PrivateKeyGiven,
            ArmorError::WrongKind(Kind::PublicKey) => Self::PublicKeyGiven,
            ArmorError::WrongKind(kind) => Self::NotAKey(kind.label()),
            ArmorError::SeveralBlocks => Self::SeveralKeys,
            ArmorError::Malformed(what) => Self::Malformed(what),
        }
    }
}

/// Why nothing was signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignError {
    #[error("the signing time must lie between 1970 and 2106, in seconds")]
    Time,
    #[error("the signature was not made: {0}")]
    Failed(&'static str),
    /// The finished signature did not stand up to [`super::verify`].
    #[error("the signature just made does not verify, so it is withheld: {}", .0.sentence())]
    Refused(Reason),
}
