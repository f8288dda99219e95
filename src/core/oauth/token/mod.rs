//! The endpoints that clients call with what they were given: tokens, revocation,
//! introspection and `UserInfo`.
//!
//! Everything is checked, and the tokens are signed, before anything is consumed, so a
//! worker that dies in the middle leaves the code or refresh token as it was. What is
//! consumed then is the proof of the key, if there is one, and after it, in one batch, the rest.
//!
//! A code gives tokens once ([OAuth 2.1 section 4.1.3]): a second valid request with it ends
//! the grant, also when the first reply was lost, and the user is asked again. A refresh token
//! gives its successor again for [`REFRESH_AGAIN_MS`](super::settings::REFRESH_AGAIN_MS): many
//! clients refresh from several places at once, with nobody there to ask.
//!
//! [OAuth 2.1 section 4.1.3]: https://datatracker.ietf.org/doc/html/draft-ietf-oauth-v2-1-13#section-4.1.3

mod client_credentials;
mod code;
mod exchange;
mod introspect;
mod live;
mod pkce;
mod proof;
mod refresh;
mod resource;
mod revoke;
mod userinfo;

use serde_json::json;

use super::tokens::AccessToken;
use super::{AuthorizationServer, OAuthError, Params, WebRequest};
use crate::auth::Scopes;
use crate::http::HttpReply;
use crate::ports::Level;
use exchange::Exchange;

const CODE: &str = "authorization_code";
const REFRESH_TOKEN: &str = "refresh_token";
const CLIENT_CREDENTIALS: &str = "client_credentials";
/// What `grant_type` may be.
pub const GRANT_TYPES: [&str; 3] = [CODE, REFRESH_TOKEN, CLIENT_CREDENTIALS];

/// Refusals that no way to tokens notes by itself.
const UNNOTED: [&str; 3] = ["invalid_dpop_proof", "invalid_target", "invalid_scope"];

/// A successful answer of the token endpoint (RFC 6749 section 5.1).
struct Tokens {
    access: AccessToken,
    /// Bound to the client's key (RFC 9449).
    bound: bool,
    scopes: Scopes,
    refresh: Option<String>,
    id_token: Option<String>,
}

impl AuthorizationServer {
    pub(super) async fn token(&self, web: &WebRequest<'_>) -> HttpReply {
        match self.tokens(web).await {
            Ok(tokens) => never_stored(tokens.reply(), web),
            Err(error) => self.refusal(&error, web),
        }
    }

    async fn tokens(&self, web: &WebRequest<'_>) -> Result<Tokens, OAuthError> {
        let form = web.form()?;
        let grant_type = known_grant_type(&form)?;
        let client = self.authenticate_client(web, &form).await?;
        let mut exchange = Exchange {
            web,
            client: &client,
            form: &form,
            grant_type,
            proof: None,
        };
        let tokens = match self.proof(web, None) {
            Ok(proof) => {
                exchange.proof = proof;
                self.tokens_for(&exchange).await
            }
            Err(error) => Err(error),
        };
        if tokens.is_ok() {
            self.touch(&client);
        }
        // Where its own room has not written the row.
        tokens.inspect_err(|error| {
            if UNNOTED.contains(&error.code) {
                self.note(&exchange, None, Err(error.code));
            }
        })
    }

    /// For a client that has proven itself.
    async fn tokens_for(&self, exchange: &Exchange<'_>) -> Result<Tokens, OAuthError> {
        if !exchange.client.may(exchange.grant_type) {
            self.note(exchange, None, Err("grant_type_not_registered"));
            return Err(OAuthError::new(
                "unauthorized_client",
                "the client is not registered for this grant_type; register it with grant_types that hold it",
            ));
        }
        match exchange.grant_type {
            CODE => self.by_code(exchange).await,
            REFRESH_TOKEN => self.by_refresh_token(exchange).await,
            _ => self.by_client_credentials(exchange).await,
        }
    }

    /// The error answer. Its cause goes to the log.
    pub(super) fn refusal(&self, error: &OAuthError, web: &WebRequest<'_>) -> HttpReply {
        if let Some(cause) = &error.cause {
            let fields = json!({
                "error": cause, "path": web.path, "request_id": web.info.request_id,
            });
            self.audit.log.record(Level::Error, "oauth_failed", fields);
        }
        error.reply(&web.info.request_id)
    }
}

fn known_grant_type(form: &Params) -> Result<&'static str, OAuthError> {
    let asked = form.require("grant_type")?;
    GRANT_TYPES
        .into_iter()
        .find(|known| *known == asked)
        .ok_or_else(|| {
            OAuthError::new(
                "unsupported_grant_type",
                "grant_type is one of authorization_code, refresh_token and client_credentials",
            )
        })
}

/// RFC 6749 section 5.1.
fn never_stored(reply: HttpReply, web: &WebRequest<'_>) -> HttpReply {
    reply
        .with_header("cache-control", "no-store")
        .with_header("pragma", "no-cache")
        .with_header("x-request-id", web.info.request_id.clone())
}

fn joined(scopes: &Scopes) -> String {
    scopes.iter().collect::<Vec<_>>().join(" ")
}

impl Tokens {
    fn reply(&self) -> HttpReply {
        let mut body = json!({
            "access_token": self.access.token,
            "token_type": if self.bound { "DPoP" } else { "Bearer" },
            "expires_in": self.access.expires_in_s,
            "scope": joined(&self.scopes),
        });
        for (name, token) in [
            ("refresh_token", &self.refresh),
            ("id_token", &self.id_token),
        ] {
            if let (Some(token), Some(object)) = (token, body.as_object_mut()) {
                object.insert(name.to_owned(), json!(token));
            }
        }
        HttpReply::json(200, body.to_string().into_bytes())
    }
}

#[cfg(test)]
mod tests;
