//! Grants, codes, refresh tokens and ids that count once. Each verb is one guarded
//! statement or one batch, so that a reply that is lost leaves nothing half done.

mod codes;
mod expire;
mod grants;
mod once;
mod refresh;
mod standing;

pub(super) use codes::{NewCode, Redeemed, StoredCode, grant_end};
pub use expire::{Expired, expire};
pub(super) use refresh::{Place, StoredRefresh};
pub(super) use standing::Ended;

use super::{AuthorizationServer, OAuthError};

pub(super) const CODE: &str = "chitty_code_";
pub(super) const REFRESH: &str = "chitty_refresh_";

impl AuthorizationServer {
    /// `{prefix}{64 hex digits}`.
    fn fresh(&self, prefix: &str) -> Result<String, OAuthError> {
        let mut random = [0; 32];
        self.audit.entropy.fill(&mut random)?;
        Ok(format!("{prefix}{}", hex::encode(random)))
    }

    fn now_ms(&self) -> i64 {
        self.audit.clock.now_ms()
    }
}
