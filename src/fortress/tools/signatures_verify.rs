use async_trait::async_trait;
use chitty_core::fortress::{VerifyAllInput, VerifyAllOutput};
use chitty_core::mcp::{About, Call, Hints, Reply, Tool, ToolError};
use chitty_core::services::Services;

use crate::domain::Runs;

pub struct SignaturesVerify;

#[async_trait(?Send)]
impl Tool<Services<Runs>> for SignaturesVerify {
    type Input = VerifyAllInput;
    type Output = VerifyAllOutput;

    const ABOUT: About = About {
        name: "fortress_signatures_verify",
        title: "Verify many signatures",
        description: "Checks OpenPGP signatures of runs as fortress_verify_signature does, many in one call, for \
                      audits. For our own workers: no role has its scope.",
        scopes: &["worker:verify"],
        hints: Hints::READ,
        icon: Some(super::ICON),
    };

    async fn call(
        services: &Services<Runs>,
        _call: &Call,
        input: VerifyAllInput,
    ) -> Result<Reply<VerifyAllOutput>, ToolError> {
        let judged = services.domain.service.verify_all(&input).await;
        judged
            .map(Reply::Structured)
            .map_err(|error| super::failure(services, &error))
    }
}
