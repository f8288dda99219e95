use async_trait::async_trait;
use chitty_core::chat::templates::{TemplateDeleteInput, TemplateDeleteOutput};
use chitty_core::mcp::{About, Call, Reply, Tool, ToolError};
use chitty_core::rest::Rest;
use chitty_core::services::Services;

use crate::domain::Chat;

pub struct TemplateDelete;

#[async_trait(?Send)]
impl Tool<Services<Chat>> for TemplateDelete {
    type Input = TemplateDeleteInput;
    type Output = TemplateDeleteOutput;

    const ABOUT: About = About {
        name: "chitty_session_template_delete",
        title: "Delete a session template",
        description: "Deletes a template of yours. Sessions made from it stay as they are.",
        scopes: &["chatgpt:sessions"],
        hints: super::REPLACES,
        icon: Some(super::ICON),
    };
    const REST: Option<Rest> = Some(Rest::delete("/api/v1/templates/{template_id}"));

    async fn call(
        services: &Services<Chat>,
        call: &Call,
        input: TemplateDeleteInput,
    ) -> Result<Reply<TemplateDeleteOutput>, ToolError> {
        let owner = call.principal.resolve_user(input.user_id.as_deref())?;
        let done = services
            .domain
            .library
            .delete_template(&owner, &input)
            .await;
        done.map(Reply::Structured)
            .map_err(|error| super::failure(services, &error))
    }
}
