use async_trait::async_trait;
use chitty_core::evidence::{PackageInput, PackageOutput, RESOURCE};
use chitty_core::mcp::{About, Call, Hints, Link, Reply, Tool, ToolError};
use chitty_core::rest::Rest;
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
        description: "Puts a completed execution together with its signed manifest, signature, facts, inclusion proofs and checkpoint, so that it can be checked offline. json: in the answer. pdf: a document. legal_brief: a BagIt zip with the document, custody, keys, drafts for counsel and programs that check it; the answer says where to download it.",
        scopes: &["evidence:package"],
        hints: Hints::ADD,
        icon: Some(super::ICON),
    };

    const REST: Option<Rest> = Some(Rest::create("/api/v1/evidence-packages"));

    async fn call(
        services: &Services<Desk>,
        call: &Call,
        input: PackageInput,
    ) -> Result<Reply<PackageOutput>, ToolError> {
        let origin = services.domain.identity.base(&services.platform);
        let evidence = services.domain.evidence(&origin);
        let found = evidence.package(&super::asker(call), &input).await;
        found
            .map(linked)
            .map_err(|error| super::no_evidence(services, &error))
    }
}

fn linked(made: PackageOutput) -> Reply<PackageOutput> {
    let package = &made.evidence_package;
    let Some(file) = package.file.clone() else {
        return Reply::Structured(made);
    };
    let link = Link {
        uri: format!("{RESOURCE}{}", package.package_id),
        name: file.name,
        media_type: file.media_type,
        bytes: file.bytes,
    };
    Reply::Linked(made, link)
}
