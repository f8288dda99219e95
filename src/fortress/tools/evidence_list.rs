use async_trait::async_trait;
use chitty_core::fortress::{EvidenceListInput, EvidenceListOutput};
use chitty_core::mcp::{About, Call, Hints, Reply, Tool, ToolError};
use chitty_core::rest::Rest;
use chitty_core::services::Services;

use crate::domain::Runs;

pub struct EvidenceList;

#[async_trait(?Send)]
impl Tool<Services<Runs>> for EvidenceList {
    type Input = EvidenceListInput;
    type Output = EvidenceListOutput;

    const ABOUT: About = About {
        name: "chitty_evidence_list",
        title: "List evidence",
        description: "Your records of evidence, the newest first, of one case or status if \
                      you like.",
        scopes: &["execution:read"],
        hints: Hints::READ,
        icon: Some(super::ICON),
    };
    const REST: Option<Rest> = Some(Rest::get("/api/v1/evidence"));

    async fn call(
        services: &Services<Runs>,
        call: &Call,
        input: EvidenceListInput,
    ) -> Result<Reply<EvidenceListOutput>, ToolError> {
        let done = services
            .domain
            .service
            .list_evidence(&call.principal.user_id, &input)
            .await;
        done.map(Reply::Structured)
            .map_err(|error| super::failure(services, &error))
    }
}
