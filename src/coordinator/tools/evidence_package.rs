use async_trait::async_trait;
use chitty_core::execution::{PackageInput, PackageOutput};
use chitty_core::mcp::{About, Call, Hints, Reply, Tool, ToolError};
use chitty_core::services::Services;

use crate::domain::Desk;

pub struct EvidencePackage;

#[async_trait(?Send)]
impl Tool<Services<Desk>> for EvidencePackage {
    type Input = PackageInput;
    type Output = PackageOutput;

    const ABOUT: About = About {
        name: "chitty_evidence_package",
        title: "Package the evidence",
        description: "Puts a completed execution together with its signed manifest, signature, facts, inclusion proofs and checkpoint, so that it can be checked offline.",
        scopes: &["evidence:package"],
        hints: Hints::ADD,
        icon: Some(super::ICON),
    };

    async fn call(
        services: &Services<Desk>,
        call: &Call,
        input: PackageInput,
    ) -> Result<Reply<PackageOutput>, ToolError> {
        let service = &services.domain.service;
        let found = service.package(&call.principal, &input).await;
        found
            .map(Reply::Structured)
            .map_err(|error| super::failure(services, &error, None))
    }
}
