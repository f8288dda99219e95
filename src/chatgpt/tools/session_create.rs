use async_trait::async_trait;
use chitty_core::chat::{SessionCreateInput, SessionCreateOutput};
use chitty_core::mcp::{About, Call, Hints, Reply, Tool, ToolError};
use chitty_core::rest::Rest;
use chitty_core::services::Services;

use crate::domain::Chat;

pub struct SessionCreate;

#[async_trait(?Send)]
impl Tool<Services<Chat>> for SessionCreate {
    type Input = SessionCreateInput;
    type Output = SessionCreateOutput;

    const ABOUT: About = About {
        name: "chitty_chat_session_create",
        title: "Create a chat session",
        description: "Makes a session that keeps exchanges with the model, with an optional \
                      system prompt as its first message, or from a template. Give its id as \
                      session_id to chatgpt_complete or chatgpt_stream.",
        scopes: &["chatgpt:sessions"],
        hints: Hints::ADD,
        icon: Some(super::ICON),
    };
    const REST: Option<Rest> = Some(Rest::create("/api/v1/sessions"));

    async fn call(
        services: &Services<Chat>,
        call: &Call,
        input: SessionCreateInput,
    ) -> Result<Reply<SessionCreateOutput>, ToolError> {
        let owner = call.principal.resolve_user(input.user_id.as_deref())?;
        let made = services.domain.library.create_session(&owner, &input).await;
        made.map(Reply::Structured)
            .map_err(|error| super::failure(services, &error))
    }
}
