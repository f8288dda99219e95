use async_trait::async_trait;
use chitty_core::ledger::{self, CheckpointInput, CheckpointOutput, ProveError};
use chitty_core::mcp::{About, Call, Hints, Reply, Tool, ToolError};
use chitty_core::rest::Rest;
use chitty_core::services::Services;

use crate::domain::Desk;

pub struct ChainCheckpoint;

#[async_trait(?Send)]
impl Tool<Services<Desk>> for ChainCheckpoint {
    type Input = CheckpointInput;
    type Output = CheckpointOutput;

    const ABOUT: About = About {
        name: "chitty_chain_checkpoint",
        title: "Read the log's checkpoint",
        description: "The signed head of ChittyChain: how many facts it holds and the root of its Merkle tree. Whoever keeps it can prove later that nothing before it was changed.",
        scopes: &["chain:verify"],
        hints: Hints::READ,
        icon: Some(super::ICON),
    };
    const REST: Option<Rest> = Some(Rest::get("/api/v1/chain/checkpoint"));

    async fn call(
        services: &Services<Desk>,
        _call: &Call,
        input: CheckpointInput,
    ) -> Result<Reply<CheckpointOutput>, ToolError> {
        let found = ledger::checkpoint(&*services.domain.service.ledger, &input).await;
        found
            .map(Reply::Structured)
            .map_err(|error| super::no_proof(services, &ProveError::from(error)))
    }
}
