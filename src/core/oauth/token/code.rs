//! The authorization code grant (OAuth 2.1 section 4.1.3).

use super::super::store::{Redeemed, StoredCode, grant_end};
use super::super::{AuthorizationServer, Grant, OAuthError};
use super::exchange::Exchange;
use super::{REFRESH_TOKEN, Tokens, pkce};
use crate::secret::same;

/// Why a grant ended whose code came twice.
const REPLAYED: &str = "code_replayed";

impl AuthorizationServer {
    pub(super) async fn by_code(&self, exchange: &Exchange<'_>) -> Result<Tokens, OAuthError> {
        let code = exchange.form.require("code")?;
        exchange.form.require("redirect_uri")?;
        let Some(stored) = self.code(code).await? else {
            return Err(self.refuse(exchange, None, "unknown_code"));
        };
        self.check_code(exchange, &stored).await?;
        self.check_resource(exchange.form, &stored.standing.grant.resource)?;
        let with_refresh = exchange.client.may(REFRESH_TOKEN);
        let grant = self.started(exchange, &stored, with_refresh);
        let mut tokens = self.signed(&grant, &stored).await?;
        match self.redeem(&stored, &grant, with_refresh).await? {
            Redeemed::Won(refresh) => tokens.refresh = refresh,
            Redeemed::Replayed => return Err(self.replayed(exchange, &stored).await?),
            Redeemed::Ended => return Err(self.refuse(exchange, Some(&grant), "code_ended")),
        }
        self.note(exchange, Some(&grant), Ok(()));
        Ok(tokens)
    }

    /// Only who could have redeemed a code can end its grant by sending it again.
    async fn check_code(
        &self,
        exchange: &Exchange<'_>,
        stored: &StoredCode,
    ) -> Result<(), OAuthError> {
        let grant = Some(&stored.standing.grant);
        if let Err(reason) = belongs(exchange, stored) {
            return Err(self.refuse(exchange, grant, reason));
        }
        if stored.redeemed {
            return Err(self.replayed(exchange, stored).await?);
        }
        let now_ms = self.audit.clock.now_ms();
        if stored.expires_at_ms <= now_ms {
            return Err(self.refuse(exchange, grant, "code_expired"));
        }
        let standing = stored.standing.check(now_ms);
        standing.map_err(|ended| self.refuse(exchange, grant, ended.reason()))
    }

    async fn replayed(
        &self,
        exchange: &Exchange<'_>,
        stored: &StoredCode,
    ) -> Result<OAuthError, OAuthError> {
        let grant = &stored.standing.grant;
        self.revoke_grant(&grant.id, REPLAYED).await?;
        Ok(self.refuse(exchange, Some(grant), REPLAYED))
    }

    /// The grant as it is from its code's redemption on.
    fn started(&self, exchange: &Exchange<'_>, stored: &StoredCode, with_refresh: bool) -> Grant {
        let granted = stored.standing.grant.clone();
        Grant {
            expires_at_ms: grant_end(self.audit.clock.now_ms(), with_refresh),
            dpop_jkt: exchange.jkt.clone().or(granted.dpop_jkt),
            ..granted
        }
    }

    async fn signed(&self, grant: &Grant, stored: &StoredCode) -> Result<Tokens, OAuthError> {
        let with_id = grant.scopes.iter().any(|scope| scope == "openid");
        let id_token = if with_id {
            Some(self.id_token(grant, stored.nonce.as_deref()).await?)
        } else {
            None
        };
        Ok(Tokens {
            access: self.access_token(grant, &grant.scopes).await?,
            bound: grant.dpop_jkt.is_some(),
            scopes: grant.scopes.clone(),
            refresh: None,
            id_token,
        })
    }
}

fn belongs(exchange: &Exchange<'_>, stored: &StoredCode) -> Result<(), &'static str> {
    let grant = &stored.standing.grant;
    let sent = |name| exchange.form.get(name);
    if grant.client_id != exchange.client.id {
        return Err("code_of_another_client");
    }
    let redirect_uri = sent("redirect_uri").unwrap_or_default();
    if !same(redirect_uri.as_bytes(), stored.redirect_uri.as_bytes()) {
        return Err("redirect_uri_mismatch");
    }
    if !pkce::proves(sent("code_verifier"), stored.code_challenge.as_deref()) {
        return Err("code_verifier_mismatch");
    }
    if grant.dpop_jkt.is_some() && grant.dpop_jkt != exchange.jkt {
        return Err("key_mismatch");
    }
    Ok(())
}
