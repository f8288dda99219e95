use async_trait::async_trait;
use chitty_core::chat::templates::{TemplateListInput, TemplateListOutput};
use chitty_core::mcp::{About, Call, Hints, Reply, Tool, ToolError};
use chitty_core::rest::Rest;
use chitty_core::services::Services;

use crate::domain::Chat;

pub struct TemplateList;

#[async_trait(?Send)]
impl Tool<Services<Chat>> for TemplateList {
    type Input = TemplateListInput;
    type Output = TemplateListOutput;

    const ABOUT: About = About {
        name: "chitty_session_template_list",
        title: "List session templates",
        description: "Your templates and the public ones, by name.",
        scopes: &["chatgpt:read"],
        hints: Hints::READ,
        icon: Some(super::ICON),
    };
    const REST: Option<Rest> = Some(Rest::get("/api/v1/templates"));

    async fn call(
        services: &Services<Chat>,
        call: &Call,
        input: TemplateListInput,
    ) -> Result<Reply<TemplateListOutput>, ToolError> {
        let owner = call.principal.resolve_user(input.user_id.as_deref())?;
        let done = services.domain.library.templates(&owner, &input).await;
        done.map(Reply::Structured)
            .map_err(|error| super::failure(services, &error))
    }
}
