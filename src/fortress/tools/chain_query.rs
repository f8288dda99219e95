use async_trait::async_trait;
use chitty_core::fortress::{ChainQueryInput, ChainQueryOutput};
use chitty_core::mcp::{About, Call, Hints, Reply, Tool, ToolError};
use chitty_core::rest::Rest;
use chitty_core::services::Services;

use crate::domain::Runs;

pub struct ChainQuery;

#[async_trait(?Send)]
impl Tool<Services<Runs>> for ChainQuery {
    type Input = ChainQueryInput;
    type Output = ChainQueryOutput;

    const ABOUT: About = About {
        name: "chitty_chain_query",
        title: "Find facts",
        description: "Facts of yours in ChittyChain by subject, predicate, object, source \
                      and time, the newest first, as the database has them; \
                      chitty_chain_verify checks them against the log.",
        scopes: &["chain:verify"],
        hints: Hints::READ,
        icon: Some(super::ICON),
    };
    const REST: Option<Rest> = Some(Rest::get("/api/v1/facts"));

    async fn call(
        services: &Services<Runs>,
        call: &Call,
        input: ChainQueryInput,
    ) -> Result<Reply<ChainQueryOutput>, ToolError> {
        let done = services
            .domain
            .service
            .query_facts(&call.principal, &input)
            .await;
        done.map(Reply::Structured)
            .map_err(|error| super::failure(services, &error))
    }
}
