use async_trait::async_trait;
use chitty_core::fortress::{ExecuteInput, ExecuteOutput};
use chitty_core::mcp::{About, Call, Hints, Reply, Tool, ToolError};
use chitty_core::rest::Rest;
use chitty_core::services::Services;

use crate::domain::Runs;

pub struct SecureExecute;

#[async_trait(?Send)]
impl Tool<Services<Runs>> for SecureExecute {
    type Input = ExecuteInput;
    type Output = ExecuteOutput;

    const ABOUT: About = About {
        name: "fortress_secure_execute",
        title: "Run securely",
        description: "Asks a model under the fortress's fixed policy (no tools, no history, one \
                      host, bounds on size, time and cost), keeps prompt and answer sealed, signs \
                      a manifest of the run with OpenPGP and logs it in ChittyChain. The same \
                      evidence_id twice gives the same run.",
        scopes: &["fortress:execute"],
        hints: Hints::MODEL,
        icon: Some(super::ICON),
    };
    const REST: Option<Rest> = Some(Rest::post("/api/v1/fortress/runs"));

    async fn call(
        services: &Services<Runs>,
        call: &Call,
        input: ExecuteInput,
    ) -> Result<Reply<ExecuteOutput>, ToolError> {
        let run = services
            .domain
            .service
            .execute(super::asker(call), &input)
            .await;
        run.map(Reply::Structured)
            .map_err(|error| super::failure(services, &error))
    }
}
