use async_trait::async_trait;
use chitty_core::chat::templates::{PUBLISH_SCOPE, TemplateOutput, TemplateUpdateInput};
use chitty_core::mcp::{About, Call, Reply, Tool, ToolError};
use chitty_core::rest::Rest;
use chitty_core::services::Services;

use crate::domain::Chat;

pub struct TemplateUpdate;

#[async_trait(?Send)]
impl Tool<Services<Chat>> for TemplateUpdate {
    type Input = TemplateUpdateInput;
    type Output = TemplateOutput;

    const ABOUT: About = About {
        name: "chitty_session_template_update",
        title: "Change a session template",
        description: "Changes a template of yours. What is left out stays, and so do sessions \
                      made from it.",
        scopes: &["chatgpt:sessions"],
        hints: super::REPLACES,
        icon: Some(super::ICON),
    };
    const REST: Option<Rest> = Some(Rest::patch("/api/v1/templates/{template_id}"));

    async fn call(
        services: &Services<Chat>,
        call: &Call,
        input: TemplateUpdateInput,
    ) -> Result<Reply<TemplateOutput>, ToolError> {
        let owner = call.principal.resolve_user(input.user_id.as_deref())?;
        let may_publish = call.principal.scopes.allows(PUBLISH_SCOPE);
        let library = &services.domain.library;
        let done = library.update_template(&owner, may_publish, &input).await;
        done.map(Reply::Structured)
            .map_err(|error| super::failure(services, &error))
    }
}
