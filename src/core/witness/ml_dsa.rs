//! ML-DSA-44 keys (FIPS 204): pure, deterministic, with an empty context.

use ml_dsa::{EncodedVerifyingKey, MlDsa44, Signature, Signer as _, SigningKey, VerifyingKey};

use crate::chain::keys::{KeyError, PublicKey, SEED_BYTES, SecretKey};

/// Signature type byte of timestamped ML-DSA-44 cosignatures.
pub const KIND: u8 = 0x06;

/// As encoded. It is expanded for each check, to some twenty times as much.
#[derive(Clone, PartialEq, Eq)]
pub struct MlDsaKey(Box<EncodedVerifyingKey<MlDsa44>>);

impl PublicKey for MlDsaKey {
    fn read(kind: u8, bytes: &[u8]) -> Result<Self, KeyError> {
        check_kind(kind)?;
        // Any bytes of this length are a key (FIPS 204, algorithm 23).
        let encoded = bytes.try_into().map_err(|_| KeyError::VerifierForm)?;
        Ok(Self(Box::new(encoded)))
    }

    fn kind(&self) -> u8 {
        KIND
    }

    fn bytes(&self) -> &[u8] {
        &self.0
    }

    fn accepts(&self, message: &[u8], signature: &[u8]) -> bool {
        Signature::try_from(signature).is_ok_and(|signature| {
            VerifyingKey::<MlDsa44>::decode(&self.0).verify_with_context(message, &[], &signature)
        })
    }
}

#[derive(Clone)]
pub struct MlDsaSecret(SigningKey<MlDsa44>);

impl SecretKey for MlDsaSecret {
    type Public = MlDsaKey;

    fn from_seed(kind: u8, seed: &[u8; SEED_BYTES]) -> Result<Self, KeyError> {
        check_kind(kind)?;
        Ok(Self(SigningKey::from_seed(seed.into())))
    }

    fn seed(&self) -> &[u8] {
        self.0.as_seed()
    }

    fn public(&self) -> MlDsaKey {
        let key: &VerifyingKey<MlDsa44> = self.0.as_ref();
        MlDsaKey(Box::new(key.encode()))
    }

    /// Fails only after 16,384 rejections in a row, each of a chance of about 3 in 4.
    fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.0.sign(message).encode().to_vec()
    }
}

const fn check_kind(kind: u8) -> Result<(), KeyError> {
    if kind == KIND {
        Ok(())
    } else {
        Err(KeyError::UnsupportedType)
    }
}
