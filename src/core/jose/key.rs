use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use p256::ecdsa::signature::Verifier;
use rsa::traits::PublicKeyParts;
use rsa::{BigUint, Pkcs1v15Sign, RsaPublicKey};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{Algorithm, JoseError};

/// Below is too weak (RFC 7518 section 3.3), above only costs time.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=4096;
const MIN_RSA_EXPONENT: u32 = 65_537;
/// Members that hold private or symmetric keys (RFC 7518 section 6).
const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];
/// Longest member of a key: an RSA modulus, with room to spare.
const MAX_MEMBER_CHARS: usize = 1024;

/// A key that signatures are checked with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    material: Material,
    /// The only algorithm that the key says it is for.
    algorithm: Option<Algorithm>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Material {
    P256(p256::ecdsa::VerifyingKey),
    Rsa(RsaPublicKey),
}

impl PublicKey {
    /// Reads an EC P-256 or RSA key for signatures. Private members are not looked at: see
    /// [`public_only`].
    pub fn from_jwk(jwk: &Value) -> Result<Self, JoseError> {
        if !is_for_signatures(jwk) {
            return Err(JoseError::Key("it is not for checking signatures"));
        }
        let algorithm = match jwk.get("alg") {
            None => None,
            Some(alg) => Some(
                alg.as_str()
                    .and_then(Algorithm::of_name)
                    .ok_or(JoseError::Key("its `alg` is not taken here"))?,
            ),
        };
        let material = match kind(jwk) {
            Some(Kind::P256) => Material::P256(p256_key(jwk)?),
            Some(Kind::Rsa) => Material::Rsa(rsa_key(jwk)?),
            None => return Err(JoseError::Key("use EC P-256 or RSA")),
        };
        Ok(Self {
            material,
            algorithm,
        })
    }

    pub(super) fn check(
        &self,
        algorithm: Algorithm,
        signed: &[u8],
        signature: &[u8],
    ) -> Result<(), JoseError> {
        if self.algorithm.is_some_and(|own| own != algorithm) {
            return Err(JoseError::Algorithm);
        }
        let holds = match (&self.material, algorithm) {
            (Material::P256(key), Algorithm::Es256) => es256(key, signed, signature),
            (Material::Rsa(key), Algorithm::Rs256) => rs256(key, signed, signature),
            _ => return Err(JoseError::Algorithm),
        };
        if holds {
            Ok(())
        } else {
            Err(JoseError::Signature)
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    P256,
    Rsa,
}

fn kind(jwk: &Value) -> Option<Kind> {
    let member = |name| jwk.get(name).and_then(Value::as_str);
    match (member("kty")?, member("crv")) {
        ("EC", Some("P-256")) => Some(Kind::P256),
        ("RSA", _) => Some(Kind::Rsa),
        _ => None,
    }
}

/// RFC 7517 sections 4.2 and 4.3.
fn is_for_signatures(jwk: &Value) -> bool {
    let used = jwk.get("use").is_none_or(|usage| usage == "sig");
    let verifies = |operations: &Value| {
        let list = operations.as_array();
        list.is_some_and(|list| list.iter().any(|operation| operation == "verify"))
    };
    used && jwk.get("key_ops").is_none_or(verifies)
}

/// Whether a JWK may be the one of a token with this algorithm.
pub(super) fn fits(jwk: &Value, algorithm: Algorithm) -> bool {
    let suited = match kind(jwk) {
        Some(Kind::P256) => algorithm == Algorithm::Es256,
        Some(Kind::Rsa) => algorithm == Algorithm::Rs256,
        None => false,
    };
    let alg = jwk.get("alg");
    let named = alg.is_none_or(|alg| alg.as_str().and_then(Algorithm::of_name) == Some(algorithm));
    suited && named && is_for_signatures(jwk)
}

/// Refuses a JWK, or a set of them, that gives away a private or symmetric key.
pub fn public_only(jwk: &Value) -> Result<(), JoseError> {
    let keys = jwk.get("keys").and_then(Value::as_array);
    let keys = keys.map_or_else(|| std::slice::from_ref(jwk), Vec::as_slice);
    let secret = |key: &Value| {
        let symmetric = key.get("kty").is_some_and(|kty| kty == "oct");
        symmetric || PRIVATE.iter().any(|member| key.get(member).is_some())
    };
    if keys.iter().any(secret) {
        return Err(JoseError::Key(
            "it holds a private key, which is no secret any more: replace it and publish the \
             public part",
        ));
    }
    Ok(())
}

/// RFC 7638 with SHA-256, in base64url.
pub fn thumbprint(jwk: &Value) -> Result<String, JoseError> {
    let names: &[&str] = match kind(jwk) {
        Some(Kind::P256) => &["crv", "kty", "x", "y"],
        Some(Kind::Rsa) => &["e", "kty", "n"],
        None => return Err(JoseError::Key("use EC P-256 or RSA")),
    };
    let mut digest = Sha256::new();
    for (index, name) in names.iter().enumerate() {
        let value = member(jwk, name)?;
        digest.update(if index == 0 { "{" } else { "," });
        digest.update(format!("\"{name}\":\"{value}\""));
    }
    digest.update("}");
    Ok(URL_SAFE_NO_PAD.encode(digest.finalize()))
}

/// A text member without anything that JSON would escape.
fn member<'a>(jwk: &'a Value, name: &str) -> Result<&'a str, JoseError> {
    let plain = |text: &&str| {
        let known = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        text.len() <= MAX_MEMBER_CHARS && text.bytes().all(known)
    };
    let text = jwk.get(name).and_then(Value::as_str).filter(plain);
    text.ok_or(JoseError::Key("a member of it is missing or no base64url"))
}

