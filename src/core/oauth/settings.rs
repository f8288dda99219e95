//! What an operator sets.

use crate::auth::Scopes;
use crate::secret::Secret;

use super::AuthMethod;

pub const ACCESS_TOKEN_MS: i64 = 60 * 60 * 1000;
pub const ID_TOKEN_MS: i64 = ACCESS_TOKEN_MS;
pub const CODE_MS: i64 = 60 * 1000;
/// Each refresh token; its successor starts anew, up to [`GRANT_MS`].
pub const REFRESH_TOKEN_MS: i64 = 30 * DAY_MS;
pub const GRANT_MS: i64 = 90 * DAY_MS;
/// How long the same successor is given out again to the same client: longer than clients wait
/// for a reply that is lost.
pub const REFRESH_AGAIN_MS: i64 = 60 * 1000;
pub const LOGIN_MS: i64 = 12 * 60 * 60 * 1000;
pub const REGISTERED_CLIENT_MS: i64 = 90 * DAY_MS;
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

#[derive(Debug, Clone, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a setting of its own, named as the variable is"
)]
pub struct Settings {
    /// The public base URL of the coordinator, without a slash at the end. Empty only in
    /// development: the request's own then.
    pub issuer: Option<String>,
    /// MCP endpoints that tokens may be for, such as `https://mcp.example.com/mcp`. The
    /// coordinator's own need not be named.
    pub resources: Vec<String>,
    /// `iss` in authorization responses (RFC 9207).
    pub iss_in_responses: bool,
    /// RFC 7591. Metadata documents need none.
    pub registration: bool,
    pub predefined: Vec<PredefinedClient>,
    pub upstream: Option<UpstreamSettings>,
    /// A second factor must have been used to sign in.
    pub require_second_factor: bool,
    /// Loopback URLs and plain http are taken for resources, documents and providers.
    pub development: bool,
}

/// A client that the operator vouches for, such as a GPT Action.
#[derive(Debug, Clone)]
pub struct PredefinedClient {
    pub id: String,
    pub name: String,
    pub secret: Option<Secret>,
    pub auth: AuthMethod,
    pub redirect_uris: Vec<String>,
    pub grant_types: Vec<String>,
    pub scopes: Option<Scopes>,
    pub jwks: Option<serde_json::Value>,
    pub jwks_uri: Option<String>,
    pub pkce_exempt: bool,
    pub default_resource: Option<String>,
}

/// The `OpenID` provider that people may sign in through.
#[derive(Debug, Clone)]
pub struct UpstreamSettings {
    pub issuer: String,
    pub client_id: String,
    pub client_secret: Option<Secret>,
    /// What the button says: "Sign in with {label}".
    pub label: String,
    /// Role of who signs in for the first time.
    pub default_role: String,
    /// Lower case. When not empty, only people with a verified e-mail address in one of these
    /// domains may sign in; subdomains are others.
    pub allowed_domains: Vec<String>,
}

impl UpstreamSettings {
    /// Whether someone with this address may come in.
    pub fn admits(&self, email: Option<&str>, verified: bool) -> bool {
        if self.allowed_domains.is_empty() {
            return true;
        }
        let domain = email.and_then(|email| email.rsplit_once('@'));
        verified
            && domain.is_some_and(|(_, domain)| {
                let mut allowed = self.allowed_domains.iter();
                allowed.any(|known| known.eq_ignore_ascii_case(domain))
            })
    }
}
