//! Callers that stay: a long connection is admitted once, and what it may do is looked up again.

use serde_json::json;

use super::access_token::Grant;
use super::audit::{AuditEvent, Decision};
use super::token::{self, StoredToken};
use super::{AuthError, Authenticator, Principal, RequestInfo};
use crate::sql::DatabaseError;

impl Authenticator {
    /// Whether a caller that was admitted before may still do what needs these scopes: by its
    /// key or grant as stored now, and an audit row of `action` if not.
    pub async fn still_allows(
        &self,
        principal: &Principal,
        needed: &[&str],
        action: &str,
        request: &RequestInfo,
    ) -> Result<(), AuthError> {
        let found = match principal.client_id {
            Some(_) => self.grant_stands(principal, needed).await,
            None => self.key_stands(principal, needed).await,
        };
        let stands = found.unwrap_or_else(|error| Err(self.unavailable(&error, request)));
        stands.inspect_err(|error| {
            let event = AuditEvent {
                action,
                resource_type: "service",
                resource_id: Some(request.service),
                decision: Decision::Deny(error.reason()),
                details: json!({ "needed": needed }),
            };
            self.audit.record(event, Some(principal), request);
        })
    }

    async fn key_stands(
        &self,
        principal: &Principal,
        needed: &[&str],
    ) -> Result<Result<(), AuthError>, DatabaseError> {
        let look_up = token::look_up_known(&principal.token_id);
        let outcome = self.audit.database.run(look_up).await?;
        let Some(row) = outcome.first() else {
            return Ok(Err(AuthError::Unknown));
        };
        let stored = StoredToken::read(row, principal.kind)?;
        let now_ms = self.audit.clock.now_ms();
        let stands = stored.check(now_ms);
        Ok(stands.and_then(|()| stored.principal.scopes.require(needed)))
    }

    async fn grant_stands(
        &self,
        principal: &Principal,
        needed: &[&str],
    ) -> Result<Result<(), AuthError>, DatabaseError> {
        let grant = Grant::find(&principal.token_id, &*self.audit.database).await?;
        let now_ms = self.audit.clock.now_ms();
        let stands = grant
            .ok_or(AuthError::Unknown)
            .and_then(|grant| grant.standing(&principal.scopes, now_ms));
        Ok(stands.and_then(|scopes| scopes.require(needed)))
    }
}
