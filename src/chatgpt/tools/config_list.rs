use async_trait::async_trait;
use chitty_core::chat::settings::{ConfigListInput, ConfigListOutput};
use chitty_core::mcp::{About, Call, Hints, Reply, Tool, ToolError};
use chitty_core::rest::Rest;
use chitty_core::services::Services;

use crate::domain::Chat;

pub struct ConfigList;

#[async_trait(?Send)]
impl Tool<Services<Chat>> for ConfigList {
    type Input = ConfigListInput;
    type Output = ConfigListOutput;

    const ABOUT: About = About {
        name: "chitty_model_config_list",
        title: "List model configs",
        description: "Your model settings by name, and those that ship.",
        scopes: &["chatgpt:read"],
        hints: Hints::READ,
        icon: Some(super::ICON),
    };
    const REST: Option<Rest> = Some(Rest::get("/api/v1/model-configs"));

    async fn call(
        services: &Services<Chat>,
        call: &Call,
        input: ConfigListInput,
    ) -> Result<Reply<ConfigListOutput>, ToolError> {
        let owner = call.principal.resolve_user(input.user_id.as_deref())?;
        let done = services.domain.library.configs(&owner).await;
        done.map(Reply::Structured)
            .map_err(|error| super::failure(services, &error))
    }
}
