//! JSON Web Signatures, keys and thumbprints (RFC 7515, 7517, 7518, 7638).

use serde_json::{Map, Value};

/// Signature algorithms that are taken. None is symmetric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    Es256,
    Rs256,
}

/// A token's parts.
#[derive(Debug, Clone)]
pub struct Decoded {
    pub header: Map<String, Value>,
    pub claims: Map<String, Value>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JoseError {
    #[error("it is no signed JSON Web Token")]
    Malformed,
    #[error("its algorithm is not taken here")]
    Algorithm,
    #[error("none of the keys is the one that it names")]
    UnknownKey,
    #[error("its signature is wrong")]
    Signature,
    #[error("the key cannot be used: {0}")]
    Key(&'static str),
}

/// Checks the signature of a compact JWS under a key of `jwks` (an object with `keys`). The
/// claims are not judged.
pub fn verify(_token: &str, _jwks: &Value, _allowed: &[Algorithm]) -> Result<Decoded, JoseError> {
    Err(JoseError::Malformed)
}

/// What a token says of itself, to find out whose key to check it with.
pub fn peek(_token: &str) -> Result<Decoded, JoseError> {
    Err(JoseError::Malformed)
}

/// RFC 7638, SHA-256, base64url.
pub fn thumbprint(_jwk: &Value) -> Result<String, JoseError> {
    Err(JoseError::Malformed)
}