fn bytes(jwk: &Value, name: &str) -> Result<Vec<u8>, JoseError> {
    URL_SAFE_NO_PAD
        .decode(member(jwk, name)?)
        .map_err(|_| JoseError::Key("a member of it is missing or no base64url"))
}

pub(super) fn fixed(jwk: &Value, name: &str) -> Result<[u8; 32], JoseError> {
    let bytes = bytes(jwk, name)?;
    let exact = bytes.try_into();
    exact.map_err(|_| JoseError::Key("a coordinate of it is not 32 bytes"))
}

pub(super) fn p256_key(jwk: &Value) -> Result<p256::ecdsa::VerifyingKey, JoseError> {
    let (x, y) = (fixed(jwk, "x")?, fixed(jwk, "y")?);
    let point = p256::EncodedPoint::from_affine_coordinates(&x.into(), &y.into(), false);
    p256::ecdsa::VerifyingKey::from_encoded_point(&point)
        .map_err(|_| JoseError::Key("its point is not on the curve"))
}

fn rsa_key(jwk: &Value) -> Result<RsaPublicKey, JoseError> {
    let modulus = BigUint::from_bytes_be(&bytes(jwk, "n")?);
    let exponent = BigUint::from_bytes_be(&bytes(jwk, "e")?);
    if !RSA_BITS.contains(&modulus.bits()) {
        return Err(JoseError::Key("use RSA of 2048 to 4096 bits"));
    }
    let even = |number: &BigUint| number.to_bytes_le().first().is_none_or(|low| low % 2 == 0);
    if exponent < BigUint::from(MIN_RSA_EXPONENT) || even(&exponent) || even(&modulus) {
        return Err(JoseError::Key(
            "its RSA exponent is odd and at least 65537, and its modulus odd",
        ));
    }
    RsaPublicKey::new(modulus, exponent).map_err(|_| JoseError::Key("its RSA numbers are wrong"))
}

/// The 64 bytes of RFC 7518 section 3.4, never DER.
fn es256(key: &p256::ecdsa::VerifyingKey, signed: &[u8], signature: &[u8]) -> bool {
    p256::ecdsa::Signature::from_slice(signature)
        .is_ok_and(|signature| key.verify(signed, &signature).is_ok())
}

fn rs256(key: &RsaPublicKey, signed: &[u8], signature: &[u8]) -> bool {
    // Else the number plus the modulus would be a second form of the same signature.
    if signature.len() != key.size() || BigUint::from_bytes_be(signature) >= *key.n() {
        return false;
    }
    let digest = Sha256::digest(signed);
    let scheme = Pkcs1v15Sign::new::<Sha256>();
    key.verify(scheme, &digest, signature).is_ok()
}
