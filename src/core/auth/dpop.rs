//! Proofs of possession: that who sends a token holds the key it is bound to (RFC 9449).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use url::Url;

use super::used_once;
use crate::jose::{Algorithm, Decoded, JoseError, PublicKey, Unverified, public_only, thumbprint};
use crate::ports::Database;
use crate::secret::same;
use crate::sql::DatabaseError;

/// How far `iat` may be from now, either way.
pub const WINDOW_MS: i64 = 300_000;
const TYPE: &str = "dpop+jwt";
const MAX_BYTES: usize = 8 * 1024;
const MAX_JTI_BYTES: usize = 256;

/// A proof that holds. It counts once: see [`spend`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// RFC 7638 thumbprint of its key.
    pub jkt: String,
    pub jti: String,
    /// No longer taken from then on.
    pub ends_ms: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DpopError {
    #[error("the DPoP proof is no JWT of the type dpop+jwt; send one, and one alone")]
    Malformed,
    #[error("the DPoP proof must be signed with ES256 by the public key in its header")]
    Key,
    #[error("the signature of the DPoP proof is wrong")]
    Signature,
    #[error("the DPoP proof is for another request; make htm and htu those of this one")]
    OtherRequest,
    #[error("the DPoP proof is too old or too new; make one for each request, and set the clock")]
    Time,
    #[error("the DPoP proof is not for this access token; make ath its hash")]
    OtherToken,
    #[error("the DPoP proof was used before; make one for each request")]
    Replayed,
}

/// Judges the `DPoP` header of a request to `url` (RFC 9449 section 4.3). `access_token` is
/// the one sent along; None at the token endpoint. Whether the proof was used before is not
/// judged: see [`spend`].
pub fn verify(
    proof: &str,
    method: &str,
    url: &str,
    access_token: Option<&str>,
    now_ms: i64,
) -> Result<Proof, DpopError> {
    if proof.len() > MAX_BYTES {
        return Err(DpopError::Malformed);
    }
    let (said, jkt) = authentic(proof)?;
    if said.text("htm") != Some(method) || !said.text("htu").is_some_and(|htu| is_same(htu, url)) {
        return Err(DpopError::OtherRequest);
    }
    let made_ms = said.time_ms("iat").ok().flatten().ok_or(DpopError::Time)?;
    if now_ms.abs_diff(made_ms) > WINDOW_MS.unsigned_abs() {
        return Err(DpopError::Time);
    }
    if let Some(token) = access_token
        && !said
            .text("ath")
            .is_some_and(|ath| same(ath.as_bytes(), hash(token).as_bytes()))
    {
        return Err(DpopError::OtherToken);
    }
    let jti = said
        .text("jti")
        .filter(|jti| (1..=MAX_JTI_BYTES).contains(&jti.len()));
    Ok(Proof {
        jkt,
        jti: jti.ok_or(DpopError::Malformed)?.to_owned(),
        ends_ms: made_ms + WINDOW_MS + 1,
    })
}

/// What the proof says, and the thumbprint of the key in its header, which signed it.
fn authentic(proof: &str) -> Result<(Decoded, String), DpopError> {
    let refuse = |error| match error {
        JoseError::Algorithm | JoseError::Key(_) => DpopError::Key,
        JoseError::Signature => DpopError::Signature,
        _ => DpopError::Malformed,
    };
    let unverified = Unverified::parse(proof).map_err(refuse)?;
    let header = unverified.header();
    if header.get("typ").and_then(|typ| typ.as_str()) != Some(TYPE) {
        return Err(DpopError::Malformed);
    }
    let jwk = header.get("jwk").ok_or(DpopError::Key)?;
    public_only(jwk).map_err(refuse)?;
    let key = PublicKey::from_jwk(jwk).map_err(refuse)?;
    let jkt = thumbprint(jwk).map_err(refuse)?;
    unverified
        .check(&key, &[Algorithm::Es256])
        .map_err(refuse)?;
    Ok((unverified.into_decoded(), jkt))
}

/// True the first time. On an error it may have been counted: take the proof for used.
pub async fn spend(
    database: &dyn Database,
    proof: &Proof,
    now_ms: i64,
) -> Result<bool, DatabaseError> {
    // Only the holder of a key can use up its ids.
    let id = Sha256::digest(format!("{}.{}", proof.jkt, proof.jti));
    let id = format!("dpop:{}", hex::encode(id));
    used_once::first_use(database, id, proof.ends_ms, now_ms).await
}

/// Equal without query and fragment, after normalization (RFC 9449 section 4.3, RFC 3986
/// section 6).
fn is_same(htu: &str, url: &str) -> bool {
    let place = |text: &str| {
        let mut parsed = Url::parse(text).ok()?;
        parsed.set_query(None);
        parsed.set_fragment(None);
        Some(parsed)
    };
    place(htu).is_some_and(|htu| place(url) == Some(htu))
}

/// `ath` (RFC 9449 section 4.2).
fn hash(access_token: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(access_token))
}
