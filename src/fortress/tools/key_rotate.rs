use async_trait::async_trait;
use chitty_core::fortress::keys::{KEYS_SCOPE, RotateKeyInput, RotateKeyOutput};
use chitty_core::mcp::{About, Call, Hints, Reply, Tool, ToolError};
use chitty_core::rest::Rest;
use chitty_core::services::Services;

use crate::domain::Runs;

pub struct KeyRotate;

/// The old key ends; asking again changes nothing more.
const ENDS: Hints = Hints {
    destructive_hint: true,
    idempotent_hint: true,
    ..Hints::ADD
};

#[async_trait(?Send)]
impl Tool<Services<Runs>> for KeyRotate {
    type Input = RotateKeyInput;
    type Output = RotateKeyOutput;

    const ABOUT: About = About {
        name: "fortress_key_rotate",
        title: "Replace the signing key",
        description: "Puts a new key in place of the one that signs runs, as a fact in the \
                      log that both keys signed. What the old one signed stands; what is \
                      logged within a day still counts. Asking again for the same key gives \
                      the same successor.",
        scopes: &[KEYS_SCOPE],
        hints: ENDS,
        icon: Some(super::ICON),
    };
    const REST: Option<Rest> = Some(Rest::post("/api/v1/fortress/keys/rotate"));

    async fn call(
        services: &Services<Runs>,
        _call: &Call,
        input: RotateKeyInput,
    ) -> Result<Reply<RotateKeyOutput>, ToolError> {
        let done = services.domain.service.rotate_key(&input).await;
        done.map(Reply::Structured)
            .map_err(|error| super::failure(services, &error))
    }
}
