//! Ed25519 keys (RFC 8032) of one signature type of C2SP signed-note.

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};

use super::keys::{KeyError, PublicKey, SEED_BYTES, SecretKey};

/// No point of low order: those verify too much.
#[derive(Clone, PartialEq, Eq)]
pub struct Ed25519<const KIND: u8>(VerifyingKey);

impl<const KIND: u8> PublicKey for Ed25519<KIND> {
    fn read(kind: u8, bytes: &[u8]) -> Result<Self, KeyError> {
        check_kind::<KIND>(kind)?;
        let bytes = bytes.try_into().map_err(|_| KeyError::VerifierForm)?;
        let point = VerifyingKey::from_bytes(bytes).map_err(|_| KeyError::BadPoint)?;
        if point.is_weak() {
            return Err(KeyError::BadPoint);
        }
        Ok(Self(point))
    }

    fn kind(&self) -> u8 {
        KIND
    }

    fn bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// Strict check: canonical signature, no low-order points.
    fn accepts(&self, message: &[u8], signature: &[u8]) -> bool {
        Signature::from_slice(signature)
            .is_ok_and(|signature| self.0.verify_strict(message, &signature).is_ok())
    }
}

#[derive(Clone)]
pub struct Ed25519Secret<const KIND: u8>(SigningKey);

impl<const KIND: u8> SecretKey for Ed25519Secret<KIND> {
    type Public = Ed25519<KIND>;

    fn from_seed(kind: u8, seed: &[u8; SEED_BYTES]) -> Result<Self, KeyError> {
        check_kind::<KIND>(kind)?;
        Ok(Self(SigningKey::from_bytes(seed)))
    }

    fn seed(&self) -> &[u8] {
        self.0.as_bytes()
    }

    fn public(&self) -> Ed25519<KIND> {
        Ed25519(self.0.verifying_key())
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.0.sign(message).to_bytes().to_vec()
    }
}

const fn check_kind<const KIND: u8>(kind: u8) -> Result<(), KeyError> {
    if kind == KIND {
        Ok(())
    } else {
        Err(KeyError::UnsupportedType)
    }
}
