//! Clients by their metadata document (draft-ietf-oauth-client-id-metadata-document): the id
//! is the document's address.

use serde_json::Value;

use super::address;
use super::fetch::FetchError;
use super::metadata::Metadata;
use crate::auth::RequestInfo;
use crate::auth::throttle::network_of;
use crate::oauth::{AuthMethod, AuthorizationServer, Client, ClientSource, OAuthError};

/// As the draft suggests (section 6.6).
const MAX_DOCUMENT_BYTES: usize = 5 * 1024;
/// Documents fetched for one network in a minute.
const FETCHES: i64 = 120;
const MINUTE_MS: i64 = 60_000;

/// Whether a client id is the address of a document.
pub(super) fn is_address(id: &str) -> bool {
    id.starts_with("https://") || id.starts_with("http://")
}

impl AuthorizationServer {
    pub(super) async fn document_client(
        &self,
        id: &str,
        stranger: Option<&RequestInfo>,
    ) -> Result<Client, OAuthError> {
        let url = address::fetchable(id, self.settings.development)
            .map_err(|why| OAuthError::invalid_client(format!("the client id {why}")))?;
        // One host could stand for any client if its address could carry the document.
        if url.query().is_some() {
            return Err(OAuthError::invalid_client("the client id has a query"));
        }
        let now_ms = self.audit.clock.now_ms();
        if let Some(known) = self.clients.client(id, now_ms) {
            return known.or_else(|error| self.stale_client(id, error));
        }
        if let Some(request) = stranger {
            self.allow_fetch(request).await?;
        }
        let read = self.read_document(id, url.host_str()).await;
        if let Err(error) = &read {
            let now_ms = self.audit.clock.now_ms();
            self.clients.put_failure(id, error, now_ms);
        }
        read.or_else(|error| self.stale_client(id, error))
    }

    /// What the address last said, where it does not answer now. A host that answers with
    /// anything else has taken its document back.
    fn stale_client(&self, id: &str, error: OAuthError) -> Result<Client, OAuthError> {
        if error.status < 500 {
            self.clients.forget_client(id);
            return Err(error);
        }
        let now_ms = self.audit.clock.now_ms();
        self.clients.stale_client(id, now_ms).ok_or(error)
    }

    async fn read_document(&self, id: &str, host: Option<&str>) -> Result<Client, OAuthError> {
        let fetched = self.fetch_json(id, MAX_DOCUMENT_BYTES).await;
        let fetched = fetched.map_err(|error| refused("the client's metadata document", &error))?;
        let client = client(id, host, &fetched.json, self.settings.development)?;
        let now_ms = self.audit.clock.now_ms();
        self.clients.put_client(&client, fetched.fresh_ms, now_ms);
        Ok(client)
    }

    /// Anybody can make this server fetch: not without end.
    pub(super) async fn allow_fetch(&self, request: &RequestInfo) -> Result<(), OAuthError> {
        let id = format!("client_fetch:{}", network_of(request.ip.as_deref()));
        self.count_client(&id, FETCHES, MINUTE_MS).await
    }
}

/// A failed fetch, as the client hears of it.
pub(super) fn refused(what: &str, error: &FetchError) -> OAuthError {
    let description = format!("{what} cannot be used: its address {error}");
    match error {
        FetchError::Refused(_) => OAuthError::invalid_client(description),
        FetchError::Away(_) => OAuthError {
            description: description.into(),
            ..OAuthError::server_error("a client's document or keys could not be fetched")
        },
    }
}

fn client(
    id: &str,
    host: Option<&str>,
    json: &Value,
    development: bool,
) -> Result<Client, OAuthError> {
    let wrong = |why: &str| {
        OAuthError::invalid_client(format!("the client's metadata document is wrong: {why}"))
    };
    let json = json.as_object().ok_or_else(|| wrong("it is no object"))?;
    if json.get("client_id").and_then(Value::as_str) != Some(id) {
        return Err(wrong("its client_id is not its own address"));
    }
    if json.contains_key("client_secret") || json.contains_key("client_secret_expires_at") {
        return Err(wrong("it holds a secret"));
    }
    let metadata = Metadata::read(json, development).map_err(|error| wrong(&error.description))?;
    let auth = metadata.auth.unwrap_or(AuthMethod::None);
    if !matches!(auth, AuthMethod::None | AuthMethod::PrivateKeyJwt) {
        return Err(wrong(
            "token_endpoint_auth_method must be none or private_key_jwt",
        ));
    }
    Ok(Client {
        id: id.to_owned(),
        name: metadata
            .name
            .unwrap_or_else(|| host.unwrap_or(id).to_owned()),
        source: ClientSource::Document,
        redirect_uris: metadata.redirect_uris,
        auth,
        secret_hash: None,
        jwks: metadata.jwks,
        jwks_uri: metadata.jwks_uri,
        grant_types: metadata.grant_types,
        scopes: None,
        pkce_exempt: false,
        default_resource: None,
    })
}
