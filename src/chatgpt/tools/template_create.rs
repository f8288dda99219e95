use async_trait::async_trait;
use chitty_core::chat::templates::{PUBLISH_SCOPE, TemplateCreateInput, TemplateOutput};
use chitty_core::mcp::{About, Call, Hints, Reply, Tool, ToolError};
use chitty_core::rest::Rest;
use chitty_core::services::Services;

use crate::domain::Chat;

pub struct TemplateCreate;

#[async_trait(?Send)]
impl Tool<Services<Chat>> for TemplateCreate {
    type Input = TemplateCreateInput;
    type Output = TemplateOutput;

    const ABOUT: About = About {
        name: "chitty_session_template_create",
        title: "Create a session template",
        description: "Keeps a system prompt, first messages and model settings for sessions to \
                      begin from: give its id to chitty_chat_session_create.",
        scopes: &["chatgpt:sessions"],
        hints: Hints::ADD,
        icon: Some(super::ICON),
    };
    const REST: Option<Rest> = Some(Rest::create("/api/v1/templates"));

    async fn call(
        services: &Services<Chat>,
        call: &Call,
        input: TemplateCreateInput,
    ) -> Result<Reply<TemplateOutput>, ToolError> {
        let owner = call.principal.resolve_user(input.user_id.as_deref())?;
        let may_publish = call.principal.scopes.allows(PUBLISH_SCOPE);
        let library = &services.domain.library;
        let done = library.create_template(&owner, may_publish, &input).await;
        done.map(Reply::Structured)
            .map_err(|error| super::failure(services, &error))
    }
}
