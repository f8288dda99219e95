//! The OpenAI-compatible door: `/v1/chat/completions`, `/v1/models` and `/v1/models/{id}`, with
//! our keys, for OpenAI's clients as they are.
//!
//! Shapes: OpenAI's published description of its API (`CreateChatCompletionRequest`,
//! `CreateChatCompletionResponse`, `CreateChatCompletionStreamResponse`, `Model`). Fields that
//! nobody here knows go through to the provider. What a call cost stands in `usage.chitty`.

mod call;
mod error;
mod models;
mod once;
mod read;
mod stream;
#[cfg(test)]
mod tests;
mod wire;

use std::rc::Rc;

use crate::auth::Principal;
use crate::gateway::Gateway;
use crate::http::HttpReply;
use crate::oauth::WebRequest;
use crate::openapi::Further;
use crate::services::Platform;
use error::ApiError;
pub use once::delete_expired;

const COMPLETIONS: &str = "/v1/chat/completions";
const MODELS: &str = "/v1/models";
const SCOPE: &str = "chatgpt:complete";
/// What is served here, for the `OpenAPI` document.
pub const DESCRIBED: Further = Further {
    described: include_str!("openapi.json"),
    scopes: &[SCOPE],
};
/// Of a question: images come inside.
const MAX_BODY: usize = 8 * 1024 * 1024;

/// The door, for one request.
pub struct Door<'a> {
    pub platform: &'a Platform,
    pub gateway: &'a Rc<Gateway>,
}

enum Endpoint<'a> {
    Completions,
    Models,
    Model(&'a str),
}

/// True for a path that [`Door::answer`] answers: all that OpenAI's clients may ask for, so that
/// they can read what is said of it.
pub fn knows(path: &str) -> bool {
    path.starts_with("/v1/")
}

/// Bytes that a body sent to `path` may have. 0 where none is read.
pub fn body_limit(path: &str) -> usize {
    if path == COMPLETIONS { MAX_BODY } else { 0 }
}

/// A request that was refused before its path was looked at.
pub fn refusal(status: u16, message: &str) -> HttpReply {
    ApiError::refused(status, message).reply()
}

fn endpoint(path: &str) -> Option<Endpoint<'_>> {
    match path {
        COMPLETIONS => Some(Endpoint::Completions),
        MODELS => Some(Endpoint::Models),
        _ => {
            let id = path.strip_prefix(MODELS)?.strip_prefix('/')?;
            (!id.is_empty()).then_some(Endpoint::Model(id))
        }
    }
}

impl Endpoint<'_> {
    fn method(&self) -> &'static str {
        match self {
            Self::Completions => "POST",
            Self::Models | Self::Model(_) => "GET",
        }
    }
}

impl Door<'_> {
    /// The answer to a request whose path it [`knows`].
    pub async fn answer(&self, web: &WebRequest<'_>) -> HttpReply {
        let answered = match endpoint(web.path) {
            None => Err(ApiError::unknown_path(web.method, web.path)),
            Some(endpoint) if endpoint.method() != web.method => {
                Err(ApiError::wrong_method(web.method, endpoint.method()))
            }
            Some(endpoint) => self.admitted(endpoint, web).await,
        };
        let reply = answered.unwrap_or_else(|error| error.reply());
        reply.with_header("x-request-id", web.info.request_id.clone())
    }

    async fn admitted(
        &self,
        endpoint: Endpoint<'_>,
        web: &WebRequest<'_>,
    ) -> Result<HttpReply, ApiError> {
        let caller = self.caller(web).await?;
        match endpoint {
            Endpoint::Completions => self.complete(&caller, web).await,
            Endpoint::Models => Ok(self.models()),
            Endpoint::Model(id) => self.model(id),
        }
    }

    /// Whoever calls, if they may ask a model.
    async fn caller(&self, web: &WebRequest<'_>) -> Result<Rc<Principal>, ApiError> {
        let caller = self.platform.caller(web).await?;
        let authenticator = &self.platform.authenticator;
        authenticator.authorize(&caller, &[SCOPE], "chat_completions", &web.info)?;
        Ok(caller)
    }
}
