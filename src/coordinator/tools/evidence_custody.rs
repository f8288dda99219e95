use async_trait::async_trait;
use chitty_core::evidence::{CustodyInput, CustodyOutput};
use chitty_core::mcp::{About, Call, Hints, Reply, Tool, ToolError};
use chitty_core::rest::Rest;
use chitty_core::services::Services;

use crate::domain::Desk;

pub struct EvidenceCustody;

#[async_trait(?Send)]
impl Tool<Services<Desk>> for EvidenceCustody {
    type Input = CustodyInput;
    type Output = CustodyOutput;

    const ABOUT: About = About {
        name: "chitty_evidence_custody",
        title: "Keep custody of evidence",
        description: "Records who had the evidence of an execution in hand, when, where, what was done, why, on whose authority and what changed (the fields of ISO/IEC 27037), as a fact in the log; without an event, lists those on file. Each comes with its proof.",
        scopes: &["evidence:package"],
        hints: Hints::ADD,
        icon: Some(super::ICON),
    };

    const REST: Option<Rest> = Some(Rest::post("/api/v1/executions/{execution_id}/custody"));

    async fn call(
        services: &Services<Desk>,
        call: &Call,
        input: CustodyInput,
    ) -> Result<Reply<CustodyOutput>, ToolError> {
        let origin = services.domain.identity.base(&services.platform);
        let evidence = services.domain.evidence(&origin);
        let found = evidence.custody(&super::asker(call), &input).await;
        found
            .map(Reply::Structured)
            .map_err(|error| super::no_evidence(services, &error))
    }
}
