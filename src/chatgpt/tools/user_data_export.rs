use async_trait::async_trait;
use chitty_core::chat::library::{UserDataExportInput, UserDataExportOutput};
use chitty_core::mcp::{About, Call, Hints, Reply, Tool, ToolError};
use chitty_core::rest::Rest;
use chitty_core::services::Services;

use crate::domain::Chat;

pub struct UserDataExport;

#[async_trait(?Send)]
impl Tool<Services<Chat>> for UserDataExport {
    type Input = UserDataExportInput;
    type Output = UserDataExportOutput;

    const ABOUT: About = About {
        name: "chitty_user_data_export",
        title: "Export all chat data",
        description: "Everything kept of your chats as JSON lines: sessions, messages, links, \
                      templates, configs, provider keys without the keys, usage. Ask again \
                      with next_cursor until there is none.",
        scopes: &["chatgpt:read"],
        hints: Hints::READ,
        icon: Some(super::ICON),
    };
    const REST: Option<Rest> = Some(Rest::get("/api/v1/me/export"));

    async fn call(
        services: &Services<Chat>,
        call: &Call,
        input: UserDataExportInput,
    ) -> Result<Reply<UserDataExportOutput>, ToolError> {
        let owner = call.principal.resolve_user(input.user_id.as_deref())?;
        let done = services.domain.library.export_user(&owner, &input).await;
        done.map(Reply::Structured)
            .map_err(|error| super::failure(services, &error))
    }
}
