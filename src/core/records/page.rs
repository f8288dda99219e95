//! A record at its URL: a page for a person who is signed in, JSON for a program with a token.

use std::rc::Rc;

use maud::html;
use serde_json::json;

use super::{Record, RecordError, Records, SCOPE};
use crate::auth::protected_resource::ProtectedResource;
use crate::auth::{AuthError, Credential, Domain, Principal};
use crate::http::HttpReply;
use crate::oauth::{AuthorizationServer, WebRequest};

/// The path of a record's page, before its id.
pub const PREFIX: &str = "/records/";
const ACTION: &str = "records/read";

/// What judges who asks.
pub struct Door<'a> {
    /// Knows who is signed in, and frames pages.
    pub server: &'a AuthorizationServer,
    /// Whose access tokens are taken. None: keys alone.
    pub resource: Option<&'a ProtectedResource>,
}

/// Why no record is shown.
enum Refusal {
    Auth(AuthError),
    Record(RecordError),
}

impl Records<'_> {
    /// The answer to GET and HEAD of a path below [`PREFIX`]; None for other methods.
    pub async fn respond(&self, web: &WebRequest<'_>, door: &Door<'_>) -> Option<HttpReply> {
        if !matches!(web.method, "GET" | "HEAD") {
            return None;
        }
        let accept = web.headers.get("accept").unwrap_or_default();
        let for_people = accept.contains("text/html");
        Some(match web.headers.get("authorization") {
            None if for_people => self.page(web, door).await,
            header => self.document(web, door, header.as_deref()).await,
        })
    }

    /// For whoever is signed in at the browser.
    async fn page(&self, web: &WebRequest<'_>, door: &Door<'_>) -> HttpReply {
        let person = match door.server.visitor(web).await {
            Ok(person) => person,
            Err(page) => return with_challenge(page, &AuthError::Missing, door.resource),
        };
        match self.read(web, door, &person).await {
            Ok(record) => door.server.shown(200, &record.title, shown(&record)),
            Err(refusal) => refusal.page(door, &web.info.request_id),
        }
    }

    async fn document(
        &self,
        web: &WebRequest<'_>,
        door: &Door<'_>,
        header: Option<&str>,
    ) -> HttpReply {
        let outcome = match bearer(web, door, header).await {
            Ok(caller) => self.read(web, door, &caller).await,
            Err(refused) => Err(Refusal::Auth(refused)),
        };
        let request_id = &web.info.request_id;
        let reply = match outcome {
            Ok(record) => HttpReply::json(200, json!(record).to_string().into_bytes()),
            Err(refusal) => refusal.document(door, request_id),
        };
        reply
            .with_header("cache-control", "no-store")
            .with_header("x-request-id", request_id)
    }

    async fn read(
        &self,
        web: &WebRequest<'_>,
        door: &Door<'_>,
        caller: &Principal,
    ) -> Result<Record, Refusal> {
        let authenticator = &door.server.authenticator;
        authenticator
            .authorize(caller, &[SCOPE], ACTION, &web.info)
            .map_err(Refusal::Auth)?;
        let encoded = web.path.strip_prefix(PREFIX).unwrap_or_default();
        let unknown = || Refusal::Record(RecordError::NotFound(encoded.to_owned()));
        let id = decoded(encoded).ok_or_else(unknown)?;
        self.fetch(caller, &id).await.map_err(Refusal::Record)
    }
}

/// The caller behind a token, as at `/mcp`.
async fn bearer(
    web: &WebRequest<'_>,
    door: &Door<'_>,
    header: Option<&str>,
) -> Result<Rc<Principal>, AuthError> {
    let proof = web.headers.get("dpop");
    let credential = Credential {
        authorization: header,
        proof: proof.as_deref(),
        method: web.method,
        path: web.path,
    };
    let domain = door.resource.map(|resource| Domain {
        resource,
        keys: &door.server.keys,
    });
    let authenticator = &door.server.authenticator;
    authenticator.admit(credential, domain, &web.info).await
}

impl Refusal {
    fn page(&self, door: &Door<'_>, request_id: &str) -> HttpReply {
        let (status, _, message) = self.told();
        let title = match self {
            Self::Auth(_) => "You may not see this record",
            Self::Record(RecordError::NotFound(_)) => "There is no such record of yours",
            Self::Record(_) => "The record could not be read",
        };
        let body = html! {
            h1 { (title) }
            p { (message) }
            p.soft { "Request " code { (request_id) } }
        };
        let reply = door.server.shown(status, title, body);
        reply.with_header("x-request-id", request_id)
    }

    fn document(&self, door: &Door<'_>, request_id: &str) -> HttpReply {
        let (status, code, message) = self.told();
        let error = json!({ "code": code, "message": message, "request_id": request_id });
        let body = json!({ "error": error }).to_string();
        let reply = HttpReply::json(status, body.into_bytes());
        match self {
            Self::Auth(error) => with_challenge(reply, error, door.resource),
            Self::Record(_) => reply,
        }
    }

    fn told(&self) -> (u16, String, String) {
        match self {
            Self::Auth(error) => (error.status(), error.code().to_owned(), error.to_string()),
            Self::Record(error) if error.is_internal() => {
                let message = "The service could not read it just now: try again, and name the \
                               request id if it lasts.";
                (503, error.code(), message.to_owned())
            }
            Self::Record(error) => (404, error.code(), error.to_string()),
        }
    }
}

fn with_challenge(
    reply: HttpReply,
    error: &AuthError,
    resource: Option<&ProtectedResource>,
) -> HttpReply {
    match error.challenge(resource) {
        Some(challenge) => reply.with_header("www-authenticate", challenge),
        None => reply,
    }
}

fn shown(record: &Record) -> maud::Markup {
    // The title stands above already.
    let text = record
        .text
        .strip_prefix(&record.title)
        .unwrap_or(&record.text);
    html! {
        h1 { (record.title) }
        p.soft { (record.id) }
        pre { (text.trim_start()) }
    }
}

/// A path segment without its percent-encoding (RFC 3986 section 2.1). None if it is not UTF-8.
fn decoded(segment: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = match (first, tail) {
            (b'%', [high, low, after @ ..]) => {
                let digit = |byte: &u8| char::from(*byte).to_digit(16);
                let value = digit(high)? * 16 + digit(low)?;
                bytes.push(u8::try_from(value).ok()?);
                after
            }
            (b'%', _) => return None,
            (byte, after) => {
                bytes.push(*byte);
                after
            }
        };
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::{Kind, RecordId};

    #[test]
    fn every_id_survives_the_way_through_its_url() {
        for key in ["E-1", "a/b?c#d%e", "ü 法\\..", "..", "%2e%2e", "a+b&c=d;:@"] {
            let id = RecordId::new(Kind::Session, key);
            let url = id.url("https://mcp.example.com");
            let path = url.strip_prefix("https://mcp.example.com").unwrap();
            assert_eq!(
                decoded(path.strip_prefix(PREFIX).unwrap()).unwrap(),
                id.to_string()
            );
            assert!(
                !path[1..]
                    .replacen('/', "", 1)
                    .contains(['/', '?', '#', ' ']),
                "{path}"
            );
        }
        for bad in ["%", "%a", "%zz", "%ff"] {
            assert_eq!(decoded(bad), None);
        }
    }
}
