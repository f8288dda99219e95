use async_trait::async_trait;
use chitty_core::fortress::{SealInput, SealOutput};
use chitty_core::mcp::{About, Call, Hints, Reply, Tool, ToolError};
use chitty_core::services::Services;

use crate::domain::Runs;

pub struct PackageSeal;

#[async_trait(?Send)]
impl Tool<Services<Runs>> for PackageSeal {
    type Input = SealInput;
    type Output = SealOutput;

    const ABOUT: About = About {
        name: "fortress_package_seal",
        title: "Seal a package",
        description: "Signs the tag manifest of an evidence package that the coordinator made. For our own workers: \
                      no role has its scope.",
        scopes: &["worker:seal"],
        hints: Hints::ADD,
        icon: Some(super::ICON),
    };

    async fn call(
        services: &Services<Runs>,
        _call: &Call,
        input: SealInput,
    ) -> Result<Reply<SealOutput>, ToolError> {
        let sealed = services.domain.service.seal(&input).await;
        sealed
            .map(Reply::Structured)
            .map_err(|error| super::failure(services, &error))
    }
}
