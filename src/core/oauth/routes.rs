//! The server's paths, the standard ones and those of the `ChittyAuth` API.

use super::{AuthorizationServer, WebRequest};
use crate::http::HttpReply;

/// Where the `ChittyAuth` API has the same endpoints.
const API: &str = "/api/v2/oauth";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Endpoint {
    Metadata,
    Jwks,
    Authorize,
    Token,
    Revoke,
    Introspect,
    Register,
    UserInfo,
    SignIn,
    UpstreamStart,
    UpstreamCallback,
    Consent,
    Account,
    SignOut,
}

/// True for a path that [`AuthorizationServer::answer`] answers.
pub fn knows(path: &str) -> bool {
    endpoint(path).is_some()
}

/// Called by programs in pages of any origin: they carry no cookie, and CORS lets all in.
pub fn is_open(path: &str) -> bool {
    use Endpoint::{Introspect, Jwks, Metadata, Register, Revoke, Token, UserInfo};
    matches!(
        endpoint(path),
        Some(Metadata | Jwks | Token | Revoke | Introspect | Register | UserInfo)
    )
}

fn endpoint(path: &str) -> Option<Endpoint> {
    if let Some(document) = path.strip_prefix("/.well-known/") {
        return match document {
            "oauth-authorization-server" | "openid-configuration" => Some(Endpoint::Metadata),
            "jwks.json" => Some(Endpoint::Jwks),
            _ => None,
        };
    }
    match path.strip_prefix(API).unwrap_or(path) {
        "/authorize" => Some(Endpoint::Authorize),
        "/token" => Some(Endpoint::Token),
        "/revoke" => Some(Endpoint::Revoke),
        "/introspect" => Some(Endpoint::Introspect),
        "/register" => Some(Endpoint::Register),
        "/userinfo" => Some(Endpoint::UserInfo),
        "/sign-in" => Some(Endpoint::SignIn),
        "/sign-in/upstream" => Some(Endpoint::UpstreamStart),
        "/sign-in/callback" => Some(Endpoint::UpstreamCallback),
        "/consent" => Some(Endpoint::Consent),
        "/account" => Some(Endpoint::Account),
        "/sign-out" => Some(Endpoint::SignOut),
        _ => None,
    }
}

impl AuthorizationServer {
    /// The answer to a request whose path it [`knows`].
    pub async fn answer(&self, web: &WebRequest<'_>) -> Option<HttpReply> {
        Some(match (web.method, endpoint(web.path)?) {
            ("GET" | "HEAD", Endpoint::Metadata) => self.metadata(web),
            ("GET" | "HEAD", Endpoint::Jwks) => self.jwks(web).await,
            ("GET" | "POST", Endpoint::Authorize) => self.authorize(web).await,
            ("POST", Endpoint::Token) => self.token(web).await,
            ("POST", Endpoint::Revoke) => self.revoke(web).await,
            ("POST", Endpoint::Introspect) => self.introspect(web).await,
            ("POST", Endpoint::Register) => self.register(web).await,
            ("GET" | "POST", Endpoint::UserInfo) => self.userinfo(web).await,
            ("GET" | "POST", Endpoint::SignIn) => self.sign_in(web).await,
            ("GET" | "POST", Endpoint::UpstreamStart) => self.upstream_start(web).await,
            ("GET", Endpoint::UpstreamCallback) => self.upstream_callback(web).await,
            ("POST", Endpoint::Consent) => self.consent(web).await,
            ("GET" | "POST", Endpoint::Account) => self.account(web).await,
            ("POST", Endpoint::SignOut) => self.sign_out(web).await,
            _ => return None,
        })
    }
}
