//! Browsers that are signed in: rows of `login_sessions`, known by the hash of a cookie.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::browser::{self, Browser};
use super::flow::Back;
use super::ticket::TicketKind;
use super::trouble::Trouble;
use crate::auth::backing;
use crate::auth::catalogue::SCOPES;
use crate::auth::keys::MANAGE_SCOPE;
use crate::auth::{AuditEvent, Decision, Principal, PrincipalKind, Scopes};
use crate::digest::sha256_hex;
use crate::http::HttpReply;
use crate::oauth::settings::LOGIN_MS;
use crate::oauth::{AuthorizationServer, WebRequest};
use crate::sql::{DatabaseError, Row, Statement};

const SESSION: &str = "session";
const MAX_LISTED: i64 = 50;

/// A session ends with its key, and with its person's good standing.
const LOOK_UP: &str = "SELECT s.id, s.user_id, s.token_id, s.method, s.second_factor, s.scopes,
        s.created_at, s.expires_at, i.roles AS person_roles, i.name AS person_name,
        i.email AS person_email
    FROM login_sessions s
    LEFT JOIN identities i ON i.id = s.user_id
    LEFT JOIN api_tokens t ON t.id = s.token_id
    WHERE s.id = ?1 AND s.ended_at IS NULL AND s.expires_at > ?2
        AND (i.id IS NULL OR i.status = 'active')
        AND (s.token_id IS NULL OR (t.status = 'active' AND t.revoked_at IS NULL
            AND (t.expires_at IS NULL OR t.expires_at > ?2)))";

const INSERT: &str = "INSERT INTO login_sessions (id, user_id, token_id, method, second_factor,
        scopes, created_at, expires_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";

const END: &str = "UPDATE login_sessions SET ended_at = ?1
    WHERE id = ?2 AND user_id = ?3 AND ended_at IS NULL";

const LIST: &str = "SELECT id, user_id, token_id, method, second_factor, scopes, created_at,
        expires_at
    FROM login_sessions WHERE user_id = ?1 AND ended_at IS NULL AND expires_at > ?2
    ORDER BY created_at DESC, id LIMIT ?3";

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Method {
    Key,
    OpenId,
}

impl Method {
    fn name(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::OpenId => "openid",
        }
    }
}

/// Somebody who has proven who they are, but for a second factor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Candidate {
    pub user_id: String,
    pub token_id: Option<String>,
    pub method: Method,
    pub second_factor: bool,
    /// The most that may be granted, and whether keys may be managed.
    pub scopes: Scopes,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Session {
    /// SHA-256 of the cookie's value, hex.
    pub id: String,
    pub user_id: String,
    /// Name for people: what the provider says, or the user id.
    pub name: String,
    pub token_id: Option<String>,
    pub by_key: bool,
    pub second_factor: bool,
    pub scopes: Scopes,
    pub created_at_ms: i64,
    pub expires_at_ms: i64,
}

impl Session {
    fn read(row: &Row) -> Result<Self, DatabaseError> {
        let scopes = serde_json::from_value(row.json("scopes")?);
        Ok(Self {
            id: row.text("id")?,
            user_id: row.text("user_id")?,
            name: row.text("user_id")?,
            token_id: row.opt_text("token_id")?,
            by_key: row.text("method")? == Method::Key.name(),
            second_factor: row.boolean("second_factor")?,
            scopes: scopes.unwrap_or_default(),
            created_at_ms: row.timestamp("created_at")?,
            expires_at_ms: row.timestamp("expires_at")?,
        })
    }

    /// With what its person may grant now: without a key that is what their roles allow.
    fn live(row: &Row) -> Result<Self, DatabaseError> {
        let mut session = Self::read(row)?;
        let name = row.opt_text("person_name")?;
        if let Some(name) = name.or(row.opt_text("person_email")?) {
            session.name = name;
        }
        if session.token_id.is_none() {
            session.scopes = session.scopes.within(&backing::may(row)?);
        }
        Ok(session)
    }

    /// For the audit log.
    pub(super) fn principal(&self) -> Principal {
        principal(&self.user_id, self.token_id.as_deref(), &self.scopes)
    }
}

pub(super) fn principal(user_id: &str, token_id: Option<&str>, scopes: &Scopes) -> Principal {
    Principal {
        user_id: user_id.to_owned(),
        client_id: None,
        name: "browser".to_owned(),
        kind: PrincipalKind::User,
        scopes: scopes.clone(),
        token_id: token_id.unwrap_or("browser").to_owned(),
    }
}

