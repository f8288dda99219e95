//! Whether a provider knows a key: `GET {base}/models`, which costs nothing there. Of the
//! answer only the status is read, since its text may repeat the key.

use bytes::Bytes;

use super::{Vault, VaultError};
use crate::llm::{BaseUrl, Dialect};
use crate::ports::{HttpError, HttpRequest};
use crate::secret::Secret;

const TIMEOUT_MS: u64 = 5_000;

/// A provider that users may have keys of. Its address is the operator's alone: one of a
/// user's choice could collect keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upstream {
    /// As prices know it: `openai`, `anthropic`, …
    pub name: String,
    pub base_url: BaseUrl,
    /// Says how it wants to see a key.
    pub dialect: Dialect,
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
            url: format!("{}/models", upstream.base_url),
            headers: upstream.dialect.headers(key.expose()),
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
