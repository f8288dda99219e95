use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::{Algorithm, Decoded, JoseError, MAX_TOKEN_BYTES, PublicKey, strict_json};
use crate::ports::Es256;

/// A well-formed token whose signature has not been checked: trust nothing in it.
pub struct Unverified<'a> {
    /// `BASE64URL(header).BASE64URL(claims)`, as sent.
    signed: &'a str,
    signature: Vec<u8>,
    algorithm: Algorithm,
    decoded: Decoded,
}

impl<'a> Unverified<'a> {
    /// Compact serialization (RFC 7515 section 7.1) of a JWT whose algorithm is known here.
    pub fn parse(token: &'a str) -> Result<Self, JoseError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(JoseError::Malformed);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(JoseError::Malformed)?;
        // A further dot stands in the claims' part then, which base64url has not.
        let (header, claims) = signed.split_once('.').ok_or(JoseError::Malformed)?;
        let header = object(header)?;
        let algorithm = algorithm(&header)?;
        Ok(Self {
            signed,
            signature: decode(signature)?,
            algorithm,
            decoded: Decoded {
                header,
                claims: object(claims)?,
            },
        })
    }

    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    pub fn header(&self) -> &Map<String, Value> {
        &self.decoded.header
    }

    pub fn claims(&self) -> &Map<String, Value> {
        &self.decoded.claims
    }

    /// The key that it says it is signed with.
    pub fn kid(&self) -> Option<&str> {
        self.decoded.header.get("kid")?.as_str()
    }

    pub(super) fn require(&self, allowed: &[Algorithm]) -> Result<(), JoseError> {
        if allowed.contains(&self.algorithm) {
            Ok(())
        } else {
            Err(JoseError::Algorithm)
        }
    }

    /// The algorithm must be allowed and be the key's own. Whether `kid` names this key is
    /// for the caller to see to.
    pub fn check(&self, key: &PublicKey, allowed: &[Algorithm]) -> Result<(), JoseError> {
        self.require(allowed)?;
        key.check(self.algorithm, self.signed.as_bytes(), &self.signature)
    }

    /// The same for an ES256 key that the platform knows as `kid`.
    pub async fn check_by(&self, es256: &dyn Es256, kid: &str, jwk: &str) -> Result<(), JoseError> {
        self.require(&[Algorithm::Es256])?;
        let signed = self.signed.as_bytes();
        match es256.verify(kid, jwk, signed, &self.signature).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(JoseError::Signature),
            Err(_) => Err(JoseError::Key("the platform cannot use it")),
        }
    }

    /// What it says. Call it after [`Unverified::check`].
    pub fn into_decoded(self) -> Decoded {
        self.decoded
    }
}

/// The algorithm of a header that can be processed (RFC 7515 section 4.1).
fn algorithm(header: &Map<String, Value>) -> Result<Algorithm, JoseError> {
    if header.contains_key("crit") {
        return Err(JoseError::Critical);
    }
    if header.get("kid").is_some_and(|kid| !kid.is_string()) {
        return Err(JoseError::Malformed);
    }
    let name = header.get("alg").and_then(Value::as_str);
    Algorithm::of_name(name.ok_or(JoseError::Malformed)?).ok_or(JoseError::Algorithm)
}

fn object(part: &str) -> Result<Map<String, Value>, JoseError> {
    strict_json::object(&decode(part)?).ok_or(JoseError::Malformed)
}

/// Without padding, white space or stray bits, so that a token has one form.
fn decode(part: &str) -> Result<Vec<u8>, JoseError> {
    URL_SAFE_NO_PAD
        .decode(part)
        .map_err(|_| JoseError::Malformed)
}
