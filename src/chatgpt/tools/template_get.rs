use async_trait::async_trait;
use chitty_core::chat::templates::{TemplateGetInput, TemplateOutput};
use chitty_core::mcp::{About, Call, Hints, Reply, Tool, ToolError};
use chitty_core::rest::Rest;
use chitty_core::services::Services;

use crate::domain::Chat;

pub struct TemplateGet;

#[async_trait(?Send)]
impl Tool<Services<Chat>> for TemplateGet {
    type Input = TemplateGetInput;
    type Output = TemplateOutput;

    const ABOUT: About = About {
        name: "chitty_session_template_get",
        title: "Read a session template",
        description: "A template of yours, or a public one.",
        scopes: &["chatgpt:read"],
        hints: Hints::READ,
        icon: Some(super::ICON),
    };
    const REST: Option<Rest> = Some(Rest::get("/api/v1/templates/{template_id}"));

    async fn call(
        services: &Services<Chat>,
        call: &Call,
        input: TemplateGetInput,
    ) -> Result<Reply<TemplateOutput>, ToolError> {
        let owner = call.principal.resolve_user(input.user_id.as_deref())?;
        let done = services.domain.library.template(&owner, &input).await;
        done.map(Reply::Structured)
            .map_err(|error| super::failure(services, &error))
    }
}
