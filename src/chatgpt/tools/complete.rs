use async_trait::async_trait;
use chitty_core::chat::{CompletionInput, CompletionOutput};
use chitty_core::mcp::{About, Call, Hints, Reply, Tool, ToolError};
use chitty_core::rest::Rest;
use chitty_core::services::Services;

use crate::domain::Chat;

pub struct Complete;

#[async_trait(?Send)]
impl Tool<Services<Chat>> for Complete {
    type Input = CompletionInput;
    type Output = CompletionOutput;

    const ABOUT: About = About {
        name: "chatgpt_complete",
        title: "Ask the model",
        description: "Sends a conversation to the model and returns its answer with the tokens \
                      used and the exact cost. With a session_id, the last user message and the \
                      answer are kept in that session.",
        scopes: &["chatgpt:complete"],
        hints: Hints::MODEL,
        icon: Some(super::ICON),
    };
    const REST: Option<Rest> = Some(Rest::post("/api/v1/completions"));

    async fn call(
        services: &Services<Chat>,
        call: &Call,
        input: CompletionInput,
    ) -> Result<Reply<CompletionOutput>, ToolError> {
        let asker = super::asker(call);
        let answer = services.domain.service.complete(asker, None, &input).await;
        answer
            .map(Reply::Structured)
            .map_err(|error| super::failure(services, &error))
    }
}
