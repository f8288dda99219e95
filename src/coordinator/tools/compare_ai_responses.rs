use async_trait::async_trait;
use chitty_core::execution::{CompareInput, CompareOutput};
use chitty_core::mcp::{About, Call, Hints, Reply, Tool, ToolError};
use chitty_core::rest::Rest;
use chitty_core::services::Services;

use crate::domain::Desk;

pub struct CompareAiResponses;

#[async_trait(?Send)]
impl Tool<Services<Desk>> for CompareAiResponses {
    type Input = CompareInput;
    type Output = CompareOutput;

    const ABOUT: About = About {
        name: "chitty_compare_ai_responses",
        title: "Compare two answers",
        description: "Asks the same question plainly and in the fortress, side by side, and says whether the answers differ; with create_analysis a third call says how. The prompt goes to both workers.",
        scopes: &["execution:run"],
        hints: Hints::MODEL,
        icon: Some(super::ICON),
    };

    const REST: Option<Rest> = Some(Rest::create("/api/v1/comparisons"));

    async fn call(
        services: &Services<Desk>,
        call: &Call,
        input: CompareInput,
    ) -> Result<Reply<CompareOutput>, ToolError> {
        let owner = call.principal.resolve_user(input.user_id.as_deref())?;
        let asker = super::asker_for(call, &owner);
        let compared = services.domain.service.compare(&asker, &input).await;
        compared
            .map(Reply::Structured)
            .map_err(|error| super::failure(services, &error, None))
    }
}
