use async_trait::async_trait;
use chitty_core::chat::library::{MessageAddInput, MessageAddOutput};
use chitty_core::mcp::{About, Call, Hints, Reply, Tool, ToolError};
use chitty_core::rest::Rest;
use chitty_core::services::Services;

use crate::domain::Chat;

pub struct MessageAdd;

#[async_trait(?Send)]
impl Tool<Services<Chat>> for MessageAdd {
    type Input = MessageAddInput;
    type Output = MessageAddOutput;

    const ABOUT: About = About {
        name: "chitty_message_add",
        title: "Add a message",
        description: "Puts a message that was said elsewhere at the end of a session, with the \
                      tokens and the cost you state. The model is not asked.",
        scopes: &["chatgpt:sessions"],
        hints: Hints::ADD,
        icon: Some(super::ICON),
    };
    const REST: Option<Rest> = Some(Rest::create("/api/v1/sessions/{session_id}/messages"));

    async fn call(
        services: &Services<Chat>,
        call: &Call,
        input: MessageAddInput,
    ) -> Result<Reply<MessageAddOutput>, ToolError> {
        let owner = call.principal.resolve_user(input.user_id.as_deref())?;
        let done = services.domain.library.add_message(&owner, &input).await;
        done.map(Reply::Structured)
            .map_err(|error| super::failure(services, &error))
    }
}