/// What a session of somebody who holds `scopes` may: grant to clients, and manage keys.
pub(super) fn usable_of(scopes: &Scopes) -> Scopes {
    let held = SCOPES
        .iter()
        .filter(|info| (info.grantable || info.name == MANAGE_SCOPE) && scopes.allows(info.name));
    Scopes::new(held.map(|info| info.name))
}

impl AuthorizationServer {
    /// The live session of this browser.
    pub(super) async fn session(
        &self,
        web: &WebRequest<'_>,
    ) -> Result<Option<Session>, DatabaseError> {
        let Some(value) = self.random_cookie(web, SESSION) else {
            return Ok(None);
        };
        let statement = Statement::new(LOOK_UP)
            .bind(sha256_hex(&value))
            .timestamp(self.audit.clock.now_ms());
        let outcome = self.audit.database.run(statement).await?;
        outcome.first().map(Session::live).transpose()
    }

    /// A new session with an id of its own, whatever cookie came; the one before ends. Then
    /// back to where the sign-in began.
    pub(super) async fn open_session(
        &self,
        web: &WebRequest<'_>,
        browser: &Browser,
        candidate: &Candidate,
        back: &Back,
    ) -> Result<HttpReply, Trouble> {
        let value = self.random()?;
        let id = sha256_hex(&value);
        let now_ms = self.audit.clock.now_ms();
        let mut statements = vec![insert(&id, candidate, now_ms)];
        if let Some(before) = self.session(web).await? {
            statements.push(end(&before.id, &before.user_id, now_ms));
        }
        self.audit.database.batch(statements).await?;
        let who = principal(
            &candidate.user_id,
            candidate.token_id.as_deref(),
            &candidate.scopes,
        );
        let details = json!({
            "method": candidate.method.name(),
            "second_factor": candidate.second_factor,
        });
        self.record(
            web,
            "sign_in",
            Some(&id),
            Decision::Allow,
            details,
            Some(&who),
        );
        let location = self.way_back(browser, &id, back)?;
        let cookie = self.set_cookie(SESSION, &value, LOGIN_MS / 1000);
        Ok(browser::see_other(&location).with_header("set-cookie", cookie))
    }

    fn way_back(&self, browser: &Browser, session: &str, back: &Back) -> Result<String, Trouble> {
        if !back.again {
            return Ok(back.path.clone());
        }
        let hash = sha256_hex(&back.path);
        let marker = self.seal_ticket(TicketKind::SignedIn, browser, Some(session), &hash)?;
        Ok(back.marked(&marker))
    }

    pub(super) async fn sessions_of(&self, user_id: &str) -> Result<Vec<Session>, DatabaseError> {
        let statement = Statement::new(LIST)
            .bind(user_id)
            .timestamp(self.audit.clock.now_ms())
            .bind(MAX_LISTED);
        let outcome = self.audit.database.run(statement).await?;
        outcome.rows.iter().map(Session::read).collect()
    }

    /// True if it was live and this user's.
    pub(super) async fn end_session(&self, id: &str, user_id: &str) -> Result<bool, DatabaseError> {
        let statement = end(id, user_id, self.audit.clock.now_ms());
        let outcome = self.audit.database.run(statement).await?;
        Ok(outcome.changes > 0)
    }

    pub(super) fn forget_session_cookie(&self) -> String {
        self.set_cookie(SESSION, "", 0)
    }

    pub(super) fn record(
        &self,
        web: &WebRequest<'_>,
        action: &str,
        id: Option<&str>,
        decision: Decision,
        details: serde_json::Value,
        who: Option<&Principal>,
    ) {
        let event = AuditEvent {
            action,
            resource_type: "session",
            resource_id: id,
            decision,
            details,
        };
        self.audit.record(event, who, &web.info);
    }
}

fn insert(id: &str, candidate: &Candidate, now_ms: i64) -> Statement {
    Statement::new(INSERT)
        .bind(id)
        .bind(&candidate.user_id)
        .bind(candidate.token_id.clone())
        .bind(candidate.method.name())
        .bind(candidate.second_factor)
        .bind(json!(candidate.scopes))
        .timestamp(now_ms)
        .timestamp(now_ms + LOGIN_MS)
}

fn end(id: &str, user_id: &str, now_ms: i64) -> Statement {
    Statement::new(END).timestamp(now_ms).bind(id).bind(user_id)
}
