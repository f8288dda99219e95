//! Whether a provider knows a key: `GET {base}/models`, which costs nothing there. Of the
//! answer only the status is read, since its text may repeat the key.

use bytes::Bytes;

use super::{Vault, VaultError};
use crate::ports::{HttpError, HttpRequest};
use crate::secret::Secret;

const TIMEOUT_MS: u64 = 5_000;
/// Version of Anthropic's API, which each request must name.
const ANTHROPIC_VERSION: &str = "2023-06-01";

/// A provider that users may have keys of. Its address is the operator's alone: one of a
/// user's choice could collect keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upstream {
    /// As prices know it: `openai`, `anthropic`, …
    pub name: String,
    /// With the version: `https://api.openai.com/v1`.
    pub base_url: String,
    pub header: KeyHeader,
}

/// How a provider wants to see a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyHeader {
    /// `authorization: Bearer`, as OpenAI and all who are compatible with it.
    Bearer,
    /// `x-api-key`, as Anthropic.
    XApiKey,
}

impl KeyHeader {
    fn headers(self, key: &Secret) -> Vec<(&'static str, String)> {
        match self {
            Self::Bearer => vec![("authorization", format!("Bearer {}", key.expose()))],
            Self::XApiKey => vec![
                ("x-api-key", key.expose().to_owned()),
                ("anthropic-version", ANTHROPIC_VERSION.to_owned()),
            ],
        }
    }
}

impl Vault {
    pub(super) fn upstream(&self, name: &str) -> Result<&Upstream, VaultError> {
        let found = self.upstreams.iter().find(|upstream| upstream.name == name);
        found.ok_or_else(|| {
            let names: Vec<&str> = self.upstreams.iter().map(|known| &*known.name).collect();
            let known = names.join(", ");
            VaultError::UnknownProvider { known }
        })
    }

    /// When the provider knew the key; None if it could not say and `keep_unchecked`.
    pub(super) async fn check(
        &self,
        upstream: &Upstream,
        key: &Secret,
        keep_unchecked: bool,
    ) -> Result<Option<i64>, VaultError> {
        let provider = upstream.name.clone();
        let request = HttpRequest {
            method: "GET",
            url: format!("{}/models", upstream.base_url.trim_end_matches('/')),
            headers: upstream.header.headers(key),
            body: Bytes::new(),
            timeout_ms: TIMEOUT_MS,
            want_headers: &[],
        };
        let cause = match self.http.send(request).await.map(|answer| answer.status) {
            Ok(200..=299) => return Ok(Some(self.audit.clock.now_ms())),
            Ok(401) => return Err(VaultError::Refused { provider }),
            // A key that may do some things only is known all the same, but so is a wrong one
            // from a country that is not served.
            Ok(403) => "it answered that the key may not list models",
            Ok(429) => "it limits the rate of requests",
            Ok(_) => "it answered with an error",
            Err(HttpError::Timeout { .. }) => "no answer within 5 seconds",
            Err(_) => "no connection",
        };
        if keep_unchecked {
            return Ok(None);
        }
        Err(VaultError::NotChecked { provider, cause })
    }
}
