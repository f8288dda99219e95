//! Access tokens of the authorization server: JWTs (RFC 9068) for one resource, as good as
//! the grant they come from.

use serde_json::Value;

use super::backing::{self, Backing};
use super::bearer::Scheme;
use super::protected_resource::ProtectedResource;
use super::token::StoredToken;
use super::{AuthError, Principal, PrincipalKind, Scopes};
use crate::jose::{Algorithm, Decoded, JoseError, Unverified};
use crate::ports::{Clock, Database};
use crate::signing_keys::SigningKeys;
use crate::sql::{DatabaseError, Row, Statement};

/// RFC 9068 section 2.1.
pub const TYPE: &str = "at+jwt";
/// How far the issuer's clock may be off.
pub const LEEWAY_MS: i64 = 60_000;

/// What a token says under a signature that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// The key that signed it.
    pub key_id: String,
    pub issuer: String,
    /// The one resource that it is for.
    pub audience: String,
    pub user_id: String,
    pub client_id: String,
    pub grant_id: String,
    pub scopes: Scopes,
    pub issued_ms: i64,
    pub expires_ms: i64,
    /// Thumbprint of the key that it is bound to (RFC 9449 section 6).
    pub jkt: Option<String>,
}

/// Why a token is refused, or why it could not be judged.
#[derive(Debug)]
pub enum Fault {
    Refused(AuthError),
    Database(DatabaseError),
}

impl From<AuthError> for Fault {
    fn from(error: AuthError) -> Self {
        Self::Refused(error)
    }
}

impl From<DatabaseError> for Fault {
    fn from(error: DatabaseError) -> Self {
        Self::Database(error)
    }
}

/// Judges form, issuer, times and signature. The audience is for [`Claims::check`], the grant
/// for [`Grant`].
pub async fn verify(
    token: &str,
    issuer: &str,
    keys: &SigningKeys,
    database: &dyn Database,
    clock: &dyn Clock,
) -> Result<Claims, Fault> {
    let unverified = Unverified::parse(token).map_err(|_| AuthError::Malformed)?;
    let typ = unverified.header().get("typ").and_then(Value::as_str);
    if typ != Some(TYPE) || unverified.algorithm() != Algorithm::Es256 {
        return Err(AuthError::Malformed.into());
    }
    // Before a key is asked for: most of what is wrong costs nothing to find.
    let stated = unverified.claims();
    if stated.get("iss").and_then(Value::as_str) != Some(issuer) {
        return Err(AuthError::Unknown.into());
    }
    let kid = unverified.kid().ok_or(AuthError::Malformed)?;
    let key = keys.key(kid, database, clock).await?;
    let key = key.ok_or(AuthError::Unknown)?;
    let checked = keys.check(&unverified, &key).await;
    checked.map_err(|_| AuthError::Unknown)?;
    let said = unverified.into_decoded();
    let claims = Claims::read(&said).ok_or(AuthError::Malformed)?;
    // `nbf` too, which once it has passed need not be judged again.
    said.check_times(clock.now_ms(), LEEWAY_MS)
        .map_err(|error| match error {
            JoseError::Claim(_) => AuthError::Malformed,
            _ => AuthError::Expired,
        })?;
    Ok(claims)
}

impl Claims {
    fn read(said: &Decoded) -> Option<Self> {
        let text = |claim| said.text(claim).map(str::to_owned);
        let time = |claim| said.time_ms(claim).ok().flatten();
        Some(Self {
            key_id: said.header.get("kid")?.as_str()?.to_owned(),
            issuer: text("iss")?,
            // A list would be for more than one.
            audience: text("aud")?,
            user_id: text("sub")?,
            client_id: text("client_id")?,
            grant_id: text("gid")?,
            scopes: Scopes::new(said.text("scope")?.split(' ').filter(|one| !one.is_empty())),
            issued_ms: time("iat")?,
            expires_ms: time("exp")?,
            jkt: match said.claims.get("cnf") {
                None => None,
                // Bound in a way that is not known here: not to be taken for unbound.
                Some(bound) => Some(bound.get("jkt")?.as_str()?.to_owned()),
            },
        })
    }

    /// Judges everything that may differ between two requests with the same token.
    pub fn check(
        &self,
        resource: &ProtectedResource,
        scheme: Scheme,
        now_ms: i64,
    ) -> Result<(), AuthError> {
        if resource.issuer.as_deref() != Some(self.issuer.as_str()) {
            return Err(AuthError::Unknown);
        }
        if self.audience != resource.url {
            return Err(AuthError::WrongAudience);
        }
        match (&self.jkt, scheme) {
            (Some(_), Scheme::Bearer) => return Err(AuthError::Bound),
            (None, Scheme::Dpop) => return Err(AuthError::NotBound),
            _ => {}
        }
        self.check_times(now_ms)
    }

    fn check_times(&self, now_ms: i64) -> Result<(), AuthError> {
        // One from the future is no better than one from the past.
        let issued = self.issued_ms.saturating_sub(LEEWAY_MS) <= now_ms;
        let lives = now_ms < self.expires_ms.saturating_add(LEEWAY_MS);
        if issued && lives {
            Ok(())
        } else {
            Err(AuthError::Expired)
        }
    }
}

