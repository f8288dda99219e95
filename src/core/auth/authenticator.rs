use std::rc::Rc;

use serde_json::json;

use super::access_token::{self, Claims, Fault};
use super::audit::{AuditEvent, AuditLog, Decision};
use super::bearer::{self, Form, Scheme};
use super::cache::{Known, TokenCache};
use super::dpop::{self, DpopError, Proof};
use super::protected_resource::ProtectedResource;
use super::throttle::{Attempt, Throttle, network_of};
use super::token::{self, StoredToken};
use super::{AuthError, Principal, PrincipalKind};
use crate::ports::Level;
use crate::signing_keys::SigningKeys;
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

/// What a request shows of its caller.
#[derive(Debug, Clone, Copy)]
pub struct Credential<'a> {
    /// The `Authorization` header.
    pub authorization: Option<&'a str>,
    /// The `DPoP` header.
    pub proof: Option<&'a str>,
    pub method: &'a str,
    /// Of the request's URL, still encoded: what the proof must be for, with the origin.
    pub path: &'a str,
}

/// What access tokens are judged by.
pub struct Domain<'a> {
    pub resource: &'a ProtectedResource,
    pub keys: &'a SigningKeys,
}

impl Authenticator {
    /// The caller of `domain.resource`, by a key or an access token, and an audit row either
    /// way. Without a domain keys alone are taken.
    pub async fn admit(
        &self,
        credential: Credential<'_>,
        domain: Option<Domain<'_>>,
        request: &RequestInfo,
    ) -> Result<Rc<Principal>, AuthError> {
        let mut known = None;
        let check = Check {
            authenticator: self,
            credential,
            domain,
            request,
        };
        let result = match check.run(&mut known).await {
            Err(error) if check.is_guess(&error) => Err(self.guessed(error, request).await),
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
        self.audit.record(event, known.as_deref(), request);
        result
    }

    /// The owner of the key in an `Authorization` header, and an audit row either way. Access
    /// tokens are refused.
    pub async fn authenticate(
        &self,
        header: Option<&str>,
        request: &RequestInfo,
    ) -> Result<Principal, AuthError> {
        let credential = Credential {
            authorization: header,
            proof: None,
            method: "POST",
            path: "/mcp",
        };
        let admitted = self.admit(credential, None, request).await;
        admitted.map(Rc::unwrap_or_clone)
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

    fn now_ms(&self) -> i64 {
        self.audit.clock.now_ms()
    }

    pub(super) fn unavailable(&self, error: &DatabaseError, request: &RequestInfo) -> AuthError {
        let fields = json!({"error": error.to_string(), "request_id": request.request_id});
        self.audit
            .log
            .record(Level::Error, "token_look_up_failed", fields);
        AuthError::Unavailable
    }
}

/// One credential being judged.
struct Check<'a> {
    authenticator: &'a Authenticator,
    credential: Credential<'a>,
    domain: Option<Domain<'a>>,
    request: &'a RequestInfo,
}

impl Check<'_> {
    /// True for what may be an attempt to find a key. An access token cannot be guessed, and
    /// many people's come from the one address of a hosted client: each must hear that its own
    /// is no longer good.
    fn is_guess(&self, error: &AuthError) -> bool {
        let wrong = matches!(error, AuthError::Unknown | AuthError::Malformed);
        wrong && !bearer::is_access_token(self.credential.authorization)
    }

    /// `found` is set as soon as the caller is known, also when it is then refused.
    async fn run(&self, found: &mut Option<Rc<Principal>>) -> Result<Rc<Principal>, AuthError> {
        let presented = bearer::presented(self.credential.authorization)?;
        match presented.form {
            Form::Key(kind) => self.key(&presented.hash, kind, found).await,
            Form::AccessToken { token, scheme } => {
                let domain = self.domain.as_ref().ok_or(AuthError::Malformed)?;
                let access = Access {
                    check: self,
                    domain,
                    token,
                    scheme,
                    hash: presented.hash,
                };
                access.run(found).await
            }
        }
    }

    async fn key(
        &self,
        hash: &[u8; 32],
        kind: PrincipalKind,
        found: &mut Option<Rc<Principal>>,
    ) -> Result<Rc<Principal>, AuthError> {
        let own = self.authenticator;
        if let Some((known, true)) = own.cache.get(hash, own.now_ms()) {
            *found = Some(Rc::clone(&known.principal));
            return Ok(known.principal);
        }
        let outcome = own.audit.database.run(token::look_up(hash)).await;
        let stored = outcome.and_then(|outcome| {
            let row = outcome.first();
            row.map(|row| StoredToken::read(row, kind)).transpose()
        });
        let stored = stored
            .map_err(|error| own.unavailable(&error, self.request))?
            .ok_or(AuthError::Unknown)?;
        let principal = Rc::new(stored.principal.clone());
        *found = Some(Rc::clone(&principal));
        // The look-up took time, and on Workers only it moves the clock.
        let now_ms = own.now_ms();
        stored.check(now_ms)?;
        own.audit
            .note(token::mark_used(&principal.token_id, now_ms));
        let known = Known {
            principal: Rc::clone(&principal),
            claims: None,
        };
        own.cache.put(*hash, known, stored.ends_at(), now_ms);
        Ok(principal)
    }
}

