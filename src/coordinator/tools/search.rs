use async_trait::async_trait;
use chitty_core::mcp::{About, Call, Hints, Reply, Tool, ToolError};
use chitty_core::records::{SCOPE, SearchInput, SearchOutput};
use chitty_core::services::Services;

use crate::domain::Desk;

pub struct Search;

#[async_trait(?Send)]
impl Tool<Services<Desk>> for Search {
    type Input = SearchInput;
    type Output = SearchOutput;

    const ABOUT: About = About {
        name: "search",
        title: "Search your records",
        description: "Finds cases, executions, evidence and chat sessions of yours by words in \
                      them. Give an id of a result to fetch.",
        scopes: &[SCOPE],
        hints: Hints::READ,
        icon: Some(super::ICON),
    };

    async fn call(
        services: &Services<Desk>,
        call: &Call,
        input: SearchInput,
    ) -> Result<Reply<SearchOutput>, ToolError> {
        let origin = services.domain.identity.base(&services.platform);
        let records = services.domain.records(&origin);
        let found = records.search(&call.principal, &input.query).await;
        found
            .map(Reply::Structured)
            .map_err(|error| super::no_record(services, &error))
    }
}
