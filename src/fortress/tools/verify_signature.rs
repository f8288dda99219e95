use async_trait::async_trait;
use chitty_core::fortress::{VerifyInput, VerifyOutput};
use chitty_core::mcp::{About, Call, Hints, Reply, Tool, ToolError};
use chitty_core::rest::Rest;
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
                      fortress's own keys and their history, strictly: right key, not expired, not \
                      revoked before it was logged, not one bit changed. Another public key can be given and is reported on, never \
                      trusted.",
        scopes: &["fortress:verify"],
        hints: Hints::READ,
        icon: Some(super::ICON),
    };
    const REST: Option<Rest> = Some(Rest::post("/api/v1/fortress/signatures/verify"));

    async fn call(
        services: &Services<Runs>,
        _call: &Call,
        input: VerifyInput,
    ) -> Result<Reply<VerifyOutput>, ToolError> {
        let done = services.domain.service.verify(&input).await;
        done.map(Reply::Structured)
            .map_err(|error| super::failure(services, &error))
    }
}
