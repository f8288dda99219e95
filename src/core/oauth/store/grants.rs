//! Rows of `oauth_grants`.

use serde_json::json;

use super::super::{AuthorizationServer, Grant, GrantKind, NewGrant, OAuthError};
use super::standing::{self, Standing};
use crate::auth::{AuditEvent, Decision, Principal, RequestInfo, Scopes};
use crate::ids;
use crate::sql::{DatabaseError, Row, Statement};

/// Of a grant `g`.
pub(super) const COLUMNS: &str = "g.id, g.kind, g.user_id, g.client_id, g.client_name,
    g.resource, g.scopes, g.token_id, g.auth_time, g.dpop_jkt, g.created_at, g.expires_at,
    g.last_used_at, g.revoked_at";

/// Most grants of a user that are listed.
const MAX_LISTED: i64 = 200;

const INSERT: &str = "INSERT INTO oauth_grants (id, kind, user_id, client_id, client_name,
    resource, scopes, token_id, auth_time, dpop_jkt, created_at, expires_at)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";

const REVOKE: &str = "UPDATE oauth_grants SET revoked_at = ?1, revoke_reason = ?2
    WHERE id = ?3 AND revoked_at IS NULL AND expires_at > ?1";

const BY_USER: &str = "ended_by_user";

/// After `REVOKE` in one batch: only if that found the guard open.
const REVOKED_NOW: &str = "EXISTS (SELECT 1 FROM oauth_grants WHERE id = ?14 AND revoked_at = ?15)";

/// The key that its user signed in with has not ended; a grant without one has nothing to lose.
const KEY_STANDS: &str = "(g.token_id IS NULL OR (t.status = 'active' AND t.revoked_at IS NULL
    AND (t.expires_at IS NULL OR t.expires_at > ?1)))";

impl AuthorizationServer {
    pub(in crate::oauth) async fn grant(&self, id: &str) -> Result<Option<Grant>, OAuthError> {
        let sql = format!("SELECT {COLUMNS} FROM oauth_grants g WHERE g.id = ?1");
        let outcome = self
            .audit
            .database
            .run(Statement::new(sql).bind(id))
            .await?;
        Ok(outcome.first().map(Grant::read).transpose()?)
    }

    /// Live grants of a user whose codes were redeemed, newest first, at most [`MAX_LISTED`]. Their
    /// scopes are what is left of them under the roles that the user has now.
    pub(in crate::oauth) async fn grants_of(
        &self,
        user_id: &str,
    ) -> Result<Vec<Grant>, OAuthError> {
        let select = standing::select("", "oauth_grants g");
        let sql = format!(
            "{select} WHERE g.user_id = ?2 AND g.revoked_at IS NULL AND g.expires_at > ?1
                AND g.last_used_at IS NOT NULL AND {KEY_STANDS}
            ORDER BY g.created_at DESC, g.id DESC LIMIT {MAX_LISTED}"
        );
        let statement = Statement::new(sql).timestamp(self.now_ms()).bind(user_id);
        let outcome = self.audit.database.run(statement).await?;
        let grants = outcome
            .rows
            .iter()
            .map(|row| Ok(Standing::read(row)?.narrowed()));
        grants.collect()
    }

    /// A grant without a code, which lives until `expires_at_ms`.
    pub(in crate::oauth) async fn add_grant(
        &self,
        new: NewGrant,
        expires_at_ms: i64,
    ) -> Result<Grant, OAuthError> {
        let grant = self.made(new, expires_at_ms)?;
        self.audit.database.run(insert(&grant)).await?;
        Ok(grant)
    }

    /// Ends a grant with all its codes and tokens. True if it was live.
    pub(in crate::oauth) async fn revoke_grant(
        &self,
        id: &str,
        reason: &str,
    ) -> Result<bool, OAuthError> {
        let statement = revoke(id, reason, self.now_ms());
        Ok(self.audit.database.run(statement).await?.changes > 0)
    }

    /// The same on the word of its user, with the audit row of it in one batch.
    pub(in crate::oauth) async fn revoke_grant_for(
        &self,
        user: &Principal,
        id: &str,
        request: &RequestInfo,
    ) -> Result<bool, OAuthError> {
        let event = AuditEvent {
            action: "account_revoke_grant",
            resource_type: "grant",
            resource_id: Some(id),
            decision: Decision::Allow,
            details: json!({}),
        };
        let row = self.audit.statement(event, user, request, REVOKED_NOW);
        let row = row.ok_or_else(|| OAuthError::server_error("the audit row has no id"))?;
        let now_ms = self.now_ms();
        let batch = vec![revoke(id, BY_USER, now_ms), row.bind(id).timestamp(now_ms)];
        let outcomes = self.audit.database.batch(batch).await?;
        Ok(outcomes.first().is_some_and(|revoked| revoked.changes > 0))
    }

    pub(super) fn made(&self, new: NewGrant, expires_at_ms: i64) -> Result<Grant, OAuthError> {
        Ok(Grant {
            id: ids::plain(&*self.audit.clock, &*self.audit.entropy)?,
            kind: new.kind,
            user_id: new.user_id,
            client_id: new.client_id,
            client_name: new.client_name,
            resource: new.resource,
            scopes: new.scopes,
            token_id: new.token_id,
            auth_time_ms: new.auth_time_ms,
            dpop_jkt: new.dpop_jkt,
            created_at_ms: self.now_ms(),
            expires_at_ms,
            last_used_at_ms: None,
            revoked_at_ms: None,
        })
    }
}

fn revoke(id: &str, reason: &str, now_ms: i64) -> Statement {
    Statement::new(REVOKE)
        .timestamp(now_ms)
        .bind(reason)
        .bind(id)
}

pub(super) fn insert(grant: &Grant) -> Statement {
    Statement::new(INSERT)
        .bind(&grant.id)
        .bind(grant.kind.name())
        .bind(&grant.user_id)
        .bind(&grant.client_id)
        .bind(&grant.client_name)
        .bind(&grant.resource)
        .bind(json!(grant.scopes))
        .bind(grant.token_id.clone())
        .timestamp(grant.auth_time_ms)
        .bind(grant.dpop_jkt.clone())
        .timestamp(grant.created_at_ms)
        .timestamp(grant.expires_at_ms)
}

impl Grant {
    pub(super) fn read(row: &Row) -> Result<Self, DatabaseError> {
        let kind = GrantKind::of_name(&row.text("kind")?);
        let scopes: Option<Scopes> = serde_json::from_value(row.json("scopes")?).ok();
        Ok(Self {
            id: row.text("id")?,
            kind: kind.ok_or_else(|| strange("kind", "a known kind of grant"))?,
            user_id: row.text("user_id")?,
            client_id: row.text("client_id")?,
            client_name: row.text("client_name")?,
            resource: row.text("resource")?,
            scopes: scopes.ok_or_else(|| strange("scopes", "an array of texts"))?,
            token_id: row.opt_text("token_id")?,
            auth_time_ms: row.opt_timestamp("auth_time")?,
            dpop_jkt: row.opt_text("dpop_jkt")?,
            created_at_ms: row.timestamp("created_at")?,
            expires_at_ms: row.timestamp("expires_at")?,
            last_used_at_ms: row.opt_timestamp("last_used_at")?,
            revoked_at_ms: row.opt_timestamp("revoked_at")?,
        })
    }
}

fn strange(column: &str, expected: &'static str) -> DatabaseError {
    DatabaseError::Decode {
        column: column.to_owned(),
        expected,
        found: "something else",
    }
}
