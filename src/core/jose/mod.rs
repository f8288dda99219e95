//! JSON Web Signatures, keys and thumbprints (RFC 7515, 7517, 7518, 7638).
//!
//! Asymmetric algorithms alone, compact form alone, and no leniency: what a token says of
//! its key (`jwk`, `jku`, `x5c`, `x5u`) is never used to check that token.

mod compact;
mod es256;
mod key;
mod signing;
mod strict_json;
mod times;

use serde_json::{Map, Value};

pub use compact::Unverified;
pub use es256::InProcess;
pub use key::{PublicKey, public_only, thumbprint};
pub use signing::SigningKey;

/// Longest token that is looked at.
pub const MAX_TOKEN_BYTES: usize = 16 * 1024;
/// Most keys tried for a token that names none.
const MAX_TRIED: usize = 8;
/// Most keys of a set that are looked at.
const MAX_KEYS: usize = 100;

/// Signature algorithms that are taken. None is symmetric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    Es256,
    Rs256,
}

impl Algorithm {
    pub const ALL: &[Self] = &[Self::Es256, Self::Rs256];

    /// RFC 7518 section 3.1.
    pub fn name(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::Rs256 => "RS256",
        }
    }

    fn of_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|known| known.name() == name)
    }
}

/// A token's parts.
#[derive(Debug, Clone, PartialEq)]
pub struct Decoded {
    pub header: Map<String, Value>,
    pub claims: Map<String, Value>,
}

impl Decoded {
    /// A claim that is a text.
    pub fn text(&self, claim: &str) -> Option<&str> {
        self.claims.get(claim)?.as_str()
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JoseError {
    #[error("it is no signed JSON Web Token")]
    Malformed,
    #[error("its algorithm is not taken here")]
    Algorithm,
    #[error("it demands extensions (`crit`) that are not known here")]
    Critical,
    #[error("none of the keys is the one that it names")]
    UnknownKey,
    #[error("its signature is wrong")]
    Signature,
    #[error("the key cannot be used: {0}")]
    Key(&'static str),
    #[error("its claim `{0}` is missing or of the wrong type")]
    Claim(&'static str),
    #[error("it has expired")]
    Expired,
    #[error("it is not valid yet; check the clock of its issuer")]
    NotYet,
}

/// Checks the signature of a compact JWS under a key of `jwks` (an object with `keys`). The
/// claims are not judged: see [`Decoded::check_times`] for the times.
pub fn verify(token: &str, jwks: &Value, allowed: &[Algorithm]) -> Result<Decoded, JoseError> {
    let unverified = Unverified::parse(token)?;
    unverified.require(allowed)?;
    let mut refusal = None;
    for jwk in candidates(&unverified, jwks)? {
        let checked = PublicKey::from_jwk(jwk).and_then(|key| unverified.check(&key, allowed));
        match checked {
            Ok(()) => return Ok(unverified.into_decoded()),
            // A wrong signature tells more than a key that cannot be used.
            Err(error) if refusal != Some(JoseError::Signature) => refusal = Some(error),
            Err(_) => {}
        }
    }
    Err(refusal.unwrap_or(JoseError::UnknownKey))
}

/// What a token says of itself, to find out whose key to check it with.
pub fn peek(token: &str) -> Result<Decoded, JoseError> {
    Ok(Unverified::parse(token)?.into_decoded())
}

/// The keys that the token may be signed with: the one it names, or those that fit its
/// algorithm where it names none.
fn candidates<'a>(token: &Unverified<'_>, jwks: &'a Value) -> Result<Vec<&'a Value>, JoseError> {
    let keys = jwks.get("keys").and_then(Value::as_array);
    let keys = keys.ok_or(JoseError::Key("it is no JWK set, an object with `keys`"))?;
    let named = |jwk: &&Value| match token.kid() {
        Some(kid) => jwk.get("kid").and_then(Value::as_str) == Some(kid),
        None => true,
    };
    let fits = |jwk: &&Value| key::fits(jwk, token.algorithm());
    let found = keys.iter().take(MAX_KEYS).filter(named).filter(fits);
    Ok(found.take(MAX_TRIED).collect())
}

#[cfg(test)]
pub(crate) mod tests;
