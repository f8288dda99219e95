use async_trait::async_trait;
use chitty_core::chat::settings::{ConfigCreateInput, ConfigOutput};
use chitty_core::mcp::{About, Call, Hints, Reply, Tool, ToolError};
use chitty_core::rest::Rest;
use chitty_core::services::Services;

use crate::domain::Chat;

pub struct ConfigCreate;

#[async_trait(?Send)]
impl Tool<Services<Chat>> for ConfigCreate {
    type Input = ConfigCreateInput;
    type Output = ConfigOutput;

    const ABOUT: About = About {
        name: "chitty_model_config_create",
        title: "Create a model config",
        description: "Keeps model settings under a name, for sessions and templates to use; \
                      with is_default as your default.",
        scopes: &["chatgpt:sessions"],
        hints: Hints::ADD,
        icon: Some(super::ICON),
    };
    const REST: Option<Rest> = Some(Rest::create("/api/v1/model-configs"));

    async fn call(
        services: &Services<Chat>,
        call: &Call,
        input: ConfigCreateInput,
    ) -> Result<Reply<ConfigOutput>, ToolError> {
        let owner = call.principal.resolve_user(input.user_id.as_deref())?;
        let done = services.domain.library.create_config(&owner, &input).await;
        done.map(Reply::Structured)
            .map_err(|error| super::failure(services, &error))
    }
}
