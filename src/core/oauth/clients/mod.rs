//! Clients: where they are known from ([`AuthorizationServer::client`]), how they prove
//! themselves, and how they register.

mod address;
mod assertion;
mod cache;
mod document;
mod fetch;
mod metadata;
mod proof;
mod register;
mod registered;

#[cfg(test)]
mod tests;

use sha2::{Digest, Sha256};

use super::{AuthorizationServer, Client, ClientSource, OAuthError, PredefinedClient};
use crate::auth::{Attempt, RequestInfo, Throttle};

pub(super) use address::authority;
pub(crate) use address::is_public_name;
pub use cache::ClientCache;

impl AuthorizationServer {
    /// The client of this id: predefined, registered, or by its document. An error says what is
    /// wrong with the id or its document.
    pub(super) async fn client(&self, id: &str) -> Result<Option<Client>, OAuthError> {
        self.find_client(id, None).await
    }

    /// The same for an id that a stranger sent: how often his network makes us fetch is bounded.
    pub(super) async fn client_asked(
        &self,
        id: &str,
        request: &RequestInfo,
    ) -> Result<Option<Client>, OAuthError> {
        self.find_client(id, Some(request)).await
    }

    async fn find_client(
        &self,
        id: &str,
        stranger: Option<&RequestInfo>,
    ) -> Result<Option<Client>, OAuthError> {
        let mut predefined = self.settings.predefined.iter();
        if let Some(found) = predefined.find(|client| client.id == id) {
            return Ok(Some(of_settings(found)));
        }
        if document::is_address(id) {
            return self.document_client(id, stranger).await.map(Some);
        }
        self.registered_client(id).await
    }

    /// Counts an attempt, and refuses it past `limit` in the window.
    async fn count_client(&self, id: &str, limit: i64, window_ms: i64) -> Result<(), OAuthError> {
        let throttle = Throttle {
            database: self.audit.database.clone(),
            clock: self.audit.clock.clone(),
        };
        match throttle.attempt(id, limit, window_ms).await? {
            Attempt::Allowed => Ok(()),
            Attempt::Refused { retry_after_s } => Err(OAuthError::too_many(retry_after_s)),
        }
    }
}

fn of_settings(client: &PredefinedClient) -> Client {
    Client {
        id: client.id.clone(),
        name: client.name.clone(),
        source: ClientSource::Predefined,
        redirect_uris: client.redirect_uris.clone(),
        auth: client.auth,
        secret_hash: client
            .secret
            .as_ref()
            .map(|secret| hash(secret.expose().as_bytes())),
        jwks: client.jwks.clone(),
        jwks_uri: client.jwks_uri.clone(),
        grant_types: client.grant_types.clone(),
        scopes: client.scopes.clone(),
        pkce_exempt: client.pkce_exempt,
        default_resource: client.default_resource.clone(),
    }
}

fn hash(secret: &[u8]) -> [u8; 32] {
    Sha256::digest(secret).into()
}
