//! The authorization server: OAuth 2.1 and `OpenID` Connect for the three workers.
//!
//! It lives in the coordinator. A person signs in on a page ([`pages`]), allows a client what
//! it asks for, and the client fetches tokens bound to one worker ([RFC 8707]). What may be
//! raced for is one guarded statement or one batch in [`store`]. The checks of tokens, in all
//! workers, stand in [`crate::auth`].
//!
//! [RFC 8707]: https://www.rfc-editor.org/rfc/rfc8707

mod authorize;
mod client;
mod clients;
mod error;
mod grant;
mod identity;
mod metadata;
mod pages;
mod params;
mod redirect;
mod request;
mod resource;
mod routes;
mod scope;
mod settings;
mod sign_in;
mod store;
mod token;
mod tokens;
mod web;

use std::rc::Rc;

pub use client::{AuthMethod, Client, ClientSource};
pub use clients::ClientCache;
pub(crate) use clients::is_public_name;
pub use error::OAuthError;
pub use grant::{Grant, GrantKind, NewGrant};
pub use params::Params;
pub use redirect::check as check_redirect_uri;
pub use request::AuthorizationRequest;
pub use routes::{is_open, knows};
pub use settings::{ACCESS_TOKEN_MS, PredefinedClient, Settings, UpstreamSettings};
pub use sign_in::ProviderCache;
pub use store::{Expired, expire};
pub use token::GRANT_TYPES;
pub use web::{MAX_BODY, WebRequest};

use crate::auth::AuditLog;
use crate::auth::Authenticator;
use crate::ports::Http;
use crate::seal::Sealer;
use crate::signing_keys::SigningKeys;

/// The server, for one request. What an isolate keeps stands behind its `Rc`s.
pub struct AuthorizationServer {
    pub settings: Rc<Settings>,
    /// This request's base URL, such as `https://mcp.example.com`: what `issuer` is where
    /// the settings name none.
    pub origin: String,
    /// For metadata documents, keys of clients and the upstream provider.
    pub http: Rc<dyn Http>,
    pub sealer: Rc<Sealer>,
    /// Brings the database, clock, entropy, background and log too.
    pub audit: AuditLog,
    /// For signing in with a key.
    pub authenticator: Authenticator,
    /// Of the isolate.
    pub keys: Rc<SigningKeys>,
    pub clients: Rc<ClientCache>,
    pub provider: Rc<ProviderCache>,
}

impl AuthorizationServer {
    /// What tokens and metadata name as their issuer, without a slash at the end (RFC 8414
    /// section 2).
    pub fn issuer(&self) -> &str {
        self.settings.issuer.as_deref().unwrap_or(&self.origin)
    }

    /// The coordinator's own MCP endpoint.
    pub fn own_resource(&self) -> String {
        format!("{}/mcp", self.origin)
    }
}

#[cfg(test)]
mod tests;
