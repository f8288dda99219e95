//! Tokens as stored: a row of `api_tokens`, and what makes it valid.

use super::{AuthError, Principal, PrincipalKind, Scopes};
use crate::sql::{DatabaseError, Row, Statement};

/// Longest life of a service token: 90 days.
pub const MAX_SERVICE_LIFE_MS: i64 = 90 * 24 * 60 * 60 * 1000;

const SELECT: &str = "SELECT t.id, t.user_id, t.identity_id, t.name, t.scopes, t.status,
    t.expires_at, t.revoked_at, t.created_at, i.status AS person
    FROM api_tokens t LEFT JOIN identities i ON i.id = COALESCE(t.user_id, t.identity_id)
    WHERE t.type = 'bearer' AND";

pub fn look_up(hash: &[u8; 32]) -> Statement {
    Statement::new(format!("{SELECT} t.token_hash = ?1")).bind(hex::encode(hash))
}

/// By the row's id, of a token that was shown before.
pub fn look_up_known(id: &str) -> Statement {
    Statement::new(format!("{SELECT} t.id = ?1")).bind(id)
}

pub fn mark_used(token_id: &str, now_ms: i64) -> Statement {
    Statement::new("UPDATE api_tokens SET last_used_at = ?1 WHERE id = ?2")
        .timestamp(now_ms)
        .bind(token_id)
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredToken {
    pub principal: Principal,
    pub expires_at: Option<i64>,
    created_at: i64,
    status: Option<String>,
    revoked: bool,
    suspended: bool,
    has_scopes: bool,
}

impl StoredToken {
    pub fn read(row: &Row, kind: PrincipalKind) -> Result<Self, DatabaseError> {
        let id = row.text("id")?;
        // A token of nobody in particular owns what it makes under its own id.
        let user_id = row
            .opt_text("user_id")?
            .or(row.opt_text("identity_id")?)
            .unwrap_or_else(|| format!("token:{id}"));
        let scopes = row.opt_json("scopes")?.and_then(|json| scopes_of(&json));
        Ok(Self {
            expires_at: row.opt_timestamp("expires_at")?,
            created_at: row.timestamp("created_at")?,
            status: row.opt_text("status")?,
            revoked: row.opt_timestamp("revoked_at")?.is_some(),
            // Not every user has a row; one that has must be active.
            suspended: row
                .opt_text("person")?
                .is_some_and(|person| person != "active"),
            has_scopes: scopes.is_some(),
            principal: Principal {
                user_id,
                name: row.text("name")?,
                kind,
                scopes: scopes.unwrap_or_default(),
                token_id: id,
                client_id: None,
            },
        })
    }

    /// Status, revocation, its owner's standing, expiry and scopes; whatever is not said is a no.
    pub fn check(&self, now_ms: i64) -> Result<(), AuthError> {
        if self.status.as_deref() != Some("active")
            || self.revoked
            || self.suspended
            || !self.has_scopes
        {
            return Err(AuthError::Inactive);
        }
        if self.ends_at().is_some_and(|end| end <= now_ms) {
            return Err(AuthError::Expired);
        }
        Ok(())
    }

    /// When the token stops to be valid. Service tokens end after 90 days, and at once
    /// where no end is written.
    pub fn ends_at(&self) -> Option<i64> {
        match self.principal.kind {
            PrincipalKind::User => self.expires_at,
            PrincipalKind::Service => Some(
                self.expires_at
                    .unwrap_or(i64::MIN)
                    .min(self.created_at.saturating_add(MAX_SERVICE_LIFE_MS)),
            ),
        }
    }
}

/// A JSON array of texts; anything else grants nothing.
fn scopes_of(json: &serde_json::Value) -> Option<Scopes> {
    let scopes: Option<Vec<&str>> = json.as_array()?.iter().map(|s| s.as_str()).collect();
    scopes.map(Scopes::new)
}
