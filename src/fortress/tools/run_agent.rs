use async_trait::async_trait;
use chitty_core::fortress::{RunInput, RunOutput};
use chitty_core::mcp::{About, Call, Hints, Reply, Tool, ToolError};
use chitty_core::rest::Rest;
use chitty_core::services::Services;

use crate::domain::Runs;

pub struct RunAgent;

/// Repeating it changes nothing more.
const ONCE: Hints = Hints {
    idempotent_hint: true,
    ..Hints::MODEL
};

#[async_trait(?Send)]
impl Tool<Services<Runs>> for RunAgent {
    type Input = RunInput;
    type Output = RunOutput;

    const ABOUT: About = About {
        name: "fortress_run_agent",
        title: "Run an input",
        description: "Asks a model about content put in with fortress_ingest_content, under \
                      the fortress's policy; signs and logs the run. An input is run once, \
                      however often this is called.",
        scopes: &["fortress:execute"],
        hints: ONCE,
        icon: Some(super::ICON),
    };
    const REST: Option<Rest> = Some(Rest::post("/api/v1/fortress/inputs/{input_id}/run"));

    async fn call(
        services: &Services<Runs>,
        call: &Call,
        input: RunInput,
    ) -> Result<Reply<RunOutput>, ToolError> {
        let done = services
            .domain
            .service
            .run_agent(super::asker(call), &input)
            .await;
        done.map(Reply::Structured)
            .map_err(|error| super::failure(services, &error))
    }
}
