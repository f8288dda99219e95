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
        let stored = self.checked_code(exchange).await?;
        self.check_resource(exchange.form, &stored.standing.grant.resource)?;
        let grant = self.started(exchange, &stored);
        let mut tokens = self.signed(exchange, &grant, &stored).await?;
        self.spend_proof(exchange.proof.as_ref()).await?;
        tokens.refresh = self.redeemed(exchange, &stored, &grant).await?;
        self.note(exchange, Some(&grant), Ok(()));
        Ok(tokens)
    }

    /// The code as stored, if its client may redeem it now.
    pub(super) async fn checked_code(
        &self,
        exchange: &Exchange<'_>,
    ) -> Result<StoredCode, OAuthError> {
        let code = exchange.form.require("code")?;
        let Some(stored) = self.code(code).await? else {
            return Err(self.refuse(exchange, None, "unknown_code"));
        };
        self.check_code(exchange, &stored).await?;
        Ok(stored)
    }

    /// The first refresh token, where the client may have one.
    pub(super) async fn redeemed(
        &self,
        exchange: &Exchange<'_>,
        stored: &StoredCode,
        grant: &Grant,
    ) -> Result<Option<String>, OAuthError> {
        let with_refresh = exchange.client.may(REFRESH_TOKEN);
        match self.redeem(stored, grant, with_refresh).await? {
            Redeemed::Won(refresh) => Ok(refresh),
            Redeemed::Replayed => Err(self.replayed(exchange, stored).await?),
            Redeemed::Ended => Err(self.refuse(exchange, Some(grant), "code_ended")),
        }
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

    /// The grant as it is from its code's redemption on. A public client has nothing but its
    /// key to prove itself with later, so the whole grant is bound to it (RFC 9449 section 5).
    pub(super) fn started(&self, exchange: &Exchange<'_>, stored: &StoredCode) -> Grant {
        let with_refresh = exchange.client.may(REFRESH_TOKEN);
        let granted = stored.standing.grant.clone();
        let key = exchange.jkt().filter(|_| exchange.client.is_public());
        Grant {
            expires_at_ms: grant_end(self.audit.clock.now_ms(), with_refresh),
            scopes: stored.standing.narrow(&granted.scopes),
            dpop_jkt: key.map(str::to_owned).or(granted.dpop_jkt),
            ..granted
        }
    }

    async fn signed(
        &self,
        exchange: &Exchange<'_>,
        grant: &Grant,
        stored: &StoredCode,
    ) -> Result<Tokens, OAuthError> {
        let with_id = grant.scopes.iter().any(|scope| scope == "openid");
        let id_token = if with_id {
            Some(self.id_token(grant, stored.nonce.as_deref()).await?)
        } else {
            None
        };
        Ok(Tokens {
            access: self.access_for(exchange, grant, &grant.scopes).await?,
            bound: exchange.proof.is_some(),
            scopes: grant.scopes.clone(),
            refresh: None,
            id_token,
        })
    }
}

/// OAuth 2.1 section 4.1.3 has no `redirect_uri` here: PKCE does its work. Where it is sent it
/// must be right, and without PKCE it must be sent (RFC 6749 section 4.1.3).
fn returns(redirect_uri: Option<&str>, stored: &StoredCode) -> bool {
    redirect_uri.map_or(stored.code_challenge.is_some(), |sent| {
        same(sent.as_bytes(), stored.redirect_uri.as_bytes())
    })
}

fn belongs(exchange: &Exchange<'_>, stored: &StoredCode) -> Result<(), &'static str> {
    let grant = &stored.standing.grant;
    let sent = |name| exchange.form.get(name);
    if grant.client_id != exchange.client.id {
        return Err("code_of_another_client");
    }
    if !returns(sent("redirect_uri"), stored) {
        return Err("redirect_uri_mismatch");
    }
    if !pkce::proves(sent("code_verifier"), stored.code_challenge.as_deref()) {
        return Err("code_verifier_mismatch");
    }
    if grant.dpop_jkt.is_some() && grant.dpop_jkt.as_deref() != exchange.jkt() {
        return Err("key_mismatch");
    }
    Ok(())
}
