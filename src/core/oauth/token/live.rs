//! Tokens that clients bring back: what they are good for, and whose they are.

use super::super::store::{Place, REFRESH, StoredRefresh};
use super::super::{AuthorizationServer, Grant, OAuthError};
use crate::auth::Principal;
use crate::auth::access_token::{self, Claims, Fault};

/// A token that is good now.
pub(super) enum Live {
    Access(Box<Claims>, Box<Principal>),
    Refresh(Box<StoredRefresh>),
}

impl AuthorizationServer {
    /// None for everything else: keys, codes, tokens of others, and what has ended.
    pub(super) async fn live(&self, token: &str) -> Result<Option<Live>, OAuthError> {
        if !token.starts_with(REFRESH) {
            let live = self.live_access(token).await?;
            return Ok(live.map(|(claims, who)| Live::Access(Box::new(claims), Box::new(who))));
        }
        let stored = self.refresh_token(token).await?;
        let now_ms = self.audit.clock.now_ms();
        let live = stored.filter(|stored| {
            stored.place() == Place::Last
                && stored.expires_at_ms > now_ms
                && stored.standing.check(now_ms).is_ok()
        });
        Ok(live.map(|stored| Live::Refresh(Box::new(stored))))
    }

    /// What an access token says, and who calls with it. The resource may be any of ours.
    pub(super) async fn live_access(
        &self,
        token: &str,
    ) -> Result<Option<(Claims, Principal)>, OAuthError> {
        let (database, clock) = (&*self.audit.database, &*self.audit.clock);
        let verified =
            access_token::verify(token, self.issuer(), &self.keys, database, clock).await;
        let claims = match verified {
            Ok(claims) => claims,
            Err(Fault::Refused(_)) => return Ok(None),
            Err(Fault::Database(error)) => return Err(error.into()),
        };
        let grant = access_token::Grant::find(&claims.grant_id, database).await?;
        let who = grant.and_then(|grant| grant.principal(&claims, clock.now_ms()).ok());
        Ok(who.map(|who| (claims, who)))
    }

    /// The grant of a token of ours, also of a refresh token that was replaced.
    pub(super) async fn grant_behind(&self, token: &str) -> Result<Option<Grant>, OAuthError> {
        if token.starts_with(REFRESH) {
            let stored = self.refresh_token(token).await?;
            return Ok(stored.map(|stored| stored.standing.grant));
        }
        match self.live_access(token).await? {
            Some((claims, _)) => self.grant(&claims.grant_id).await,
            None => Ok(None),
        }
    }
}
