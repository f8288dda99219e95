//! What clients find out by themselves: RFC 8414 with `OpenID` Connect Discovery, and the
//! keys.

use std::cell::RefCell;
use std::rc::Rc;

use serde_json::{Value, json};

use super::identity::CLAIMS;
use super::tokens::members;
use super::{AuthMethod, AuthorizationServer, OAuthError, WebRequest};
use crate::auth::catalogue;
use crate::http::HttpReply;
use crate::jose::Algorithm;

/// Seconds. A key is published for a day at least before it signs.
const CACHED: &str = "public, max-age=300";
/// Behind one address there is one issuer; in development as many as there are host names.
const MAX_DOCUMENTS: usize = 8;
/// Of assertions by clients (RFC 7523) and of proofs (RFC 9449).
const CLIENT_ALGORITHMS: [Algorithm; 2] = [Algorithm::Es256, Algorithm::Rs256];
const PROOF_ALGORITHMS: [Algorithm; 1] = [Algorithm::Es256];

thread_local! {
    /// Documents as they are sent, for the isolate.
    static DOCUMENTS: RefCell<Vec<(Key, Rc<[u8]>)>> = const { RefCell::new(Vec::new()) };
}

/// What a document depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Key {
    issuer: String,
    iss_in_responses: bool,
    registration: bool,
}

impl AuthorizationServer {
    /// RFC 8414 and `OpenID` Connect Discovery, one document.
    pub(super) fn metadata(&self, _web: &WebRequest<'_>) -> HttpReply {
        let key = Key {
            issuer: self.issuer().to_owned(),
            iss_in_responses: self.settings.iss_in_responses,
            registration: self.settings.registration,
        };
        cached(&kept(key))
    }

    /// RFC 7517.
    pub(super) async fn jwks(&self, web: &WebRequest<'_>) -> HttpReply {
        match self.keys.jwks(&self.key_ports()).await {
            Ok(document) => cached(&document),
            Err(error) => self.refusal(&OAuthError::from(error), web),
        }
    }
}

fn cached(document: &[u8]) -> HttpReply {
    HttpReply::json(200, document.to_vec()).with_header("cache-control", CACHED)
}

fn kept(key: Key) -> Rc<[u8]> {
    DOCUMENTS.with_borrow_mut(|documents| {
        if let Some((_, document)) = documents.iter().find(|(known, _)| *known == key) {
            return Rc::clone(document);
        }
        if documents.len() >= MAX_DOCUMENTS {
            documents.clear();
        }
        let document: Rc<[u8]> = key.document().to_string().into_bytes().into();
        documents.push((key, Rc::clone(&document)));
        document
    })
}

impl Key {
    fn document(&self) -> Value {
        let at = |path: &str| format!("{}{path}", self.issuer);
        let all = AuthMethod::ALL.map(AuthMethod::name);
        // A public client proves nothing, so it learns nothing about tokens.
        let proven: Vec<_> = all.into_iter().filter(|name| *name != "none").collect();
        let client_algorithms = CLIENT_ALGORITHMS.map(Algorithm::name);
        let mut document = members(json!({
            "issuer": self.issuer,
            "authorization_endpoint": at("/authorize"),
            "token_endpoint": at("/token"),
            "jwks_uri": at("/.well-known/jwks.json"),
            "userinfo_endpoint": at("/userinfo"),
            "revocation_endpoint": at("/revoke"),
            "introspection_endpoint": at("/introspect"),
            "scopes_supported": scopes(),
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": all,
            "token_endpoint_auth_signing_alg_values_supported": client_algorithms,
            "revocation_endpoint_auth_methods_supported": all,
            "revocation_endpoint_auth_signing_alg_values_supported": client_algorithms,
            "introspection_endpoint_auth_methods_supported": proven,
            "introspection_endpoint_auth_signing_alg_values_supported": client_algorithms,
            "client_id_metadata_document_supported": true,
            "dpop_signing_alg_values_supported": PROOF_ALGORITHMS.map(Algorithm::name),
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": [Algorithm::Es256.name()],
            "claims_supported": claims(),
            "claims_parameter_supported": false,
            "request_parameter_supported": false,
            // OpenID Connect Discovery takes true where nothing is said.
            "request_uri_parameter_supported": false,
        }));
        let mut add = |name: &str, value: Value| document.insert(name.to_owned(), value);
        if self.iss_in_responses {
            add(
                "authorization_response_iss_parameter_supported",
                json!(true),
            );
        }
        if self.registration {
            add("registration_endpoint", json!(at("/register")));
        }
        Value::Object(document)
    }
}

/// Those that a client may ask a person for.
fn scopes() -> Vec<&'static str> {
    let identity = catalogue::IDENTITY_SCOPES.iter().map(|(name, _)| *name);
    let grantable = catalogue::SCOPES.iter().filter(|scope| scope.grantable);
    identity.chain(grantable.map(|scope| scope.name)).collect()
}

fn claims() -> Vec<&'static str> {
    let of_token = ["iss", "aud", "exp", "iat", "auth_time", "nonce"];
    of_token.into_iter().chain(CLAIMS).collect()
}
