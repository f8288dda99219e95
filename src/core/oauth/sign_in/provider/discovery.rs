//! The provider's endpoints and keys (`OpenID` Connect Discovery section 4).

use std::cell::RefCell;
use std::rc::Rc;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use super::super::trouble::Trouble;
use crate::oauth::AuthorizationServer;
use crate::oauth::settings::UpstreamSettings;
use crate::ports::HttpRequest;

const METADATA_MS: i64 = 60 * 60 * 1000;
const KEYS_MS: i64 = 10 * 60 * 1000;
/// An unknown key has the keys fetched again, but no more often.
const KEYS_AGAIN_MS: i64 = 10 * 1000;
pub(super) const TIMEOUT_MS: u64 = 8000;
pub(super) const MAX_BYTES: usize = 256 * 1024;

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Metadata {
    pub issuer: String,
    pub authorization_endpoint: String,
    pub token_endpoint: String,
    pub jwks_uri: String,
    pub userinfo_endpoint: Option<String>,
    pub token_endpoint_auth_methods_supported: Option<Vec<String>>,
    #[serde(default)]
    pub authorization_response_iss_parameter_supported: bool,
}

/// The upstream provider's endpoints and keys, one for an isolate.
#[derive(Default)]
pub struct ProviderCache {
    metadata: RefCell<Option<(i64, Rc<Metadata>)>>,
    keys: RefCell<Option<(i64, Rc<Value>)>>,
}

impl AuthorizationServer {
    pub(super) async fn provider_metadata(
        &self,
        upstream: &UpstreamSettings,
    ) -> Result<Rc<Metadata>, Trouble> {
        let now_ms = self.audit.clock.now_ms();
        if let Some((at_ms, kept)) = &*self.provider.metadata.borrow()
            && (0..METADATA_MS).contains(&(now_ms - at_ms))
            && kept.issuer == upstream.issuer
        {
            return Ok(Rc::clone(kept));
        }
        let base = upstream.issuer.trim_end_matches('/');
        let url = format!("{base}/.well-known/openid-configuration");
        let document = self.provider_json(get(url)).await?;
        let found: Metadata = serde_json::from_value(document)
            .map_err(|error| Trouble::ours(format!("the provider's metadata: {error}")))?;
        self.check_metadata(upstream, &found)?;
        let found = Rc::new(found);
        self.provider
            .metadata
            .replace(Some((now_ms, Rc::clone(&found))));
        Ok(found)
    }

    /// The issuer is the one that was asked, to the letter (section 4.3).
    fn check_metadata(&self, upstream: &UpstreamSettings, found: &Metadata) -> Result<(), Trouble> {
        if found.issuer != upstream.issuer {
            return Err(Trouble::ours("the provider names another issuer"));
        }
        let endpoints = [
            Some(&found.authorization_endpoint),
            Some(&found.token_endpoint),
            Some(&found.jwks_uri),
            found.userinfo_endpoint.as_ref(),
        ];
        let development = self.settings.development;
        let safe = |url: &String| {
            Url::parse(url)
                .is_ok_and(|url| url.scheme() == "https" || (development && url.scheme() == "http"))
        };
        if endpoints.into_iter().flatten().all(safe) {
            return Ok(());
        }
        Err(Trouble::ours("an endpoint of the provider is not https"))
    }

    /// `again` where none of the kept keys was the one.
    pub(super) async fn provider_keys(
        &self,
        metadata: &Metadata,
        again: bool,
    ) -> Result<Rc<Value>, Trouble> {
        let now_ms = self.audit.clock.now_ms();
        let life_ms = if again { KEYS_AGAIN_MS } else { KEYS_MS };
        if let Some((at_ms, kept)) = &*self.provider.keys.borrow()
            && (0..life_ms).contains(&(now_ms - at_ms))
        {
            return Ok(Rc::clone(kept));
        }
        let request = get(metadata.jwks_uri.clone());
        let keys = Rc::new(self.provider_json(request).await?);
        self.provider.keys.replace(Some((now_ms, Rc::clone(&keys))));
        Ok(keys)
    }

    /// A JSON answer with status 200.
    pub(super) async fn provider_json(&self, request: HttpRequest) -> Result<Value, Trouble> {
        let url = request.url.clone();
        let failed = |cause: String| Trouble::ours(format!("the provider at {url}: {cause}"));
        let response = self.http.send(request).await;
        let response = response.map_err(|error| failed(error.to_string()))?;
        let status = response.status;
        let body = response.bytes(MAX_BYTES).await;
        let body = body.map_err(|error| failed(error.to_string()))?;
        if status != 200 {
            return Err(failed(format!("status {status}")));
        }
        serde_json::from_slice(&body).map_err(|error| failed(error.to_string()))
    }
}

pub(super) fn get(url: String) -> HttpRequest {
    HttpRequest {
        method: "GET",
        url,
        headers: vec![("accept", "application/json".to_owned())],
        body: Bytes::new(),
        timeout_ms: TIMEOUT_MS,
        want_headers: &[],
    }
}
