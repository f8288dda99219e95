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
use crate::services::Platform;
use error::ApiError;
pub use once::delete_expired;

const COMPLETIONS: &str = "/v1/chat/completions";
const MODELS: &str = "/v1/models";
const SCOPE: &str = "chatgpt:complete";
/// Of a request: images come inside.
pub const MAX_BODY: usize = 8 * 1024 * 1024;

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

/// True for a path that [`Door::answer`] answers.
pub fn knows(path: &str) -> bool {
    endpoint(path).is_some()
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

impl Door<'_> {
    /// The answer to a request whose path it [`knows`]; None for a method that the path does
    /// not take.
    pub async fn answer(&self, web: &WebRequest<'_>) -> Option<HttpReply> {
        let endpoint = endpoint(web.path)?;
        let posts = matches!(endpoint, Endpoint::Completions);
        if web.method != if posts { "POST" } else { "GET" } {
            return None;
        }
        let answered = self.admitted(endpoint, web).await;
        let reply = answered.unwrap_or_else(|error| error.reply());
        Some(reply.with_header("x-request-id", web.info.request_id.clone()))
    }

    async fn admitted(
        &self,
        endpoint: Endpoint<'_>,
        web: &WebRequest<'_>,
    ) -> Result<HttpReply, ApiError> {
        let caller = self.caller(web).await?;
        match endpoint {
            Endpoint::Completions => self.complete(&caller, web).await,
            Endpoint::Models => Ok(self.models(web)),
            Endpoint::Model(id) => self.model(id, web),
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
