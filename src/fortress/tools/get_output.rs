use async_trait::async_trait;
use chitty_core::fortress::{OutputInput, OutputOutput};
use chitty_core::mcp::{About, Call, Hints, Reply, Tool, ToolError};
use chitty_core::rest::Rest;
use chitty_core::services::Services;

use crate::domain::Runs;

pub struct GetOutput;

#[async_trait(?Send)]
impl Tool<Services<Runs>> for GetOutput {
    type Input = OutputInput;
    type Output = OutputOutput;

    const ABOUT: About = About {
        name: "fortress_get_output",
        title: "Read an output",
        description: "What a run answered, with its signature and the signed manifest. By \
                      default also checks that the signature holds and is of this output.",
        scopes: &["execution:read"],
        hints: Hints::READ,
        icon: Some(super::ICON),
    };
    const REST: Option<Rest> = Some(Rest::get("/api/v1/fortress/outputs/{output_file}"));

    async fn call(
        services: &Services<Runs>,
        call: &Call,
        input: OutputInput,
    ) -> Result<Reply<OutputOutput>, ToolError> {
        let done = services
            .domain
            .service
            .get_output(&call.principal.user_id, &input)
            .await;
        done.map(Reply::Structured)
            .map_err(|error| super::failure(services, &error))
    }
}
