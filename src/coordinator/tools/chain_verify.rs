use async_trait::async_trait;
use chitty_core::execution::{ChainVerifyInput, ChainVerifyOutput};
use chitty_core::mcp::{About, Call, Hints, Reply, Tool, ToolError};
use chitty_core::services::Services;

use crate::domain::Desk;

pub struct ChainVerify;

/// It notes on each row that it was checked; a second time changes nothing more.
const MARKS: Hints = Hints {
    idempotent_hint: true,
    ..Hints::ADD
};

#[async_trait(?Send)]
impl Tool<Services<Desk>> for ChainVerify {
    type Input = ChainVerifyInput;
    type Output = ChainVerifyOutput;

    const ABOUT: About = About {
        name: "chitty_chain_verify",
        title: "Verify the log",
        description: "Reads facts from ChittyChain again and checks them: content against fact id, inclusion in the signed tree, the signatures of the runs they record, and their rows in the database. Separate verdicts for each fact.",
        scopes: &["chain:verify"],
        hints: MARKS,
        icon: Some(super::ICON),
    };

    async fn call(
        services: &Services<Desk>,
        call: &Call,
        input: ChainVerifyInput,
    ) -> Result<Reply<ChainVerifyOutput>, ToolError> {
        let service = &services.domain.service;
        let found = service.verify_chain(&super::asker(call), &input).await;
        found
            .map(Reply::Structured)
            .map_err(|error| super::failure(services, &error, None))
    }
}
