use async_trait::async_trait;
use p256::ecdsa::Signature;
use p256::ecdsa::signature::{Signer, Verifier};
use serde_json::Value;

use super::key::{self, p256_key};
use crate::ports::{Es256, Es256Error};

/// ES256 where the platform has none: in native programs.
pub struct InProcess;

#[async_trait(?Send)]
impl Es256 for InProcess {
    async fn sign(&self, _kid: &str, jwk: &str, message: &[u8]) -> Result<Vec<u8>, Es256Error> {
        let secret = key::fixed(&read(jwk)?, "d").map_err(wrong)?;
        let key = p256::ecdsa::SigningKey::from_bytes(&secret.into()).map_err(wrong)?;
        let signature: Signature = key.sign(message);
        Ok(signature.to_bytes().to_vec())
    }

    async fn verify(
        &self,
        _kid: &str,
        jwk: &str,
        message: &[u8],
        signature: &[u8],
    ) -> Result<bool, Es256Error> {
        let key = p256_key(&read(jwk)?).map_err(wrong)?;
        let signature = Signature::from_slice(signature);
        Ok(signature.is_ok_and(|signature| key.verify(message, &signature).is_ok()))
    }
}

fn read(jwk: &str) -> Result<Value, Es256Error> {
    serde_json::from_str(jwk).map_err(|_| Es256Error("it is no JWK".to_owned()))
}

fn wrong(error: impl std::fmt::Display) -> Es256Error {
    Es256Error(error.to_string())
}
