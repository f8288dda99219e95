//! A record at its URL: a page for a person who is signed in, JSON for a program with a token.

use std::rc::Rc;

use maud::{DOCTYPE, Markup, html};
use serde_json::json;

use super::{Record, RecordError, Records, SCOPE};
use crate::auth::protected_resource::ProtectedResource;
use crate::auth::{AuthError, Authenticator, Credential, Domain, Principal};
use crate::http::{Body, HttpReply};
use crate::oauth::WebRequest;
use crate::signing_keys::SigningKeys;

/// The path of a record's page, before its id.
pub const PREFIX: &str = "/records/";
const ACTION: &str = "records/read";
const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:48rem;margin:2rem auto;\
    padding:0 1rem;color:#1f2937;background:#fff;overflow-wrap:anywhere}h1{font-size:1.3rem}\
    pre{white-space:pre-wrap;font:inherit}@media(prefers-color-scheme:dark){body{color:#e5e7eb;\
    background:#111827}a{color:#93c5fd}}";
/// Nothing runs and nothing is fetched; the one style is named by its hash.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; \
    form-action 'none'; frame-ancestors 'none'";

/// Who asks for a page: by a token where one was sent, else who is signed in.
pub struct Visitor<'a> {
    pub authenticator: &'a Authenticator,
    pub keys: &'a SigningKeys,
    /// Whose access tokens are taken. None: keys alone.
    pub resource: Option<&'a ProtectedResource>,
    /// The person behind the browser's session.
    pub signed_in: Option<Principal>,
}

/// Why no record is shown.
enum Refusal {
    /// Neither a token nor a session.
    SignedOut,
    Auth(AuthError),
    Record(RecordError),
}

impl Records<'_> {
    /// The answer to GET and HEAD of a path below [`PREFIX`]; None for other methods.
    pub async fn respond(&self, web: &WebRequest<'_>, visitor: Visitor<'_>) -> Option<HttpReply> {
        if !matches!(web.method, "GET" | "HEAD") {
            return None;
        }
        let resource = visitor.resource;
        let by_token = web.headers.get("authorization").is_some();
        let accept = web.headers.get("accept").unwrap_or_default();
        let as_page = !by_token && accept.contains("text/html");
        let outcome = self.read(web, visitor).await;
        Some(match outcome {
            Ok(record) if as_page => page(200, &record.title, &shown(&record)),
            Ok(record) => private(HttpReply::json(200, json!(record).to_string().into_bytes())),
            Err(refusal) => refusal.reply(as_page, resource, &web.info.request_id),
        })
    }

    async fn read(&self, web: &WebRequest<'_>, visitor: Visitor<'_>) -> Result<Record, Refusal> {
        let authenticator = visitor.authenticator;
        let caller = match web.headers.get("authorization") {
            Some(header) => bearer(web, &header, &visitor)
                .await
                .map_err(Refusal::Auth)?,
            None => Rc::new(visitor.signed_in.ok_or(Refusal::SignedOut)?),
        };
        authenticator
            .authorize(&caller, &[SCOPE], ACTION, &web.info)
            .map_err(Refusal::Auth)?;
        let encoded = web.path.strip_prefix(PREFIX).unwrap_or_default();
        let unknown = || Refusal::Record(RecordError::NotFound(encoded.to_owned()));
        let id = decoded(encoded).ok_or_else(unknown)?;
        self.fetch(&caller, &id).await.map_err(Refusal::Record)
    }
}

/// The caller behind a token, as at `/mcp`.
async fn bearer(
    web: &WebRequest<'_>,
    header: &str,
    visitor: &Visitor<'_>,
) -> Result<Rc<Principal>, AuthError> {
    let proof = web.headers.get("dpop");
    let credential = Credential {
        authorization: Some(header),
        proof: proof.as_deref(),
        method: web.method,
    };
    let domain = visitor.resource.map(|resource| Domain {
        resource,
        keys: visitor.keys,
    });
    let authenticator = visitor.authenticator;
    authenticator.admit(credential, domain, &web.info).await
}

impl Refusal {
    fn reply(
        &self,
        as_page: bool,
        resource: Option<&ProtectedResource>,
        request_id: &str,
    ) -> HttpReply {
        let (status, code, message) = self.told();
        let reply = if as_page {
            let text = html! { p { (message) } p { "Request " code { (request_id) } } };
            page(status, self.headline(), &text)
        } else {
            let error = json!({ "code": code, "message": message, "request_id": request_id });
            private(HttpReply::json(
                status,
                json!({ "error": error }).to_string().into_bytes(),
            ))
        };
        let challenge = match self {
            Self::SignedOut => AuthError::Missing.challenge(resource),
            Self::Auth(error) => error.challenge(resource),
            Self::Record(_) => None,
        };
        let reply = reply.with_header("x-request-id", request_id);
        match challenge {
            Some(challenge) => reply.with_header("www-authenticate", challenge),
            None => reply,
        }
    }

    fn headline(&self) -> &'static str {
        match self {
            Self::SignedOut => "Sign in to see this record",
            Self::Auth(_) => "You may not see this record",
            Self::Record(RecordError::NotFound(_)) => "There is no such record of yours",
            Self::Record(_) => "The record could not be read",
        }
    }

    fn told(&self) -> (u16, String, String) {
        match self {
            Self::SignedOut => {
                let message = "Sign in at /account in this browser and open the link again; a \
                               program sends Authorization: Bearer <token>.";
                (401, "MISSING_CREDENTIAL".to_owned(), message.to_owned())
            }
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

fn shown(record: &Record) -> Markup {
    // The title stands above already.
    let text = record
        .text
        .strip_prefix(&record.title)
        .unwrap_or(&record.text);
    html! { p { code { (record.id) } } pre { (text.trim_start()) } }
}

fn page(status: u16, title: &str, content: &Markup) -> HttpReply {
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="robots" content="noindex";
                title { (title) }
                style { (maud::PreEscaped(STYLE)) }
            }
            body { h1 { (title) } (content) }
        }
    };
    let reply = HttpReply {
        status,
        headers: vec![("content-type", "text/html; charset=utf-8".to_owned())],
        body: Body::Bytes(markup.into_string().into_bytes()),
    };
    private(reply)
        .with_header("content-security-policy", POLICY)
        .with_header("x-frame-options", "DENY")
}

fn private(reply: HttpReply) -> HttpReply {
    reply.with_header("cache-control", "no-store")
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
