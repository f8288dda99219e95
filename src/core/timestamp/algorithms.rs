//! The signature algorithms that authorities use, on the workspace's cryptography.

use der::oid::ObjectIdentifier;
use p256::ecdsa::signature::hazmat::PrehashVerifier;
use rsa::pkcs1::DecodeRsaPublicKey;
use rsa::{Pkcs1v15Sign, RsaPublicKey};
use rustls_pki_types::{
    AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm, alg_id,
};
use sha2::{Digest as _, Sha256, Sha384, Sha512};

use super::fields::Fields;

const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");

/// A hash function that may stand in a reply. SHA-1 is not among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Digest {
    Sha256,
    Sha384,
    Sha512,
}

impl Digest {
    pub fn of(algorithm: ObjectIdentifier) -> Option<Self> {
        match algorithm.to_string().as_str() {
            "2.16.840.1.101.3.4.2.1" => Some(Self::Sha256),
            "2.16.840.1.101.3.4.2.2" => Some(Self::Sha384),
            "2.16.840.1.101.3.4.2.3" => Some(Self::Sha512),
            _ => None,
        }
    }

    pub fn hash(self, data: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha256 => Sha256::digest(data).to_vec(),
            Self::Sha384 => Sha384::digest(data).to_vec(),
            Self::Sha512 => Sha512::digest(data).to_vec(),
        }
    }

    fn pkcs1(self) -> Pkcs1v15Sign {
        match self {
            Self::Sha256 => Pkcs1v15Sign::new::<Sha256>(),
            Self::Sha384 => Pkcs1v15Sign::new::<Sha384>(),
            Self::Sha512 => Pkcs1v15Sign::new::<Sha512>(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Key {
    Rsa,
    P256,
    P384,
}

/// One kind of key with one hash function.
#[derive(Debug)]
pub struct Algorithm {
    key: Key,
    digest: Digest,
}

/// RSA (PKCS #1 v1.5, up to 4096 bits), and ECDSA on two curves.
static ALGORITHMS: [Algorithm; 9] = [
    Algorithm::new(Key::Rsa, Digest::Sha256),
    Algorithm::new(Key::Rsa, Digest::Sha384),
    Algorithm::new(Key::Rsa, Digest::Sha512),
    Algorithm::new(Key::P256, Digest::Sha256),
    Algorithm::new(Key::P256, Digest::Sha384),
    Algorithm::new(Key::P256, Digest::Sha512),
    Algorithm::new(Key::P384, Digest::Sha256),
    Algorithm::new(Key::P384, Digest::Sha384),
    Algorithm::new(Key::P384, Digest::Sha512),
];

/// All of them, for the signatures of certificates.
pub fn all() -> [&'static dyn SignatureVerificationAlgorithm; 9] {
    ALGORITHMS
        .each_ref()
        .map(|one| one as &dyn SignatureVerificationAlgorithm)
}

/// Those that the two fields of a signer can mean; which one depends on the key.
pub fn meant_by(
    digest: Digest,
    signature: ObjectIdentifier,
) -> impl Iterator<Item = &'static Algorithm> {
    ALGORITHMS.iter().filter(move |one| {
        let named = Fields::of(&one.signature_alg_id()).object() == Some(signature);
        // CMS lets RSA be named without its hash function.
        let plain_rsa = one.key == Key::Rsa && signature == RSA_ENCRYPTION;
        one.digest == digest && (named || plain_rsa)
    })
}

impl Algorithm {
    const fn new(key: Key, digest: Digest) -> Self {
        Self { key, digest }
    }

    fn verify(&self, public_key: &[u8], message: &[u8], signature: &[u8]) -> Option<()> {
        let hash = self.digest.hash(message);
        match self.key {
            Key::Rsa => RsaPublicKey::from_pkcs1_der(public_key)
                .ok()?
                .verify(self.digest.pkcs1(), &hash, signature)
                .ok(),
            Key::P256 => p256::ecdsa::VerifyingKey::from_sec1_bytes(public_key)
                .ok()?
                .verify_prehash(
                    &hash,
                    &p256::ecdsa::DerSignature::from_bytes(signature).ok()?,
                )
                .ok(),
            Key::P384 => p384::ecdsa::VerifyingKey::from_sec1_bytes(public_key)
                .ok()?
                .verify_prehash(
                    &hash,
                    &p384::ecdsa::DerSignature::from_bytes(signature).ok()?,
                )
                .ok(),
        }
    }
}

impl SignatureVerificationAlgorithm for Algorithm {
    fn verify_signature(
        &self,
        public_key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        self.verify(public_key, message, signature)
            .ok_or(InvalidSignature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        match self.key {
            Key::Rsa => alg_id::RSA_ENCRYPTION,
            Key::P256 => alg_id::ECDSA_P256,
            Key::P384 => alg_id::ECDSA_P384,
        }
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        match (self.key, self.digest) {
            (Key::Rsa, Digest::Sha256) => alg_id::RSA_PKCS1_SHA256,
            (Key::Rsa, Digest::Sha384) => alg_id::RSA_PKCS1_SHA384,
            (Key::Rsa, Digest::Sha512) => alg_id::RSA_PKCS1_SHA512,
            (_, Digest::Sha256) => alg_id::ECDSA_SHA256,
            (_, Digest::Sha384) => alg_id::ECDSA_SHA384,
            (_, Digest::Sha512) => alg_id::ECDSA_SHA512,
        }
    }
}
