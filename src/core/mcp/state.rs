//! `requestState`: what a tool wants to know again when the caller comes back with answers.
//! It passes through the client, so it is sealed, expires, and opens only for the same
//! principal making the same request (2026-07-28, "Multi round-trip requests").

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::error::RpcError;
use super::run::Target;
use super::server::Host;
use crate::auth::Principal;

const TTL_MS: i64 = 600_000;
const PURPOSE: &str = "mcp-request-state";

#[derive(Serialize, Deserialize)]
struct Sealed {
    expires_at_ms: i64,
    state: Value,
}

/// What a state is bound to.
pub(super) struct Binding([String; 5]);

impl Binding {
    pub fn new(principal: &Principal, target: &Target) -> Self {
        let (method, name, arguments) = match target {
            Target::Tool { name, arguments } => ("tools/call", name, arguments.clone()),
            Target::Prompt { name, arguments } => ("prompts/get", name, json!(arguments)),
            Target::Resource { uri } => ("resources/read", uri, Value::Null),
        };
        // Canonical (RFC 8785): the retry may order its keys otherwise.
        let arguments = serde_json_canonicalizer::to_vec(&arguments)
            .unwrap_or_else(|_| arguments.to_string().into_bytes());
        Self([
            principal.user_id.clone(),
            principal.token_id.clone(),
            method.to_owned(),
            name.clone(),
            hex::encode(Sha256::digest(arguments)),
        ])
    }

    fn parts(&self) -> [&str; 5] {
        self.0.each_ref().map(String::as_str)
    }
}

pub(super) fn seal<S: Host>(
    services: &S,
    binding: &Binding,
    state: Value,
) -> Result<String, RpcError> {
    let sealed = json!(Sealed {
        expires_at_ms: services.clock().now_ms() + TTL_MS,
        state,
    });
    services
        .sealer()
        .seal(
            PURPOSE,
            &binding.parts(),
            sealed.to_string().as_bytes(),
            services.entropy(),
        )
        .map_err(|error| RpcError::internal_because(&error))
}

pub(super) fn open<S: Host>(
    services: &S,
    binding: &Binding,
    text: &str,
) -> Result<Value, RpcError> {
    let refused = || {
        RpcError::invalid_params(
            "\"requestState\" was not given to you for this request, or has expired: \
             send the request again without it",
        )
    };
    let bytes = services
        .sealer()
        .open(PURPOSE, &binding.parts(), text)
        .map_err(|_| refused())?;
    let sealed: Sealed = serde_json::from_slice(&bytes).map_err(|_| refused())?;
    if sealed.expires_at_ms < services.clock().now_ms() {
        return Err(refused());
    }
    Ok(sealed.state)
}
