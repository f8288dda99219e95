use async_trait::async_trait;
use chitty_core::chat::library::{SessionArchiveInput, SessionOutput};
use chitty_core::mcp::{About, Call, Reply, Tool, ToolError};
use chitty_core::rest::Rest;
use chitty_core::services::Services;

use crate::domain::Chat;

pub struct SessionArchive;

#[async_trait(?Send)]
impl Tool<Services<Chat>> for SessionArchive {
    type Input = SessionArchiveInput;
    type Output = SessionOutput;

    const ABOUT: About = About {
        name: "chitty_chat_session_archive",
        title: "Archive a chat session",
        description: "Puts a session away, or with archived false takes it out again. Nothing \
                      is lost by it.",
        scopes: &["chatgpt:sessions"],
        hints: super::SETS,
        icon: Some(super::ICON),
    };
    const REST: Option<Rest> = Some(Rest::post("/api/v1/sessions/{session_id}/archive"));

    async fn call(
        services: &Services<Chat>,
        call: &Call,
        input: SessionArchiveInput,
    ) -> Result<Reply<SessionOutput>, ToolError> {
        let owner = call.principal.resolve_user(input.user_id.as_deref())?;
        let done = services
            .domain
            .library
            .archive_session(&owner, &input)
            .await;
        done.map(Reply::Structured)
            .map_err(|error| super::failure(services, &error))
    }
}
