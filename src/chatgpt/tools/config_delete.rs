use async_trait::async_trait;
use chitty_core::chat::settings::{ConfigDeleteInput, ConfigDeleteOutput};
use chitty_core::mcp::{About, Call, Reply, Tool, ToolError};
use chitty_core::rest::Rest;
use chitty_core::services::Services;

use crate::domain::Chat;

pub struct ConfigDelete;

#[async_trait(?Send)]
impl Tool<Services<Chat>> for ConfigDelete {
    type Input = ConfigDeleteInput;
    type Output = ConfigDeleteOutput;

    const ABOUT: About = About {
        name: "chitty_model_config_delete",
        title: "Delete a model config",
        description: "Deletes model settings of yours. Sessions made with them keep theirs.",
        scopes: &["chatgpt:sessions"],
        hints: super::REPLACES,
        icon: Some(super::ICON),
    };
    const REST: Option<Rest> = Some(Rest::delete("/api/v1/model-configs/{config_name}"));

    async fn call(
        services: &Services<Chat>,
        call: &Call,
        input: ConfigDeleteInput,
    ) -> Result<Reply<ConfigDeleteOutput>, ToolError> {
        let owner = call.principal.resolve_user(input.user_id.as_deref())?;
        let done = services.domain.library.delete_config(&owner, &input).await;
        done.map(Reply::Structured)
            .map_err(|error| super::failure(services, &error))
    }
}