/// One access token being judged.
struct Access<'a> {
    check: &'a Check<'a>,
    domain: &'a Domain<'a>,
    token: &'a str,
    scheme: Scheme,
    hash: [u8; 32],
}

impl Access<'_> {
    async fn run(&self, found: &mut Option<Rc<Principal>>) -> Result<Rc<Principal>, AuthError> {
        let own = self.check.authenticator;
        let (claims, fresh) = match own.cache.get(&self.hash, own.now_ms()) {
            Some((known, fresh)) => {
                *found = Some(Rc::clone(&known.principal));
                (known.claims, fresh.then_some(known.principal))
            }
            None => (None, None),
        };
        let claims = match claims {
            Some(claims) if fresh.is_some() || self.key_is_listed(&claims).await? => claims,
            _ => Rc::new(self.verified().await?),
        };
        // Also those of the cache: the request may be for another resource, and later.
        let resource = self.domain.resource;
        claims.check(resource, self.scheme, own.now_ms())?;
        let proof = claims.jkt.as_deref().map(|jkt| self.proven(jkt));
        let proof = proof.transpose()?;
        let principal = match fresh {
            Some(principal) => principal,
            None => self.standing(claims, found).await?,
        };
        if let Some(proof) = proof {
            self.spend(&proof).await?;
        }
        Ok(principal)
    }

    /// Whether the key that a token was checked with is still one of ours: who removes a
    /// stolen one ends the tokens of it that are known here too.
    async fn key_is_listed(&self, claims: &Claims) -> Result<bool, AuthError> {
        let own = self.check.authenticator;
        let (database, clock) = (&*own.audit.database, &*own.audit.clock);
        let key = self.domain.keys.key(&claims.key_id, database, clock).await;
        let key = key.map_err(|error| own.unavailable(&error, self.check.request))?;
        if key.is_none() {
            own.cache.forget(&self.hash);
        }
        Ok(key.is_some())
    }

    async fn verified(&self) -> Result<Claims, AuthError> {
        let own = self.check.authenticator;
        let issuer = self.domain.resource.issuer.as_deref();
        let issuer = issuer.ok_or(AuthError::Malformed)?;
        let keys = self.domain.keys;
        let (database, clock) = (&*own.audit.database, &*own.audit.clock);
        access_token::verify(self.token, issuer, keys, database, clock)
            .await
            .map_err(|fault| match fault {
                Fault::Refused(error) => error,
                Fault::Database(error) => own.unavailable(&error, self.check.request),
            })
    }

    /// The proof that comes with a token of the key `jkt`.
    fn proven(&self, jkt: &str) -> Result<Proof, AuthError> {
        let credential = self.check.credential;
        let proof = credential.proof.unwrap_or_default();
        let url = format!("{}{}", self.domain.resource.origin, credential.path);
        let now_ms = self.check.authenticator.now_ms();
        let proof = dpop::verify(proof, credential.method, &url, Some(self.token), now_ms)
            .map_err(AuthError::Proof)?;
        if proof.jkt == jkt {
            Ok(proof)
        } else {
            Err(AuthError::NotBound)
        }
    }

    async fn spend(&self, proof: &Proof) -> Result<(), AuthError> {
        let own = self.check.authenticator;
        match dpop::spend(&*own.audit.database, proof, own.now_ms()).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(AuthError::Proof(DpopError::Replayed)),
            Err(error) => Err(own.unavailable(&error, self.check.request)),
        }
    }

    /// The principal, if the grant stands now; known for [`super::cache::FRESH_MS`] then.
    async fn standing(
        &self,
        claims: Rc<Claims>,
        found: &mut Option<Rc<Principal>>,
    ) -> Result<Rc<Principal>, AuthError> {
        let own = self.check.authenticator;
        let grant = access_token::Grant::find(&claims.grant_id, &*own.audit.database).await;
        let grant = grant.map_err(|error| own.unavailable(&error, self.check.request))?;
        let now_ms = own.now_ms();
        let ends_at = grant.as_ref().map(access_token::Grant::ends_at);
        let standing = grant
            .ok_or(AuthError::Unknown)
            .and_then(|grant| grant.principal(&claims, now_ms));
        let principal = match standing {
            Ok(principal) => Rc::new(principal),
            Err(error) => {
                own.cache.forget(&self.hash);
                return Err(error);
            }
        };
        *found = Some(Rc::clone(&principal));
        own.audit
            .note(access_token::mark_used(&claims.grant_id, now_ms));
        let known = Known {
            principal: Rc::clone(&principal),
            claims: Some(claims),
        };
        own.cache.put(self.hash, known, ends_at, now_ms);
        Ok(principal)
    }
}
