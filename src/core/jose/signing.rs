use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::{Algorithm, JoseError, thumbprint};
use crate::ports::{Entropy, EntropyError, Es256, Es256Error};

/// Random 32 bytes are no scalar once in 2^32 draws.
const MAX_DRAWS: usize = 4;

/// An ES256 key that signs. Its `kid` is its thumbprint.
pub struct SigningKey {
    key: p256::ecdsa::SigningKey,
    kid: String,
    /// With the private member, for [`Es256::sign`].
    private_jwk: Zeroizing<String>,
}

impl SigningKey {
    pub fn generate(entropy: &dyn Entropy) -> Result<Self, EntropyError> {
        for _ in 0..MAX_DRAWS {
            let mut secret = Zeroizing::new([0; 32]);
            entropy.fill(&mut *secret)?;
            if let Ok(key) = Self::from_bytes(&*secret) {
                return Ok(key);
            }
        }
        Err(EntropyError("they made no key of P-256".to_owned()))
    }

    /// The 32 bytes of [`SigningKey::to_bytes`].
    pub fn from_bytes(secret: &[u8]) -> Result<Self, JoseError> {
        let wrong = JoseError::Key("it is no private key of P-256");
        // The crate would pad a shorter one.
        let exact: [u8; 32] = secret.try_into().map_err(|_| wrong.clone())?;
        let key = p256::ecdsa::SigningKey::from_bytes(&exact.into()).map_err(|_| wrong)?;
        let mut jwk = point(&key);
        let kid = thumbprint(&jwk)?;
        if let Some(members) = jwk.as_object_mut() {
            members.insert("d".to_owned(), json!(encode(exact)));
        }
        let private_jwk = Zeroizing::new(jwk.to_string());
        Ok(Self {
            key,
            kid,
            private_jwk,
        })
    }

    /// The private scalar.
    pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.key.to_bytes().into())
    }

    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// With `kid`, `alg` and `use`.
    pub fn public_jwk(&self) -> Value {
        let mut jwk = point(&self.key);
        if let Some(members) = jwk.as_object_mut() {
            members.insert("kid".to_owned(), json!(self.kid));
            members.insert("alg".to_owned(), json!(Algorithm::Es256.name()));
            members.insert("use".to_owned(), json!("sig"));
        }
        jwk
    }

    /// A compact JWS of an object of claims. `typ` is what kind of token it is (RFC 8725
    /// section 3.11), such as `at+jwt`.
    pub async fn sign_by(
        &self,
        es256: &dyn Es256,
        typ: &str,
        claims: &Value,
    ) -> Result<String, Es256Error> {
        let header = json!({"alg": Algorithm::Es256.name(), "typ": typ, "kid": self.kid});
        let mut token = encode(header.to_string()) + "." + &encode(claims.to_string());
        let signing = es256.sign(&self.kid, &self.private_jwk, token.as_bytes());
        let signature = signing.await?;
        token.push('.');
        token.push_str(&encode(signature));
        Ok(token)
    }

    #[cfg(test)]
    pub(crate) fn sign(&self, typ: &str, claims: &Value) -> String {
        crate::testing::block_on(self.sign_by(&super::InProcess, typ, claims)).unwrap()
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SigningKey({})", self.kid)
    }
}

fn point(key: &p256::ecdsa::SigningKey) -> Value {
    let point = key.verifying_key().to_encoded_point(false);
    let coordinate = |bytes: Option<&p256::FieldBytes>| bytes.map(encode);
    json!({
        "kty": "EC",
        "crv": "P-256",
        "x": coordinate(point.x()),
        "y": coordinate(point.y()),
    })
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
