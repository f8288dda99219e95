use async_trait::async_trait;
use chitty_core::chat::settings::{ConfigGetInput, ConfigOutput};
use chitty_core::mcp::{About, Call, Hints, Reply, Tool, ToolError};
use chitty_core::rest::Rest;
use chitty_core::services::Services;

use crate::domain::Chat;

pub struct ConfigGet;

#[async_trait(?Send)]
impl Tool<Services<Chat>> for ConfigGet {
    type Input = ConfigGetInput;
    type Output = ConfigOutput;

    const ABOUT: About = About {
        name: "chitty_model_config_get",
        title: "Read a model config",
        description: "The model settings under a name: yours, or else those that ship.",
        scopes: &["chatgpt:read"],
        hints: Hints::READ,
        icon: Some(super::ICON),
    };
    const REST: Option<Rest> = Some(Rest::get("/api/v1/model-configs/{config_name}"));

    async fn call(
        services: &Services<Chat>,
        call: &Call,
        input: ConfigGetInput,
    ) -> Result<Reply<ConfigOutput>, ToolError> {
        let owner = call.principal.resolve_user(input.user_id.as_deref())?;
        let done = services.domain.library.config(&owner, &input).await;
        done.map(Reply::Structured)
            .map_err(|error| super::failure(services, &error))
    }
}
