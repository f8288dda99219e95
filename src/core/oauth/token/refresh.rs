//! Refresh tokens (OAuth 2.1 section 4.3), replaced at each use (RFC 9700 section 4.14.2).

use super::super::settings::REFRESH_AGAIN_MS;
use super::super::store::{Ended, Place, StoredRefresh};
use super::super::{AuthorizationServer, OAuthError};
use super::Tokens;
use super::exchange::Exchange;
use crate::auth::Scopes;

/// Why a grant ended whose replaced token came back late.
const REUSED: &str = "refresh_token_reused";
/// How far a client that refreshes from several places at once is led along its chain.
const MAX_STEPS: u32 = 8;

impl AuthorizationServer {
    pub(super) async fn by_refresh_token(
        &self,
        exchange: &Exchange<'_>,
    ) -> Result<Tokens, OAuthError> {
        let presented = exchange.form.require("refresh_token")?;
        let stored = self.checked_refresh(exchange, presented).await?;
        let granted = &stored.standing.grant;
        self.check_resource(exchange.form, &granted.resource)?;
        let scopes = narrowed(exchange.form.get("scope"), &granted.scopes)?;
        let scopes = stored.standing.narrow(&scopes);
        let access = self.access_for(exchange, granted, &scopes).await?;
        self.spend_proof(exchange.proof.as_ref()).await?;
        let refresh = self.replaced(exchange, presented, &stored).await?;
        self.note(exchange, Some(granted), Ok(()));
        Ok(Tokens {
            access,
            bound: exchange.proof.is_some(),
            scopes,
            refresh: Some(refresh),
            id_token: None,
        })
    }

    /// The token as stored, if its client may use it now.
    pub(super) async fn checked_refresh(
        &self,
        exchange: &Exchange<'_>,
        presented: &str,
    ) -> Result<StoredRefresh, OAuthError> {
        let Some(stored) = self.refresh_token(presented).await? else {
            return Err(self.refuse(exchange, None, "unknown_refresh_token"));
        };
        self.check_refresh(exchange, &stored).await?;
        Ok(stored)
    }

    pub(super) async fn replaced(
        &self,
        exchange: &Exchange<'_>,
        presented: &str,
        stored: &StoredRefresh,
    ) -> Result<String, OAuthError> {
        let last = self.last_of_chain(presented, stored).await?;
        let grant = Some(&stored.standing.grant);
        last.ok_or_else(|| self.refuse(exchange, grant, "chain_ended"))
    }

    async fn check_refresh(
        &self,
        exchange: &Exchange<'_>,
        stored: &StoredRefresh,
    ) -> Result<(), OAuthError> {
        let (now_ms, grant) = (self.audit.clock.now_ms(), &stored.standing.grant);
        let refuse = |reason| Err(self.refuse(exchange, Some(grant), reason));
        if grant.client_id != exchange.client.id {
            return refuse("refresh_token_of_another_client");
        }
        if grant.dpop_jkt.is_some() && grant.dpop_jkt.as_deref() != exchange.jkt() {
            return refuse("key_mismatch");
        }
        if let Err(ended) = stored.standing.check(now_ms) {
            if ended == Ended::Key {
                self.revoke_grant(&grant.id, ended.reason()).await?;
            }
            return refuse(ended.reason());
        }
        let replaced = stored.replaced_at_ms;
        if replaced.is_some_and(|at| at.saturating_add(REFRESH_AGAIN_MS) < now_ms) {
            self.revoke_grant(&grant.id, REUSED).await?;
            return refuse(REUSED);
        }
        if stored.expires_at_ms <= now_ms {
            return refuse("refresh_token_expired");
        }
        Ok(())
    }

    /// The live token of the chain, made now if `presented` is it. A client that refreshes from
    /// several places at once gets the newest in each, so none is left with one that would end
    /// the grant later. None if the chain has ended, or goes on under a key that is no more.
    async fn last_of_chain(
        &self,
        presented: &str,
        stored: &StoredRefresh,
    ) -> Result<Option<String>, OAuthError> {
        let (mut token, mut place) = (presented.to_owned(), stored.place());
        for _ in 0..MAX_STEPS {
            let next = self.successor(&token);
            let found = match place {
                Place::Last => self.replace(&token, &stored.standing.grant.id).await?,
                Place::Before => {
                    let found = self.refresh_token(&next).await?;
                    found.as_ref().map(StoredRefresh::place)
                }
            };
            match found {
                None => return Ok(None),
                Some(Place::Last) => return Ok(Some(next)),
                Some(Place::Before) => (token, place) = (next, Place::Before),
            }
        }
        Ok(None)
    }
}

/// What a client asks for of what it was granted, all by default; never more.
fn narrowed(asked: Option<&str>, granted: &Scopes) -> Result<Scopes, OAuthError> {
    let Some(asked) = asked else {
        return Ok(granted.clone());
    };
    let asked: Vec<&str> = asked.split(' ').filter(|scope| !scope.is_empty()).collect();
    let is_granted = |scope: &&str| granted.iter().any(|known| known == *scope);
    if asked.is_empty() || !asked.iter().all(is_granted) {
        return Err(OAuthError::new(
            "invalid_scope",
            "scope may only name what was granted; leave it out to keep all of it",
        ));
    }
    Ok(Scopes::new(asked))
}
