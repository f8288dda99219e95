//! The `ChittyAuth` API beside OAuth: keys (`/api/v2/tokens…`) and the export of the audit log
//! (`/api/v2/audit/export`). Bearer credentials only, so no page can call it with a cookie.

use garde::Validate;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::keys::{
    Asking, KeyError, KeyService, ListInput, MANAGE_SCOPE, MintInput, RevokeInput, RotateInput,
};
use super::records::Export;
use super::{AuditEvent, AuthError, Decision, Principal};
use crate::front::plain_error;
use crate::http::{Body, HttpReply};
use crate::oauth::WebRequest;
use crate::ports::Level;
use crate::services::Platform;

const TOKENS: &str = "/api/v2/tokens";
const EXPORT: &str = "/api/v2/audit/export";
const EXPORT_SCOPE: &str = "audit:read";
const MAX_ID_BYTES: usize = 128;

/// The API, for one request.
pub struct TokenApi<'a> {
    pub platform: &'a Platform,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Endpoint<'a> {
    List,
    Mint,
    Rotate(&'a str),
    Revoke(&'a str),
    Export,
}

impl Endpoint<'_> {
    /// The scope, and the action as the audit log names it.
    fn needs(self) -> (&'static str, &'static str) {
        match self {
            Self::List => (MANAGE_SCOPE, "token_list"),
            Self::Mint => (MANAGE_SCOPE, "token_mint"),
            Self::Rotate(_) => (MANAGE_SCOPE, "token_rotate"),
            Self::Revoke(_) => (MANAGE_SCOPE, "token_revoke"),
            Self::Export => (EXPORT_SCOPE, "audit_export"),
        }
    }
}

/// True for a path that [`TokenApi::answer`] answers.
pub fn knows(path: &str) -> bool {
    endpoint(path).is_some()
}

fn endpoint(path: &str) -> Option<Endpoint<'_>> {
    if path == EXPORT {
        return Some(Endpoint::Export);
    }
    let rest = path.strip_prefix(TOKENS)?;
    if rest.is_empty() {
        return Some(Endpoint::List);
    }
    match rest.strip_prefix('/')?.split_once('/') {
        None => (rest == "/mint").then_some(Endpoint::Mint),
        Some((id, action)) if is_id(id) => match action {
            "rotate" => Some(Endpoint::Rotate(id)),
            "revoke" => Some(Endpoint::Revoke(id)),
            _ => None,
        },
        Some(_) => None,
    }
}

fn is_id(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (1..=MAX_ID_BYTES).contains(&text.len()) && text.bytes().all(allowed)
}

/// Why there is an error answer.
enum Refusal {
    Auth(AuthError),
    Key(KeyError),
    /// What to change in the request.
    Input(String),
}

