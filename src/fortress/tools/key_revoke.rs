use async_trait::async_trait;
use chitty_core::fortress::keys::{KEYS_SCOPE, RevokeKeyInput, RevokeKeyOutput};
use chitty_core::mcp::{About, Call, Hints, Reply, Tool, ToolError};
use chitty_core::rest::Rest;
use chitty_core::services::Services;

use crate::domain::Runs;

pub struct KeyRevoke;

/// What the key signed may hold no more; asking again changes nothing more.
const ENDS: Hints = Hints {
    destructive_hint: true,
    idempotent_hint: true,
    ..Hints::ADD
};

#[async_trait(?Send)]
impl Tool<Services<Runs>> for KeyRevoke {
    type Input = RevokeKeyInput;
    type Output = RevokeKeyOutput;

    const ABOUT: About = About {
        name: "fortress_key_revoke",
        title: "Revoke a signing key",
        description: "Revokes a key that signs no more, as a fact and in the published key \
                      itself. Retired or superseded: what was logged before stands. \
                      Compromised: nothing is called valid; what was logged before the \
                      declared time is told apart.",
        scopes: &[KEYS_SCOPE],
        hints: ENDS,
        icon: Some(super::ICON),
    };
    const REST: Option<Rest> = Some(Rest::post("/api/v1/fortress/keys/{fingerprint}/revoke"));

    async fn call(
        services: &Services<Runs>,
        _call: &Call,
        input: RevokeKeyInput,
    ) -> Result<Reply<RevokeKeyOutput>, ToolError> {
        let done = services.domain.service.revoke_key(&input).await;
        done.map(Reply::Structured)
            .map_err(|error| super::failure(services, &error))
    }
}
