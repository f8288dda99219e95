//! Introspection (RFC 7662), of a client's own tokens alone.

use serde_json::{Value, json};

use super::super::store::StoredRefresh;
use super::super::{AuthorizationServer, OAuthError, WebRequest};
use super::exchange::Noted;
use super::live::Live;
use super::{joined, never_stored};
use crate::auth::Principal;
use crate::auth::access_token::Claims;
use crate::http::HttpReply;

impl AuthorizationServer {
    pub(in crate::oauth) async fn introspect(&self, web: &WebRequest<'_>) -> HttpReply {
        match self.introspection(web).await {
            Ok(told) => never_stored(HttpReply::json(200, told.to_string().into_bytes()), web),
            Err(error) => self.refusal(&error, web),
        }
    }

    async fn introspection(&self, web: &WebRequest<'_>) -> Result<Value, OAuthError> {
        let form = web.form()?;
        let client = self.authenticate_client(web, &form).await?;
        let noted = Noted {
            action: "oauth_introspect",
            client: &client,
            grant: None,
        };
        // Section 2.1: else anybody could try tokens out.
        if client.is_public() {
            self.note_client(web, &noted, Err("public_client"));
            return Err(OAuthError::invalid_client(
                "introspection needs a client with a secret or key",
            ));
        }
        let live = self.live(form.require("token")?).await?;
        let own = live.filter(|live| live.client_id() == client.id);
        let reason = own.as_ref().map(|_| ()).ok_or("not_live_or_not_its_own");
        self.note_client(web, &noted, reason);
        Ok(match own {
            Some(Live::Access(claims, who)) => self.about_access(&claims, &who),
            Some(Live::Refresh(stored)) => self.about_refresh(&stored),
            None => json!({"active": false}),
        })
    }

    fn about_access(&self, claims: &Claims, who: &Principal) -> Value {
        let mut told = json!({
            "active": true,
            "token_type": if claims.jkt.is_some() { "DPoP" } else { "Bearer" },
            "scope": joined(&who.scopes),
            "client_id": claims.client_id,
            "sub": claims.user_id,
            "aud": claims.audience,
            "iss": self.issuer(),
            "iat": claims.issued_ms.div_euclid(1000),
            "exp": claims.expires_ms.div_euclid(1000),
        });
        if let (Some(jkt), Some(told)) = (&claims.jkt, told.as_object_mut()) {
            told.insert("cnf".to_owned(), json!({ "jkt": jkt }));
        }
        told
    }

    fn about_refresh(&self, stored: &StoredRefresh) -> Value {
        let grant = &stored.standing.grant;
        json!({
            "active": true,
            "scope": joined(&stored.standing.narrow(&grant.scopes)),
            "client_id": grant.client_id,
            "sub": grant.user_id,
            "aud": grant.resource,
            "iss": self.issuer(),
            "exp": stored.expires_at_ms.div_euclid(1000),
        })
    }
}

impl Live {
    fn client_id(&self) -> &str {
        match self {
            Self::Access(claims, _) => &claims.client_id,
            Self::Refresh(stored) => &stored.standing.grant.client_id,
        }
    }
}
