use async_trait::async_trait;
use chitty_core::chat::settings::{ConfigOutput, ConfigUpdateInput};
use chitty_core::mcp::{About, Call, Reply, Tool, ToolError};
use chitty_core::rest::Rest;
use chitty_core::services::Services;

use crate::domain::Chat;

pub struct ConfigUpdate;

#[async_trait(?Send)]
impl Tool<Services<Chat>> for ConfigUpdate {
    type Input = ConfigUpdateInput;
    type Output = ConfigOutput;

    const ABOUT: About = About {
        name: "chitty_model_config_update",
        title: "Change a model config",
        description: "Changes model settings of yours. What is left out stays; is_default \
                      makes them your default, in place of those before.",
        scopes: &["chatgpt:sessions"],
        hints: super::REPLACES,
        icon: Some(super::ICON),
    };
    const REST: Option<Rest> = Some(Rest::patch("/api/v1/model-configs/{config_name}"));

    async fn call(
        services: &Services<Chat>,
        call: &Call,
        input: ConfigUpdateInput,
    ) -> Result<Reply<ConfigOutput>, ToolError> {
        let owner = call.principal.resolve_user(input.user_id.as_deref())?;
        let done = services.domain.library.update_config(&owner, &input).await;
        done.map(Reply::Structured)
            .map_err(|error| super::failure(services, &error))
    }
}
