use async_trait::async_trait;
use chitty_core::fortress::{VerifyInput, VerifyOutput};
use chitty_core::mcp::{About, Call, Hints, Reply, Tool, ToolError};
use chitty_core::services::Services;

use crate::domain::Runs;

pub struct VerifySignature;

#[async_trait(?Send)]
impl Tool<Services<Runs>> for VerifySignature {
    type Input = VerifyInput;
    type Output = VerifyOutput;

    const ABOUT: About = About {
        name: "fortress_verify_signature",
        title: "Verify a signature",
        description: "Checks an OpenPGP signature over exactly the given text against the \
                      fortress's own key, strictly: right key, not expired, not revoked, not one \
                      bit changed. Another public key can be given and is reported on, never \
                      trusted.",
        scopes: &["fortress:verify"],
        hints: Hints::READ,
        icon: Some(super::ICON),
    };

    async fn call(
        services: &Services<Runs>,
        _call: &Call,
        input: VerifyInput,
    ) -> Result<Reply<VerifyOutput>, ToolError> {
        Ok(services.domain.service.verify(&input).into())
    }
}
