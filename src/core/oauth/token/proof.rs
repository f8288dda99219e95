//! Proofs of possession at the server's own endpoints (RFC 9449 sections 5 and 7).

use super::super::{AuthorizationServer, OAuthError, WebRequest};
use crate::auth::dpop::{self, Proof};

impl AuthorizationServer {
    /// The proof that comes with the request, if it tries one. `access_token` is the one sent
    /// along. It is not used up yet: see [`Self::spend_proof`].
    pub(super) fn proof(
        &self,
        web: &WebRequest<'_>,
        access_token: Option<&str>,
    ) -> Result<Option<Proof>, OAuthError> {
        let Some(header) = web.headers.get("dpop") else {
            return Ok(None);
        };
        let url = format!("{}{}", self.origin, web.path);
        let now_ms = self.audit.clock.now_ms();
        let proof = dpop::verify(&header, web.method, &url, access_token, now_ms)
            .map_err(|error| invalid_proof(error.to_string()))?;
        Ok(Some(proof))
    }

    /// Uses the proof up. Only for who has shown all else: anybody can make proofs, and each
    /// that is used up is a row.
    pub(super) async fn spend_proof(&self, proof: Option<&Proof>) -> Result<(), OAuthError> {
        let Some(proof) = proof else {
            return Ok(());
        };
        let now_ms = self.audit.clock.now_ms();
        if dpop::spend(&*self.audit.database, proof, now_ms).await? {
            return Ok(());
        }
        Err(invalid_proof(dpop::DpopError::Replayed.to_string()))
    }
}

fn invalid_proof(why: String) -> OAuthError {
    OAuthError::new("invalid_dpop_proof", why)
}