const SELECT: &str = "SELECT g.kind AS grant_kind, g.user_id AS grant_user, g.client_id,
        g.client_name, g.resource, g.scopes AS grant_scopes, g.dpop_jkt, g.token_id AS key_id,
        g.expires_at AS grant_ends, g.revoked_at AS grant_revoked,
        t.id, t.user_id, t.identity_id, t.name, t.scopes, t.status, t.expires_at, t.revoked_at,
        t.created_at";
const FROM: &str = "FROM oauth_grants g LEFT JOIN api_tokens t ON t.id = g.token_id";

/// A grant as stored, with the key and the person behind it.
pub struct Grant {
    kind: String,
    user_id: String,
    client_id: String,
    client_name: String,
    resource: String,
    scopes: Scopes,
    jkt: Option<String>,
    ends_at: i64,
    revoked: bool,
    backing: Backing,
    key: Key,
}

/// The key that the grant's user signed in with.
enum Key {
    /// By other means.
    None,
    Gone,
    Stored(StoredToken),
}

impl Grant {
    pub async fn find(id: &str, database: &dyn Database) -> Result<Option<Self>, DatabaseError> {
        let (columns, joins) = (backing::COLUMNS, backing::JOINS);
        let sql = format!("{SELECT}, {columns} {FROM} {joins} WHERE g.id = ?1");
        let outcome = database.run(Statement::new(sql).bind(id)).await?;
        outcome.first().map(Self::read).transpose()
    }

    fn read(row: &Row) -> Result<Self, DatabaseError> {
        let scopes = row.json("grant_scopes")?;
        let scopes = scopes.as_array().into_iter().flatten();
        let key = match (row.opt_text("key_id")?, row.opt_text("id")?) {
            (None, _) => Key::None,
            (Some(_), None) => Key::Gone,
            (Some(_), Some(_)) => Key::Stored(StoredToken::read(row, PrincipalKind::User)?),
        };
        let kind = row.text("grant_kind")?;
        let by_roles = kind == "code" && matches!(key, Key::None);
        Ok(Self {
            kind,
            user_id: row.text("grant_user")?,
            client_id: row.text("client_id")?,
            client_name: row.text("client_name")?,
            resource: row.text("resource")?,
            scopes: Scopes::new(scopes.filter_map(Value::as_str)),
            jkt: row.opt_text("dpop_jkt")?,
            ends_at: row.timestamp("grant_ends")?,
            revoked: row.opt_timestamp("grant_revoked")?.is_some(),
            backing: Backing::read(row, by_roles)?,
            key,
        })
    }

    /// Who calls with a token that says this, if the grant still stands.
    pub fn principal(self, claims: &Claims, now_ms: i64) -> Result<Principal, AuthError> {
        let scopes = self.standing(&claims.scopes, now_ms)?;
        let same = self.user_id == claims.user_id
            && self.client_id == claims.client_id
            && self.resource == claims.audience
            // A confidential client may bind each token to another key.
            && (self.jkt.is_none() || self.jkt == claims.jkt);
        if !same {
            return Err(AuthError::Unknown);
        }
        Ok(Principal {
            scopes,
            kind: match self.kind.as_str() {
                "client_credentials" => PrincipalKind::Service,
                _ => PrincipalKind::User,
            },
            user_id: self.user_id,
            name: self.client_name,
            token_id: claims.grant_id.clone(),
            client_id: Some(self.client_id),
        })
    }

    /// What is left of these scopes now, if the grant stands.
    pub fn standing(&self, held: &Scopes, now_ms: i64) -> Result<Scopes, AuthError> {
        if self.revoked || self.backing.suspended || self.backing.client_disabled {
            return Err(AuthError::Inactive);
        }
        if self.ends_at <= now_ms {
            return Err(AuthError::Expired);
        }
        let mut granted: Vec<&str> = held.iter().collect();
        granted.retain(|scope| self.scopes.iter().any(|own| own == *scope));
        // What a key or the roles may no longer do, nobody may for them.
        let granted = Scopes::new(granted);
        match &self.key {
            Key::None => Ok(self.backing.narrow(&granted)),
            Key::Gone => Err(AuthError::Inactive),
            Key::Stored(key) => {
                key.check(now_ms)?;
                Ok(granted.within(&key.principal.scopes))
            }
        }
    }

    /// When it ends at the latest.
    pub fn ends_at(&self) -> i64 {
        let key_ends = match &self.key {
            Key::Stored(key) => key.ends_at(),
            Key::None | Key::Gone => None,
        };
        self.ends_at.min(key_ends.unwrap_or(i64::MAX))
    }
}

pub fn mark_used(grant_id: &str, now_ms: i64) -> Statement {
    Statement::new("UPDATE oauth_grants SET last_used_at = ?1 WHERE id = ?2")
        .timestamp(now_ms)
        .bind(grant_id)
}
