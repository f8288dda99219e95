use async_trait::async_trait;
use chitty_core::mcp::{About, Call, Hints, Reply, Tool, ToolError};
use chitty_core::records::{FetchInput, Record, SCOPE};
use chitty_core::services::Services;

use crate::domain::Desk;

pub struct Fetch;

#[async_trait(?Send)]
impl Tool<Services<Desk>> for Fetch {
    type Input = FetchInput;
    type Output = Record;

    const ABOUT: About = About {
        name: "fetch",
        title: "Read a record",
        description: "A case, execution, evidence record or chat session of yours as text, with \
                      its properties and a URL to cite. Ids come from search.",
        scopes: &[SCOPE],
        hints: Hints::READ,
        icon: Some(super::ICON),
    };

    async fn call(
        services: &Services<Desk>,
        call: &Call,
        input: FetchInput,
    ) -> Result<Reply<Record>, ToolError> {
        let origin = services.domain.identity.base(&services.platform);
        let records = services.domain.records(&origin);
        let found = records.fetch(&call.principal, &input.id).await;
        found
            .map(Reply::Structured)
            .map_err(|error| super::no_record(services, &error))
    }
}
