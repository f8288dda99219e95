use async_trait::async_trait;
use chitty_core::fortress::{AssertionInput, AssertionOutput};
use chitty_core::mcp::{About, Call, Hints, Reply, Tool, ToolError};
use chitty_core::rest::Rest;
use chitty_core::services::Services;

use crate::domain::Runs;

pub struct LogAssertion;

#[async_trait(?Send)]
impl Tool<Services<Runs>> for LogAssertion {
    type Input = AssertionInput;
    type Output = AssertionOutput;

    const ABOUT: About = About {
        name: "fortress_log_assertion",
        title: "Log a fact",
        description: "Logs a statement of yours in ChittyChain, for good: the log proves \
                      that it was said and when, not that it is true. The same \
                      idempotency_key twice logs one fact.",
        scopes: &["chain:assert"],
        hints: Hints::ADD,
        icon: Some(super::ICON),
    };
    const REST: Option<Rest> = Some(Rest::create("/api/v1/facts"));

    async fn call(
        services: &Services<Runs>,
        call: &Call,
        input: AssertionInput,
    ) -> Result<Reply<AssertionOutput>, ToolError> {
        let done = services
            .domain
            .service
            .log_assertion(super::asker(call), &input)
            .await;
        done.map(Reply::Structured)
            .map_err(|error| super::failure(services, &error))
    }
}
