use async_trait::async_trait;
use chitty_core::mcp::{About, Call, Hints, Reply, Tool, ToolError};
use chitty_core::rest::Rest;
use chitty_core::services::Services;
use chitty_core::vault::{KEYS_SCOPE, RotateInput, RotateOutput};

use super::{ICON, asking, failure, request};
use crate::domain::Chat;

pub struct Rotate;

/// Asks the provider about the key; the old one ends.
const REPLACES: Hints = Hints {
    destructive_hint: true,
    open_world_hint: true,
    ..Hints::ADD
};

#[async_trait(?Send)]
impl Tool<Services<Chat>> for Rotate {
    type Input = RotateInput;
    type Output = RotateOutput;

    const ABOUT: About = About {
        name: "chitty_api_key_rotate",
        title: "Replace a provider key",
        description: "Puts a new key in the place of one on file, once its provider knows \
                      it. Calls use the new one from then on; the old one is kept beside it \
                      for grace_hours and then erased.",
        scopes: &[KEYS_SCOPE],
        hints: REPLACES,
        icon: Some(ICON),
    };
    const REST: Option<Rest> = Some(Rest::create("/api/v1/provider-keys/{id}/rotate"));

    async fn call(
        services: &Services<Chat>,
        call: &Call,
        input: RotateInput,
    ) -> Result<Reply<RotateOutput>, ToolError> {
        let request = request(services, call);
        let asking = asking(call, &request);
        let done = services.domain.vault.rotate(asking, &input).await;
        done.map(Reply::Structured)
            .map_err(|error| failure(services, &error))
    }
}
