use super::text::stem_of;
use super::{KeyState, KeyView};
use crate::auth::token::StoredToken;
use crate::auth::{AuthError, PrincipalKind};
use crate::sql::{DatabaseError, Row};
use crate::time::to_rfc3339;

/// A key on file.
pub(super) struct StoredKey {
    pub token: StoredToken,
    pub prefix: Option<String>,
    pub platform: Option<String>,
    pub created_at: i64,
    last_used_at: Option<i64>,
    revoked_at: Option<i64>,
}

impl StoredKey {
    pub fn read(row: &Row) -> Result<Self, DatabaseError> {
        let prefix = row.opt_text("key_prefix")?;
        let kind = prefix.as_deref().and_then(stem_of).map(|(_, kind)| kind);
        Ok(Self {
            token: StoredToken::read(row, kind.unwrap_or_default())?,
            platform: row.opt_text("platform")?,
            created_at: row.timestamp("created_at")?,
            last_used_at: row.opt_timestamp("last_used_at")?,
            revoked_at: row.opt_timestamp("revoked_at")?,
            prefix,
        })
    }

    pub fn owner(&self) -> &str {
        &self.token.principal.user_id
    }

    /// What stands before its digits, and what that makes it. None for a key not made here.
    pub fn stem(&self) -> Option<(&str, PrincipalKind)> {
        self.prefix.as_deref().and_then(stem_of)
    }

    pub fn scopes(&self) -> Vec<String> {
        let scopes = self.token.principal.scopes.iter();
        scopes.map(str::to_owned).collect()
    }

    pub fn view(&self, now_ms: i64) -> KeyView {
        let principal = &self.token.principal;
        KeyView {
            id: principal.token_id.clone(),
            name: principal.name.clone(),
            kind: self.stem().map(|(_, kind)| kind),
            user_id: principal.user_id.clone(),
            prefix: self.prefix.clone(),
            scopes: self.scopes(),
            platform: self.platform.clone(),
            state: match self.token.check(now_ms) {
                Ok(()) => KeyState::Active,
                Err(AuthError::Expired) => KeyState::Expired,
                Err(_) => KeyState::Inactive,
            },
            created_at: to_rfc3339(self.created_at),
            expires_at: self.token.ends_at().map(to_rfc3339),
            last_used_at: self.last_used_at.map(to_rfc3339),
            revoked_at: self.revoked_at.map(to_rfc3339),
        }
    }
}
