//! Dynamic registration (RFC 7591). Registering proves nothing: what such a client is called is
//! its own claim. There is no management of registrations (RFC 7592): a client that wants
//! another one registers again.

use serde_json::{Map, Value, json};

use super::hash;
use super::metadata::{self, LINKS, Metadata, invalid};
use crate::auth::throttle::network_of;
use crate::auth::{AuditEvent, Decision};
use crate::http::HttpReply;
use crate::oauth::settings::REGISTERED_CLIENT_MS;
use crate::oauth::{AuthMethod, AuthorizationServer, OAuthError, WebRequest, scope};
use crate::sql::Statement;

const MAX_BODY_BYTES: usize = 16 * 1024;
/// Registrations of one network in an hour.
const REGISTRATIONS: i64 = 20;
const HOUR_MS: i64 = 60 * 60 * 1000;
const DAY_MS: i64 = 24 * HOUR_MS;
/// Clients that are registered at the same time.
const MAX_CLIENTS: i64 = 10_000;
const UNNAMED: &str = "Unnamed client";

/// Only when full: makes room of what is over, then of what was never used within a day, then
/// of what is longest unused, but for an hour at least, with nothing granted to it.
const MAKE_ROOM: &str = "DELETE FROM oauth_clients
    WHERE (SELECT count(*) FROM oauth_clients) >= ?4 AND id IN (
        SELECT id FROM oauth_clients
        WHERE expires_at <= ?1 OR (last_used_at IS NULL AND created_at <= ?2)
            OR (COALESCE(last_used_at, created_at) <= ?3 AND NOT EXISTS (
                SELECT 1 FROM oauth_grants WHERE oauth_grants.client_id = oauth_clients.id
                    AND oauth_grants.revoked_at IS NULL AND oauth_grants.expires_at > ?1))
        ORDER BY CASE WHEN expires_at <= ?1 THEN 0
                WHEN last_used_at IS NULL AND created_at <= ?2 THEN 1 ELSE 2 END,
            COALESCE(last_used_at, created_at)
        LIMIT 10)";

const INSERT: &str = "INSERT INTO oauth_clients (id, name, redirect_uris, auth_method,
        secret_hash, grant_types, metadata, registered_from, created_at, expires_at)
    SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10
    WHERE (SELECT count(*) FROM oauth_clients) < ?11
    RETURNING id";

/// To be stored and answered.
struct Registration {
    id: String,
    name: String,
    auth: AuthMethod,
    secret: Option<String>,
    redirect_uris: Vec<String>,
    grant_types: Vec<String>,
    /// What else was accepted.
    extra: Map<String, Value>,
    created_at_ms: i64,
}

impl AuthorizationServer {
    pub(in crate::oauth) async fn register(&self, web: &WebRequest<'_>) -> HttpReply {
        let result = self.register_client(web).await;
        let decision = match &result {
            Ok(_) => Decision::Allow,
            Err(error) => Decision::Deny(reason(error)),
        };
        let event = AuditEvent {
            action: "client_register",
            resource_type: "client",
            resource_id: result.as_ref().ok().map(|made| made.id.as_str()),
            decision,
            details: json!({}),
        };
        self.audit.record(event, None, &web.info);
        match result {
            Ok(made) => HttpReply::json(201, made.answer().to_string().into_bytes())
                .with_header("cache-control", "no-store")
                .with_header("pragma", "no-cache")
                .with_header("x-request-id", &web.info.request_id),
            Err(error) => error.reply(&web.info.request_id),
        }
    }

    async fn register_client(&self, web: &WebRequest<'_>) -> Result<Registration, OAuthError> {
        if !self.settings.registration {
            return Err(OAuthError::new(
                "registration_not_supported",
                "clients do not register here; use a client id metadata document, or ask the \
                 operator for a client id",
            )
            .with_status(403));
        }
        let json = read(web)?;
        let metadata = Metadata::read(&json, self.settings.development)?;
        let id = format!("client_register:{}", network_of(web.info.ip.as_deref()));
        self.count_client(&id, REGISTRATIONS, HOUR_MS).await?;
        let made = self.draw_client(&json, metadata)?;
        self.store_client(&made, web).await?;
        Ok(made)
    }

    fn draw_client(
        &self,
        json: &Map<String, Value>,
        metadata: Metadata,
    ) -> Result<Registration, OAuthError> {
        let extra = extra(json, &metadata)?;
        let auth = metadata.auth.unwrap_or(AuthMethod::SecretBasic);
        let secret = match auth {
            AuthMethod::SecretBasic | AuthMethod::SecretPost => {
                Some(format!("chitty_secret_{}", self.random_hex::<32>()?))
            }
            AuthMethod::None | AuthMethod::PrivateKeyJwt => None,
        };
        Ok(Registration {
            id: format!("chitty_client_{}", self.random_hex::<16>()?),
            name: metadata.name.unwrap_or_else(|| UNNAMED.to_owned()),
            auth,
            secret,
            redirect_uris: metadata.redirect_uris,
            grant_types: metadata.grant_types,
            extra,
            created_at_ms: self.audit.clock.now_ms(),
        })
    }

