//! Proofs of possession at the server's own endpoints (RFC 9449 sections 5 and 7).

use super::super::{AuthorizationServer, OAuthError, WebRequest};
use crate::auth::dpop;

impl AuthorizationServer {
    /// Thumbprint of the key whose possession the request proves; none if it does not try.
    /// `access_token` is the one sent along.
    pub(super) async fn proven_key(
        &self,
        web: &WebRequest<'_>,
        access_token: Option<&str>,
    ) -> Result<Option<String>, OAuthError> {
        let Some(header) = web.headers.get("dpop") else {
            return Ok(None);
        };
        let url = format!("{}{}", self.origin, web.path);
        let now_ms = self.audit.clock.now_ms();
        let proof = dpop::verify(&header, web.method, &url, access_token, now_ms)
            .map_err(|error| invalid_proof(error.to_string()))?;
        if !dpop::spend(&*self.audit.database, &proof, now_ms).await? {
            return Err(invalid_proof(dpop::DpopError::Replayed.to_string()));
        }
        Ok(Some(proof.jkt))
    }
}

fn invalid_proof(why: String) -> OAuthError {
    OAuthError::new("invalid_dpop_proof", why)
}
