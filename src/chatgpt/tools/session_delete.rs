use async_trait::async_trait;
use chitty_core::chat::library::{SessionDeleteInput, SessionDeleteOutput};
use chitty_core::mcp::{About, Call, Reply, Tool, ToolError};
use chitty_core::rest::Rest;
use chitty_core::services::Services;

use crate::domain::Chat;

pub struct SessionDelete;

#[async_trait(?Send)]
impl Tool<Services<Chat>> for SessionDelete {
    type Input = SessionDeleteInput;
    type Output = SessionDeleteOutput;

    const ABOUT: About = About {
        name: "chitty_chat_session_delete",
        title: "Delete a chat session",
        description: "Deletes a session with all that was said in it, for good. What it cost \
                      stays on file.",
        scopes: &["chatgpt:sessions"],
        hints: super::REPLACES,
        icon: Some(super::ICON),
    };
    const REST: Option<Rest> = Some(Rest::delete("/api/v1/sessions/{session_id}"));

    async fn call(
        services: &Services<Chat>,
        call: &Call,
        input: SessionDeleteInput,
    ) -> Result<Reply<SessionDeleteOutput>, ToolError> {
        let owner = call.principal.resolve_user(input.user_id.as_deref())?;
        let done = services.domain.library.delete_session(&owner, &input).await;
        if done.is_ok() {
            services
                .domain
                .close_rooms(&services.platform, &owner, vec![input.session_id.clone()]);
        }
        done.map(Reply::Structured)
            .map_err(|error| super::failure(services, &error))
    }
}