impl TokenApi<'_> {
    /// The answer to a request whose path it [`knows`]; None for a method that the path does
    /// not take.
    pub async fn answer(&self, web: &WebRequest<'_>) -> Option<HttpReply> {
        let endpoint = endpoint(web.path)?;
        let reads = matches!(endpoint, Endpoint::List | Endpoint::Export);
        if web.method != if reads { "GET" } else { "POST" } {
            return None;
        }
        let answered = self.admitted(endpoint, web).await;
        Some(answered.unwrap_or_else(|refusal| self.refused(&refusal, web)))
    }

    async fn admitted(
        &self,
        endpoint: Endpoint<'_>,
        web: &WebRequest<'_>,
    ) -> Result<HttpReply, Refusal> {
        let caller = self.platform.caller(web).await?;
        // Before anything is said of what was sent.
        let authenticator = &self.platform.authenticator;
        let (scope, action) = endpoint.needs();
        authenticator.authorize(&caller, &[scope], action, &web.info)?;
        let keys = KeyService {
            audit: &authenticator.audit,
        };
        let asking = Asking {
            principal: &caller,
            request: &web.info,
        };
        match endpoint {
            Endpoint::Export => self.export(&caller, web),
            Endpoint::List => json_reply(200, &keys.list(asking, &listed(web)?).await?),
            Endpoint::Mint => {
                let input: MintInput = decode(fields(web)?)?;
                json_reply(201, &keys.mint(asking, &input).await?)
            }
            Endpoint::Rotate(id) => {
                let input: RotateInput = decode(with_id(web, id)?)?;
                json_reply(201, &keys.rotate(asking, &input).await?)
            }
            Endpoint::Revoke(id) => {
                let input: RevokeInput = decode(with_id(web, id)?)?;
                json_reply(200, &keys.revoke(asking, &input).await?)
            }
        }
    }

    fn export(&self, caller: &Principal, web: &WebRequest<'_>) -> Result<HttpReply, Refusal> {
        let query = query(web)?;
        let now_ms = self.platform.clock.now_ms();
        let part = Export::read(
            query.get("from"),
            query.get("to"),
            query.get("format"),
            now_ms,
        )
        .map_err(|error| Refusal::Input(error.to_string()))?;
        let event = AuditEvent {
            action: "audit_export",
            resource_type: "audit_log",
            resource_id: None,
            decision: Decision::Allow,
            details: json!({ "from_ms": part.from_ms, "to_ms": part.to_ms }),
        };
        let audit = &self.platform.authenticator.audit;
        audit.record(event, Some(caller), &web.info);
        let database = self.platform.database.clone();
        Ok(HttpReply {
            status: 200,
            headers: vec![
                ("content-type", "application/x-ndjson".to_owned()),
                ("cache-control", "no-store".to_owned()),
            ],
            body: Body::Stream(part.lines(database, self.platform.log.clone())),
        })
    }

    fn refused(&self, refusal: &Refusal, web: &WebRequest<'_>) -> HttpReply {
        let request_id = &web.info.request_id;
        match refusal {
            Refusal::Input(message) => plain_error(400, "INVALID_ARGUMENTS", message, request_id),
            Refusal::Auth(error) | Refusal::Key(KeyError::Scope(error)) => {
                self.denied(error, request_id)
            }
            Refusal::Key(error) => self.failed(error, request_id),
        }
    }

    fn denied(&self, error: &AuthError, request_id: &str) -> HttpReply {
        let mut reply = plain_error(error.status(), error.code(), &error.to_string(), request_id);
        if let Some(challenge) = error.challenge(self.platform.resource.as_deref()) {
            reply = reply.with_header("www-authenticate", challenge);
        }
        if let Some(seconds) = error.retry_after_s() {
            reply = reply.with_header("retry-after", seconds.to_string());
        }
        reply
    }

    fn failed(&self, error: &KeyError, request_id: &str) -> HttpReply {
        let mut message = error.to_string();
        if error.is_internal() {
            let fields = json!({ "code": error.code(), "cause": message });
            self.platform
                .log
                .record(Level::Error, "request_failed", fields);
            "it could not be done just now; try again in a few seconds".clone_into(&mut message);
        }
        let reply = plain_error(error.status(), error.code(), &message, request_id);
        match error {
            KeyError::TooOften { retry_after_s } => {
                reply.with_header("retry-after", retry_after_s.to_string())
            }
            _ => reply,
        }
    }
}

fn json_reply<T: Serialize>(status: u16, body: &T) -> Result<HttpReply, Refusal> {
    let json = serde_json::to_vec(body)
        .map_err(|error| Refusal::Key(KeyError::Internal(error.to_string())))?;
    Ok(HttpReply::json(status, json).with_header("cache-control", "no-store"))
}

fn query(web: &WebRequest<'_>) -> Result<crate::oauth::Params, Refusal> {
    web.query()
        .map_err(|error| Refusal::Input(error.description.into_owned()))
}

fn listed(web: &WebRequest<'_>) -> Result<ListInput, Refusal> {
    let query = query(web)?;
    let include_ended = match query.get("include_ended") {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => return Err(Refusal::Input("include_ended is true or false".to_owned())),
    };
    let input = ListInput {
        user_id: query.get("user_id").map(str::to_owned),
        include_ended,
    };
    valid(input)
}

/// The body, an object; an empty one counts as one without fields.
fn fields(web: &WebRequest<'_>) -> Result<Map<String, Value>, Refusal> {
    if web.body.is_empty() {
        return Ok(Map::new());
    }
    serde_json::from_slice(web.body)
        .map_err(|error| Refusal::Input(format!("the body must be a JSON object: {error}")))
}

fn with_id(web: &WebRequest<'_>, id: &str) -> Result<Map<String, Value>, Refusal> {
    let mut fields = fields(web)?;
    fields.insert("id".to_owned(), json!(id));
    Ok(fields)
}

fn decode<T>(fields: Map<String, Value>) -> Result<T, Refusal>
where
    T: DeserializeOwned + Validate<Context = ()>,
{
    let input = serde_path_to_error::deserialize(Value::Object(fields))
        .map_err(|error| Refusal::Input(format!("{}: {}", error.path(), error.inner())))?;
    valid(input)
}

fn valid<T: Validate<Context = ()>>(input: T) -> Result<T, Refusal> {
    match input.validate() {
        Ok(()) => Ok(input),
        Err(report) => {
            let faults = report
                .iter()
                .map(|(path, fault)| format!("{path}: {fault}"));
            Err(Refusal::Input(faults.collect::<Vec<_>>().join("; ")))
        }
    }
}

impl From<AuthError> for Refusal {
    fn from(error: AuthError) -> Self {
        Self::Auth(error)
    }
}

impl From<KeyError> for Refusal {
    fn from(error: KeyError) -> Self {
        Self::Key(error)
    }
}
