use async_trait::async_trait;
use chitty_core::chat::library::{SessionListInput, SessionListOutput};
use chitty_core::mcp::{About, Call, Hints, Reply, Tool, ToolError};
use chitty_core::rest::Rest;
use chitty_core::services::Services;

use crate::domain::Chat;

pub struct SessionList;

#[async_trait(?Send)]
impl Tool<Services<Chat>> for SessionList {
    type Input = SessionListInput;
    type Output = SessionListOutput;

    const ABOUT: About = About {
        name: "chitty_chat_session_list",
        title: "List chat sessions",
        description: "Your sessions, the last changed first, without their messages. Narrowed \
                      by status, case, label, document, or words in the name or the messages.",
        scopes: &["chatgpt:read"],
        hints: Hints::READ,
        icon: Some(super::ICON),
    };
    const REST: Option<Rest> = Some(Rest::get("/api/v1/sessions"));

    async fn call(
        services: &Services<Chat>,
        call: &Call,
        input: SessionListInput,
    ) -> Result<Reply<SessionListOutput>, ToolError> {
        let owner = call.principal.resolve_user(input.user_id.as_deref())?;
        let done = services.domain.library.list_sessions(&owner, &input).await;
        done.map(Reply::Structured)
            .map_err(|error| super::failure(services, &error))
    }
}
