use async_trait::async_trait;
use chitty_core::fortress::{EvidenceCreateInput, EvidenceCreateOutput};
use chitty_core::mcp::{About, Call, Hints, Reply, Tool, ToolError};
use chitty_core::rest::Rest;
use chitty_core::services::Services;

use crate::domain::Runs;

pub struct EvidenceCreate;

#[async_trait(?Send)]
impl Tool<Services<Runs>> for EvidenceCreate {
    type Input = EvidenceCreateInput;
    type Output = EvidenceCreateOutput;

    const ABOUT: About = About {
        name: "chitty_evidence_create",
        title: "Put evidence on file",
        description: "Makes a record of evidence, by itself or of a completed run, whose \
                      hashes, signature and fact it then holds. The same idempotency_key \
                      twice makes one record.",
        scopes: &["evidence:package"],
        hints: Hints::ADD,
        icon: Some(super::ICON),
    };
    const REST: Option<Rest> = Some(Rest::create("/api/v1/evidence"));

    async fn call(
        services: &Services<Runs>,
        call: &Call,
        input: EvidenceCreateInput,
    ) -> Result<Reply<EvidenceCreateOutput>, ToolError> {
        let done = services
            .domain
            .service
            .create_evidence(super::asker(call), &input)
            .await;
        done.map(Reply::Structured)
            .map_err(|error| super::failure(services, &error))
    }
}
