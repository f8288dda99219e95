//! What is signed for clients: access tokens (RFC 9068) and id tokens.

use serde_json::{Map, Value, json};

use super::settings::{ACCESS_TOKEN_MS, ID_TOKEN_MS};
use super::{AuthorizationServer, Grant, OAuthError};
use crate::auth::Scopes;
use crate::ids;
use crate::signing_keys::{KeyError, KeyPorts};

/// `typ` of an access token (RFC 9068 section 2.1).
const ACCESS_TOKEN: &str = "at+jwt";
const ID_TOKEN: &str = "JWT";

/// A signed access token.
pub(super) struct AccessToken {
    pub token: String,
    pub expires_in_s: i64,
}

/// `iat` and `exp`, in seconds.
struct Life {
    from: i64,
    until: i64,
}

impl AuthorizationServer {
    /// RFC 9068, for the grant's resource and no other. It ends with its grant.
    pub(super) async fn access_token(
        &self,
        grant: &Grant,
        scopes: &Scopes,
    ) -> Result<AccessToken, OAuthError> {
        let life = self.life(ACCESS_TOKEN_MS, grant)?;
        let scopes: Vec<&str> = scopes.iter().collect();
        let mut claims = self.common(grant, &life);
        claims.extend(members(json!({
            "aud": grant.resource,
            "client_id": grant.client_id,
            "scope": scopes.join(" "),
            "jti": ids::plain(&*self.audit.clock, &*self.audit.entropy)?,
            "gid": grant.id,
        })));
        if let Some(jkt) = &grant.dpop_jkt {
            claims.insert("cnf".to_owned(), json!({ "jkt": jkt }));
        }
        let (ports, claims) = (self.key_ports(), Value::Object(claims));
        Ok(AccessToken {
            token: self.keys.sign(&ports, ACCESS_TOKEN, &claims).await?,
            expires_in_s: life.until - life.from,
        })
    }

    /// `OpenID` Connect Core section 2, with what the grant's scopes let its client know.
    pub(super) async fn id_token(
        &self,
        grant: &Grant,
        nonce: Option<&str>,
    ) -> Result<String, OAuthError> {
        let mut claims = self.claims_about(&grant.user_id, &grant.scopes).await?;
        claims.extend(self.common(grant, &self.life(ID_TOKEN_MS, grant)?));
        claims.insert("aud".to_owned(), json!(grant.client_id));
        if let Some(nonce) = nonce {
            claims.insert("nonce".to_owned(), json!(nonce));
        }
        let (ports, claims) = (self.key_ports(), Value::Object(claims));
        Ok(self.keys.sign(&ports, ID_TOKEN, &claims).await?)
    }

    pub(super) fn key_ports(&self) -> KeyPorts<'_> {
        KeyPorts {
            database: &*self.audit.database,
            clock: &*self.audit.clock,
            entropy: &*self.audit.entropy,
            sealer: &self.sealer,
            log: &*self.audit.log,
        }
    }

    /// Claims of both kinds.
    fn common(&self, grant: &Grant, life: &Life) -> Map<String, Value> {
        let mut claims = members(json!({
            "iss": self.issuer(),
            "sub": grant.user_id,
            "iat": life.from,
            "exp": life.until,
        }));
        if let Some(at_ms) = grant.auth_time_ms {
            claims.insert("auth_time".to_owned(), json!(at_ms.div_euclid(1000)));
        }
        claims
    }

    fn life(&self, life_ms: i64, grant: &Grant) -> Result<Life, OAuthError> {
        let now_ms = self.audit.clock.now_ms();
        let ends_ms = now_ms.saturating_add(life_ms).min(grant.expires_at_ms);
        let life = Life {
            from: now_ms.div_euclid(1000),
            until: ends_ms.div_euclid(1000),
        };
        if life.from < life.until {
            Ok(life)
        } else {
            Err(OAuthError::invalid_grant(
                "the grant has expired; send its user to the authorization endpoint again",
            ))
        }
    }
}

pub(super) fn members(object: Value) -> Map<String, Value> {
    match object {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

impl From<KeyError> for OAuthError {
    fn from(error: KeyError) -> Self {
        Self::server_error(error.to_string())
    }
}