    fn random_hex<const BYTES: usize>(&self) -> Result<String, OAuthError> {
        let mut bytes = [0; BYTES];
        self.audit.entropy.fill(&mut bytes)?;
        Ok(hex::encode(bytes))
    }

    async fn store_client(
        &self,
        made: &Registration,
        web: &WebRequest<'_>,
    ) -> Result<(), OAuthError> {
        let now_ms = made.created_at_ms;
        let room = Statement::new(MAKE_ROOM)
            .timestamp(now_ms)
            .timestamp(now_ms - DAY_MS)
            .timestamp(now_ms - HOUR_MS)
            .bind(MAX_CLIENTS);
        let secret = made.secret.as_ref().map(|secret| hash(secret.as_bytes()));
        let insert = Statement::new(INSERT)
            .bind(&made.id)
            .bind(&made.name)
            .bind(json!(made.redirect_uris))
            .bind(made.auth.name())
            .bind(secret.map(hex::encode))
            .bind(json!(made.grant_types))
            .bind(Value::Object(made.extra.clone()))
            .bind(web.info.ip.clone())
            .timestamp(now_ms)
            .timestamp(made.expires_at_ms())
            .bind(MAX_CLIENTS);
        let outcomes = self.audit.database.batch(vec![room, insert]).await?;
        if outcomes
            .last()
            .is_some_and(|outcome| outcome.first().is_some())
        {
            return Ok(());
        }
        Err(OAuthError::server_error("there are too many clients"))
    }
}

impl Registration {
    fn expires_at_ms(&self) -> i64 {
        self.created_at_ms + REGISTERED_CLIENT_MS
    }

    /// RFC 7591 section 3.2.1.
    fn answer(&self) -> Value {
        let mut answer = self.extra.clone();
        let mut put = |name: &str, value: Value| answer.insert(name.to_owned(), value);
        put("client_id", json!(self.id));
        put("client_id_issued_at", json!(self.created_at_ms / 1000));
        put("client_name", json!(self.name));
        put("redirect_uris", json!(self.redirect_uris));
        put("grant_types", json!(self.grant_types));
        put("response_types", json!(["code"]));
        put("token_endpoint_auth_method", json!(self.auth.name()));
        if let Some(secret) = &self.secret {
            put("client_secret", json!(secret));
            put(
                "client_secret_expires_at",
                json!(self.expires_at_ms() / 1000),
            );
        }
        Value::Object(answer)
    }
}

fn read(web: &WebRequest<'_>) -> Result<Map<String, Value>, OAuthError> {
    let stated = web.headers.get("content-type").unwrap_or_default();
    let essence = stated.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/json") {
        return Err(invalid("send the metadata as application/json"));
    }
    if web.body.len() > MAX_BODY_BYTES {
        return Err(invalid("the metadata may have up to 16 KB").with_status(413));
    }
    serde_json::from_slice(web.body).map_err(|_| invalid("the body is no JSON object"))
}

/// Kept and answered as accepted. Anything else is ignored.
fn extra(json: &Map<String, Value>, metadata: &Metadata) -> Result<Map<String, Value>, OAuthError> {
    let mut extra = Map::new();
    for name in LINKS {
        if let Some(link) = metadata::link(json.get(name)) {
            extra.insert(name.to_owned(), link.into());
        }
    }
    let kind = application_type(json.get("application_type"), &metadata.redirect_uris)?;
    extra.insert("application_type".to_owned(), kind.into());
    if let Some(scope) = json.get("scope").and_then(Value::as_str).and_then(known) {
        extra.insert("scope".to_owned(), scope.into());
    }
    if let Some(jwks) = &metadata.jwks {
        extra.insert("jwks".to_owned(), jwks.clone());
    }
    if let Some(uri) = &metadata.jwks_uri {
        extra.insert("jwks_uri".to_owned(), uri.as_str().into());
    }
    Ok(extra)
}

/// Told, not enforced: programs on people's machines leave it out, or name the other one.
fn application_type(
    value: Option<&Value>,
    redirect_uris: &[String],
) -> Result<&'static str, OAuthError> {
    match value.map(|value| value.as_str().unwrap_or_default()) {
        Some("native") => Ok("native"),
        Some("web") => Ok("web"),
        Some(_) => Err(invalid("application_type must be native or web")),
        None if redirect_uris.iter().all(|uri| uri.starts_with("https://")) => Ok("web"),
        None => Ok("native"),
    }
}

/// The scopes that there are to ask for. They bind nothing: a client may ask for more later.
fn known(scope: &str) -> Option<String> {
    let asked = scope.split_ascii_whitespace();
    let known: Vec<&str> = asked.filter(|name| scope::may_be_asked(name)).collect();
    (!known.is_empty()).then(|| known.join(" "))
}

fn reason(error: &OAuthError) -> &'static str {
    match error.status {
        403 => "registration_off",
        429 => "throttled",
        500.. => "unavailable",
        _ => error.code,
    }
}
