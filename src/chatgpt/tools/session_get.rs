use async_trait::async_trait;
use chitty_core::chat::library::{SessionGetInput, SessionGetOutput};
use chitty_core::mcp::{About, Call, Hints, Reply, Tool, ToolError};
use chitty_core::rest::Rest;
use chitty_core::services::Services;

use crate::domain::Chat;

pub struct SessionGet;

#[async_trait(?Send)]
impl Tool<Services<Chat>> for SessionGet {
    type Input = SessionGetInput;
    type Output = SessionGetOutput;

    const ABOUT: About = About {
        name: "chitty_chat_session_get",
        title: "Read a chat session",
        description: "A session with its messages, oldest first. A long one comes in pages: \
                      ask again with after_seq as next_after_seq says.",
        scopes: &["chatgpt:read"],
        hints: Hints::READ,
        icon: Some(super::ICON),
    };
    const REST: Option<Rest> = Some(Rest::get("/api/v1/sessions/{session_id}"));

    async fn call(
        services: &Services<Chat>,
        call: &Call,
        input: SessionGetInput,
    ) -> Result<Reply<SessionGetOutput>, ToolError> {
        let owner = call.principal.resolve_user(input.user_id.as_deref())?;
        let done = services.domain.library.session(&owner, &input).await;
        done.map(Reply::Structured)
            .map_err(|error| super::failure(services, &error))
    }
}
