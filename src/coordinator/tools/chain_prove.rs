use async_trait::async_trait;
use chitty_core::ledger::{self, ProveInput, ProveOutput};
use chitty_core::mcp::{About, Call, Hints, Reply, Tool, ToolError};
use chitty_core::rest::Rest;
use chitty_core::services::Services;

use crate::domain::Desk;

pub struct ChainProve;

#[async_trait(?Send)]
impl Tool<Services<Desk>> for ChainProve {
    type Input = ProveInput;
    type Output = ProveOutput;

    const ABOUT: About = About {
        name: "chitty_chain_prove",
        title: "Prove something about the log",
        description: "A proof from ChittyChain for offline checks: that a fact is in the log (fact_id or leaf_index), or that the log only grew since an earlier checkpoint (first_size).",
        scopes: &["chain:verify"],
        hints: Hints::READ,
        icon: Some(super::ICON),
    };
    const REST: Option<Rest> = Some(Rest::get("/api/v1/chain/proof"));

    async fn call(
        services: &Services<Desk>,
        _call: &Call,
        input: ProveInput,
    ) -> Result<Reply<ProveOutput>, ToolError> {
        let found = ledger::prove(&*services.domain.service.ledger, &input).await;
        found
            .map(Reply::Structured)
            .map_err(|error| super::no_proof(services, &error))
    }
}
