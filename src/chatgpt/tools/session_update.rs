use async_trait::async_trait;
use chitty_core::chat::library::{SessionOutput, SessionUpdateInput};
use chitty_core::mcp::{About, Call, Reply, Tool, ToolError};
use chitty_core::rest::Rest;
use chitty_core::services::Services;

use crate::domain::Chat;

pub struct SessionUpdate;

#[async_trait(?Send)]
impl Tool<Services<Chat>> for SessionUpdate {
    type Input = SessionUpdateInput;
    type Output = SessionOutput;

    const ABOUT: About = About {
        name: "chitty_chat_session_update",
        title: "Change a chat session",
        description: "Changes the name, the notes, the case, the documents or the labels of a \
                      session. What is left out stays.",
        scopes: &["chatgpt:sessions"],
        hints: super::REPLACES,
        icon: Some(super::ICON),
    };
    const REST: Option<Rest> = Some(Rest::patch("/api/v1/sessions/{session_id}"));

    async fn call(
        services: &Services<Chat>,
        call: &Call,
        input: SessionUpdateInput,
    ) -> Result<Reply<SessionOutput>, ToolError> {
        let owner = call.principal.resolve_user(input.user_id.as_deref())?;
        let done = services.domain.library.update_session(&owner, &input).await;
        done.map(Reply::Structured)
            .map_err(|error| super::failure(services, &error))
    }
}
