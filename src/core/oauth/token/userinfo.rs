//! `UserInfo` (`OpenID` Connect Core section 5.3): claims about the person behind an access
//! token, which may be for any of our resources.

use serde_json::{Map, Value, json};

use super::super::{AuthorizationServer, OAuthError, WebRequest};
use super::never_stored;
use crate::auth::{AuditEvent, Decision};
use crate::http::HttpReply;

impl AuthorizationServer {
    pub(in crate::oauth) async fn userinfo(&self, web: &WebRequest<'_>) -> HttpReply {
        let answer = self.about_caller(web).await;
        let refused = answer.as_ref().err().map(|error| error.code);
        self.audit.record(
            AuditEvent {
                action: "userinfo",
                resource_type: "identity",
                resource_id: None,
                decision: refused.map_or(Decision::Allow, Decision::Deny),
                details: json!({}),
            },
            None,
            &web.info,
        );
        match answer {
            Ok(claims) => {
                let body = Value::Object(claims).to_string().into_bytes();
                never_stored(HttpReply::json(200, body), web)
            }
            Err(error) => self.refusal(&error, web),
        }
    }

    async fn about_caller(&self, web: &WebRequest<'_>) -> Result<Map<String, Value>, OAuthError> {
        let header = web.headers.get("authorization").unwrap_or_default();
        let (scheme, token) = header.trim().split_once(' ').unwrap_or_default();
        let bound = scheme.eq_ignore_ascii_case("dpop");
        if !bound && !scheme.eq_ignore_ascii_case("bearer") {
            return Err(invalid_token(
                "send an access token as Authorization: Bearer",
            ));
        }
        let token = token.trim_start();
        let (claims, who) = self
            .live_access(token)
            .await?
            .ok_or_else(|| invalid_token("the access token is unknown, expired or revoked"))?;
        if claims.jkt.is_some() != bound {
            return Err(invalid_token(
                "send the access token under the scheme it was issued for",
            ));
        }
        if bound {
            let proof = self.proof(web, Some(token))?;
            if proof.as_ref().map(|proof| &proof.jkt) != claims.jkt.as_ref() {
                return Err(invalid_token("the DPoP proof is not of the token's key"));
            }
            self.spend_proof(proof.as_ref()).await?;
        }
        if !who.scopes.iter().any(|scope| scope == "openid") {
            return Err(OAuthError {
                status: 403,
                challenge: Some("Bearer error=\"insufficient_scope\", scope=\"openid\"".to_owned()),
                ..OAuthError::new(
                    "insufficient_scope",
                    "the access token lacks the scope openid",
                )
            });
        }
        self.claims_about(&who.user_id, &who.scopes).await
    }
}

/// RFC 6750 section 3.1.
fn invalid_token(why: &'static str) -> OAuthError {
    OAuthError {
        status: 401,
        challenge: Some("Bearer error=\"invalid_token\"".to_owned()),
        ..OAuthError::new("invalid_token", why)
    }
}
