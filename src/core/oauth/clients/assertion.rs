//! `private_key_jwt`: a client proves itself with a signed statement (RFC 7523 section 3).

use std::rc::Rc;

use serde_json::{Map, Value};

use super::cache::KeySet;
use super::document::refused;
use super::metadata::public_keys;
use super::proof::Refusal;
use crate::jose::{self, Algorithm, Decoded, JoseError};
use crate::oauth::{AuthorizationServer, Client, OAuthError, WebRequest};

const ALGORITHMS: [Algorithm; 2] = [Algorithm::Es256, Algorithm::Rs256];
/// How far ahead an assertion may expire: its `jti` is remembered until then.
const LONGEST_MS: i64 = 10 * 60 * 1000;
/// How far the clocks may differ.
const SKEW_MS: i64 = 30 * 1000;
const MAX_JTI_BYTES: usize = 512;
const MAX_KEYS_BYTES: usize = 32 * 1024;
/// Keys are asked for anew, for an unknown key, only so often.
const COOLDOWN_MS: i64 = 60 * 1000;

impl AuthorizationServer {
    pub(super) async fn check_assertion(
        &self,
        web: &WebRequest<'_>,
        client: &Client,
        token: &str,
    ) -> Result<(), Refusal> {
        let decoded = self.verified_assertion(web, client, token).await?;
        check_type(&decoded.header)?;
        let claims = &decoded.claims;
        let named = |claim| claims.get(claim).and_then(Value::as_str) == Some(&*client.id);
        if !named("iss") || !named("sub") {
            return Err(no("wrong_issuer", "its iss and sub must be the client id"));
        }
        if !self.is_meant(claims.get("aud"), web.path) {
            return Err(no(
                "wrong_audience",
                "its aud must be this server's issuer or token endpoint, and nobody else",
            ));
        }
        let expires_at_ms = check_times(&decoded, self.audit.clock.now_ms())?;
        let jti = claims
            .get("jti")
            .and_then(Value::as_str)
            .unwrap_or_default();
        if jti.is_empty() || jti.len() > MAX_JTI_BYTES {
            return Err(no(
                "no_jti",
                "its jti must be a text of 1 to 512 characters",
            ));
        }
        let id = format!("{} {jti}", client.id);
        let until = expires_at_ms + SKEW_MS;
        if self.first_use("client_assertion", &id, until).await? {
            return Ok(());
        }
        Err(no("replayed", "its jti was used before; sign a new one"))
    }

    async fn verified_assertion(
        &self,
        web: &WebRequest<'_>,
        client: &Client,
        token: &str,
    ) -> Result<Decoded, Refusal> {
        if let Some(jwks) = &client.jwks {
            return jose::verify(token, jwks, &ALGORITHMS).map_err(|error| bad(&error));
        }
        let url = client.jwks_uri.as_deref().unwrap_or_default();
        let known = self.clients.keys(url, self.audit.clock.now_ms());
        let keys = match known {
            Some(keys) => keys,
            None => self.fetch_keys(web, url).await?,
        };
        let error = match jose::verify(token, &keys.jwks, &ALGORITHMS) {
            Ok(decoded) => return Ok(decoded),
            Err(error) => error,
        };
        // The client may have new keys, under a new name or without one.
        let renewable = matches!(error, JoseError::UnknownKey | JoseError::Signature);
        let age_ms = self.audit.clock.now_ms() - keys.fetched_at_ms;
        if !renewable || age_ms < COOLDOWN_MS {
            return Err(bad(&error));
        }
        let keys = self.fetch_keys(web, url).await?;
        jose::verify(token, &keys.jwks, &ALGORITHMS).map_err(|error| bad(&error))
    }

    async fn fetch_keys(&self, web: &WebRequest<'_>, url: &str) -> Result<KeySet, OAuthError> {
        if let Some(error) = self.clients.failure(url, self.audit.clock.now_ms()) {
            return Err(error);
        }
        self.allow_fetch(&web.info).await?;
        let fetched = self.fetch_json(url, MAX_KEYS_BYTES).await;
        let now_ms = self.audit.clock.now_ms();
        let read = fetched
            .map_err(|error| refused("the client's key set", &error))
            .and_then(|fetched| {
                let jwks = public_keys(&fetched.json)
                    .map_err(|error| OAuthError::invalid_client(error.description))?;
                Ok((jwks, fetched.fresh_ms))
            });
        match read {
            Ok((jwks, fresh_ms)) => {
                let keys = KeySet {
                    jwks: Rc::new(jwks),
                    fetched_at_ms: now_ms,
                };
                self.clients.put_keys(url, keys.clone(), fresh_ms, now_ms);
                Ok(keys)
            }
            Err(error) => {
                self.clients.put_failure(url, &error, now_ms);
                Err(error)
            }
        }
    }

    /// A statement that somebody else may take too is not for us: he could pass it on.
    fn is_meant(&self, audience: Option<&Value>, path: &str) -> bool {
        match audience {
            Some(Value::String(one)) => self.is_ours(one, path),
            Some(Value::Array(several)) => {
                !several.is_empty()
                    && several
                        .iter()
                        .all(|one| one.as_str().is_some_and(|one| self.is_ours(one, path)))
            }
            _ => false,
        }
    }

    /// The issuer, the token endpoint, or the endpoint that is asked.
    fn is_ours(&self, audience: &str, path: &str) -> bool {
        let Some(rest) = audience.strip_prefix(self.issuer()) else {
            return false;
        };
        matches!(rest, "" | "/" | "/token" | "/api/v2/oauth/token") || rest == path
    }
}

/// A token of another purpose is none, even if the client signed it.
fn check_type(header: &Map<String, Value>) -> Result<(), Refusal> {
    let stated = header
        .get("typ")
        .map(|typ| typ.as_str().unwrap_or_default());
    let fits = stated.is_none_or(|typ| {
        typ.eq_ignore_ascii_case("jwt") || typ.eq_ignore_ascii_case("client-authentication+jwt")
    });
    fits.then_some(())
        .ok_or_else(|| no("wrong_type", "its typ must be JWT"))
}

/// When it expires.
fn check_times(decoded: &Decoded, now_ms: i64) -> Result<i64, Refusal> {
    let expires_at_ms = decoded
        .check_times(now_ms, SKEW_MS)
        .and_then(|()| decoded.time_ms("exp"))
        .map_err(|error| bad(&error))?
        .unwrap_or_default();
    if expires_at_ms > now_ms + LONGEST_MS + SKEW_MS {
        return Err(no(
            "expires_too_late",
            "its exp must be within the next 10 minutes",
        ));
    }
    Ok(expires_at_ms)
}

fn bad(error: &JoseError) -> Refusal {
    Refusal {
        error: Box::new(OAuthError::invalid_client(format!(
            "client_assertion is refused: {error}"
        ))),
        reason: match error {
            JoseError::Malformed => "malformed_assertion",
            JoseError::Algorithm => "wrong_algorithm",
            JoseError::UnknownKey => "unknown_key",
            JoseError::Signature => "wrong_signature",
            JoseError::Key(_) => "unusable_key",
            JoseError::Critical => "unknown_extension",
            JoseError::Claim(_) => "wrong_claim",
            JoseError::Expired => "expired",
            JoseError::NotYet => "not_yet_valid",
        },
    }
}

fn no(reason: &'static str, why: &'static str) -> Refusal {
    Refusal {
        error: Box::new(OAuthError::invalid_client(format!(
            "client_assertion is refused: {why}"
        ))),
        reason,
    }
}
