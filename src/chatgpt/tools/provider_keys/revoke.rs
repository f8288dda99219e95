use async_trait::async_trait;
use chitty_core::mcp::{About, Call, Hints, Reply, Tool, ToolError};
use chitty_core::rest::Rest;
use chitty_core::services::Services;
use chitty_core::vault::{KEYS_SCOPE, RevokeInput, RevokeOutput};

use super::{ICON, asking, failure, request};
use crate::domain::Chat;

pub struct Revoke;

/// The key is erased; a second time changes nothing more.
const ENDS: Hints = Hints {
    destructive_hint: true,
    idempotent_hint: true,
    ..Hints::ADD
};

#[async_trait(?Send)]
impl Tool<Services<Chat>> for Revoke {
    type Input = RevokeInput;
    type Output = RevokeOutput;

    const ABOUT: About = About {
        name: "chitty_api_key_revoke",
        title: "Revoke a provider key",
        description: "Ends and erases a key of a model provider on file at once, with the \
                      one that it had replaced. At the provider itself it goes on working: \
                      end it there too.",
        scopes: &[KEYS_SCOPE],
        hints: ENDS,
        icon: Some(ICON),
    };
    const REST: Option<Rest> = Some(Rest::delete("/api/v1/provider-keys/{id}"));

    async fn call(
        services: &Services<Chat>,
        call: &Call,
        input: RevokeInput,
    ) -> Result<Reply<RevokeOutput>, ToolError> {
        let request = request(services, call);
        let asking = asking(call, &request);
        let done = services.domain.vault.revoke(asking, &input).await;
        done.map(Reply::Structured)
            .map_err(|error| failure(services, &error))
    }
}
