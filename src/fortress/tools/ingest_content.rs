use async_trait::async_trait;
use chitty_core::fortress::{IngestInput, IngestOutput};
use chitty_core::mcp::{About, Call, Hints, Reply, Tool, ToolError};
use chitty_core::rest::Rest;
use chitty_core::services::Services;

use crate::domain::Runs;

pub struct IngestContent;

#[async_trait(?Send)]
impl Tool<Services<Runs>> for IngestContent {
    type Input = IngestInput;
    type Output = IngestOutput;

    const ABOUT: About = About {
        name: "fortress_ingest_content",
        title: "Put content in",
        description: "Keeps content sealed in the fortress until fortress_run_agent asks a \
                      model about it. The same evidence_id twice gives the same input.",
        scopes: &["fortress:execute"],
        hints: Hints::ADD,
        icon: Some(super::ICON),
    };
    const REST: Option<Rest> = Some(Rest::create("/api/v1/fortress/inputs"));

    async fn call(
        services: &Services<Runs>,
        call: &Call,
        input: IngestInput,
    ) -> Result<Reply<IngestOutput>, ToolError> {
        let done = services
            .domain
            .service
            .ingest(super::asker(call), input)
            .await;
        done.map(Reply::Structured)
            .map_err(|error| super::failure(services, &error))
    }
}
