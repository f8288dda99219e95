use async_trait::async_trait;
use chitty_core::ports::{Es256, Es256Error};

use crate::web::{Ticket, Told};

/// ES256 by `crypto.subtle`.
pub struct WebCrypto;

#[async_trait(?Send)]
impl Es256 for WebCrypto {
    async fn sign(&self, kid: &str, jwk: &str, message: &[u8]) -> Result<Vec<u8>, Es256Error> {
        told(Ticket::sign(kid, jwk, message).await)
    }

    async fn verify(
        &self,
        kid: &str,
        jwk: &str,
        message: &[u8],
        signature: &[u8],
    ) -> Result<bool, Es256Error> {
        let held = told(Ticket::verify(kid, jwk, message, signature).await)?;
        Ok(!held.is_empty())
    }
}

fn told(told: Told) -> Result<Vec<u8>, Es256Error> {
    told.bytes
        .ok_or_else(|| Es256Error(told.fault.unwrap_or_default()))
}
