use async_trait::async_trait;
use chitty_core::chat::library::{SearchInput, SearchOutput};
use chitty_core::mcp::{About, Call, Hints, Reply, Tool, ToolError};
use chitty_core::rest::Rest;
use chitty_core::services::Services;

use crate::domain::Chat;

pub struct ChatSearch;

#[async_trait(?Send)]
impl Tool<Services<Chat>> for ChatSearch {
    type Input = SearchInput;
    type Output = SearchOutput;

    const ABOUT: About = About {
        name: "chitty_chat_search",
        title: "Search chat messages",
        description: "Messages of your sessions that have all the words, the newest first, \
                      each with the text around the first word.",
        scopes: &["chatgpt:read"],
        hints: Hints::READ,
        icon: Some(super::ICON),
    };
    const REST: Option<Rest> = Some(Rest::get("/api/v1/messages"));

    async fn call(
        services: &Services<Chat>,
        call: &Call,
        input: SearchInput,
    ) -> Result<Reply<SearchOutput>, ToolError> {
        let owner = call.principal.resolve_user(input.user_id.as_deref())?;
        let done = services.domain.library.search(&owner, &input).await;
        done.map(Reply::Structured)
            .map_err(|error| super::failure(services, &error))
    }
}
