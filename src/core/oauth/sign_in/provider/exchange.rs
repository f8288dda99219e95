//! The code for tokens (`OpenID` Connect Core section 3.1.3).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Deserialize;
use url::form_urlencoded::{Serializer, byte_serialize};

use super::Refused;
use super::discovery::{Metadata, TIMEOUT_MS};
use crate::oauth::settings::UpstreamSettings;
use crate::oauth::{AuthMethod, AuthorizationServer};
use crate::ports::HttpRequest;

#[derive(Deserialize)]
pub(super) struct Tokens {
    pub id_token: String,
    pub access_token: Option<String>,
}

impl AuthorizationServer {
    pub(super) async fn exchange(
        &self,
        upstream: &UpstreamSettings,
        metadata: &Metadata,
        code: &str,
        verifier: &str,
    ) -> Result<Tokens, Refused> {
        let mut form = Serializer::new(String::new());
        form.append_pair("grant_type", "authorization_code")
            .append_pair("code", code)
            .append_pair("redirect_uri", &self.callback_url())
            .append_pair("code_verifier", verifier);
        let mut headers = vec![
            ("accept", "application/json".to_owned()),
            (
                "content-type",
                "application/x-www-form-urlencoded".to_owned(),
            ),
        ];
        match (&upstream.client_secret, method(upstream, metadata)) {
            (Some(secret), AuthMethod::SecretBasic) => {
                headers.push(("authorization", basic(&upstream.client_id, secret.expose())));
            }
            (Some(secret), _) => {
                form.append_pair("client_id", &upstream.client_id)
                    .append_pair("client_secret", secret.expose());
            }
            (None, _) => {
                form.append_pair("client_id", &upstream.client_id);
            }
        }
        let request = HttpRequest {
            method: "POST",
            url: metadata.token_endpoint.clone(),
            headers,
            body: Bytes::from(form.finish()),
            timeout_ms: TIMEOUT_MS,
            want_headers: &[],
        };
        let answer = self.provider_json(request).await?;
        serde_json::from_value(answer)
            .map_err(|error| Refused::because("no_id_token", error.to_string()))
    }
}

/// `client_secret_basic`, which is the default, unless only the other is taken.
fn method(upstream: &UpstreamSettings, metadata: &Metadata) -> AuthMethod {
    if upstream.client_secret.is_none() {
        return AuthMethod::None;
    }
    let supported = metadata.token_endpoint_auth_methods_supported.as_deref();
    let takes = |method: AuthMethod| {
        supported.is_none_or(|names| names.iter().any(|name| name == method.name()))
    };
    if takes(AuthMethod::SecretBasic) || !takes(AuthMethod::SecretPost) {
        AuthMethod::SecretBasic
    } else {
        AuthMethod::SecretPost
    }
}

/// RFC 6749 section 2.3.1: both parts form-encoded first.
fn basic(id: &str, secret: &str) -> String {
    let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
    let pair = format!("{}:{}", encoded(id), encoded(secret));
    format!("Basic {}", STANDARD.encode(pair))
}
