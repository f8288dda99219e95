use std::rc::Rc;

use serde_json::json;

use super::audit::{AuditEvent, AuditLog, Decision};
use super::bearer::{self, Presented};
use super::cache::TokenCache;
use super::throttle::{Attempt, Throttle, network_of};
use super::token::{self, StoredToken};
use super::{AuthError, Principal};
use crate::ports::Level;
use crate::sql::DatabaseError;

/// Wrong tokens from one address in a minute before it is told to wait.
const MAX_GUESSES: i64 = 30;
const MINUTE_MS: i64 = 60_000;

/// What the audit log keeps of a request.
#[derive(Debug, Clone, Default)]
pub struct RequestInfo {
    pub request_id: String,
    pub ip: Option<String>,
    pub user_agent: Option<String>,
    /// The worker that answers.
    pub service: &'static str,
}

/// Checks credentials on behalf of one request. The cache is the isolate's.
#[derive(Clone)]
pub struct Authenticator {
    pub cache: Rc<TokenCache>,
    pub audit: AuditLog,
}

impl Authenticator {
    /// The caller behind an `Authorization` header, and an audit row either way.
    pub async fn authenticate(
        &self,
        header: Option<&str>,
        request: &RequestInfo,
    ) -> Result<Principal, AuthError> {
        let mut known = None;
        let result = match self.check(header, request, &mut known).await {
            Err(error @ (AuthError::Unknown | AuthError::Malformed)) => {
                Err(self.guessed(error, request).await)
            }
            result => result,
        };
        let decision = match &result {
            Ok(_) => Decision::Allow,
            Err(error) => Decision::Deny(error.reason()),
        };
        let event = AuditEvent {
            action: "authenticate",
            resource_type: "service",
            resource_id: Some(request.service),
            decision,
            details: json!({}),
        };
        self.audit.record(event, known.as_ref(), request);
        result
    }

    /// Whether the caller holds every scope in `needed`, and an audit row either way.
    /// `action` is what it wants to do, such as the name of a tool.
    pub fn authorize(
        &self,
        principal: &Principal,
        needed: &[&str],
        action: &str,
        request: &RequestInfo,
    ) -> Result<(), AuthError> {
        let result = principal.scopes.require(needed);
        let decision = match &result {
            Ok(()) => Decision::Allow,
            Err(error) => Decision::Deny(error.reason()),
        };
        let event = AuditEvent {
            action,
            resource_type: "scope",
            resource_id: Some(request.service),
            decision,
            details: json!({"needed": needed, "missing": principal.scopes.missing(needed)}),
        };
        self.audit.record(event, Some(principal), request);
        result
    }

    /// `known` is set as soon as the token is found, also when it is then refused.
    async fn check(
        &self,
        header: Option<&str>,
        request: &RequestInfo,
        known: &mut Option<Principal>,
    ) -> Result<Principal, AuthError> {
        let presented = bearer::presented(header)?;
        let now_ms = self.audit.clock.now_ms();
        if let Some(principal) = self.cache.get(&presented.hash, now_ms) {
            *known = Some(principal.clone());
            return Ok(principal);
        }
        let found = self.find(&presented).await;
        let stored = found
            .map_err(|error| self.unavailable(&error, request))?
            .ok_or(AuthError::Unknown)?;
        *known = Some(stored.principal.clone());
        // The look-up took time, and on Workers only it moves the clock.
        let now_ms = self.audit.clock.now_ms();
        stored.check(now_ms)?;
        self.mark_used(&stored.principal.token_id, now_ms);
        let (hash, ends_at) = (presented.hash, stored.ends_at());
        self.cache
            .put(hash, stored.principal.clone(), ends_at, now_ms);
        Ok(stored.principal)
    }

    /// Counts a wrong token against where it came from. Tokens that are found are never
    /// refused for it: others may sit behind the same address.
    async fn guessed(&self, error: AuthError, request: &RequestInfo) -> AuthError {
        let throttle = Throttle {
            database: Rc::clone(&self.audit.database),
            clock: Rc::clone(&self.audit.clock),
        };
        let id = format!("token:{}", network_of(request.ip.as_deref()));
        match throttle.attempt(&id, MAX_GUESSES, MINUTE_MS).await {
            Ok(Attempt::Allowed) => error,
            Ok(Attempt::Refused { retry_after_s }) => AuthError::TooMany { retry_after_s },
            // It is refused either way.
            Err(fault) => {
                let fields = json!({"error": fault.to_string()});
                let log = &self.audit.log;
                log.record(Level::Warn, "guess_not_counted", fields);
                error
            }
        }
    }

    async fn find(&self, presented: &Presented) -> Result<Option<StoredToken>, DatabaseError> {
        let outcome = self
            .audit
            .database
            .run(token::look_up(&presented.hash))
            .await?;
        outcome
            .first()
            .map(|row| StoredToken::read(row, presented.kind))
            .transpose()
    }

    fn unavailable(&self, error: &DatabaseError, request: &RequestInfo) -> AuthError {
        let fields = json!({"error": error.to_string(), "request_id": request.request_id});
        self.audit
            .log
            .record(Level::Error, "token_look_up_failed", fields);
        AuthError::Unavailable
    }

    fn mark_used(&self, token_id: &str, now_ms: i64) {
        let statement = token::mark_used(token_id, now_ms);
        let audit = self.audit.clone();
        self.audit.background.spawn(Box::pin(async move {
            if let Err(error) = audit.database.run(statement).await {
                let fields = json!({"error": error.to_string()});
                audit.log.record(Level::Warn, "token_use_not_noted", fields);
            }
        }));
    }
}
