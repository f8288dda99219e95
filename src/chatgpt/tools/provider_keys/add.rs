use async_trait::async_trait;
use chitty_core::mcp::{About, Call, Hints, Reply, Tool, ToolError};
use chitty_core::rest::Rest;
use chitty_core::services::Services;
use chitty_core::vault::{AddInput, AddOutput, KEYS_SCOPE};

use super::{ICON, asking, failure, request};
use crate::domain::Chat;

pub struct Add;

/// Asks the provider about the key.
const DEPOSITS: Hints = Hints {
    open_world_hint: true,
    ..Hints::ADD
};

#[async_trait(?Send)]
impl Tool<Services<Chat>> for Add {
    type Input = AddInput;
    type Output = AddOutput;

    const ABOUT: About = About {
        name: "chitty_api_key_add",
        title: "Deposit a provider key",
        description: "Keeps a key of a model provider, sealed, for your calls. The provider \
                      is asked whether it knows the key: a wrong one is refused. Afterwards \
                      only its last four characters and a fingerprint are shown. Whoever \
                      hands the key over reads it: leave this to a program or a form, not to \
                      a model.",
        scopes: &[KEYS_SCOPE],
        hints: DEPOSITS,
        icon: Some(ICON),
    };
    const REST: Option<Rest> = Some(Rest::create("/api/v1/provider-keys"));

    async fn call(
        services: &Services<Chat>,
        call: &Call,
        input: AddInput,
    ) -> Result<Reply<AddOutput>, ToolError> {
        let request = request(services, call);
        let asking = asking(call, &request);
        let done = services.domain.vault.add(asking, &input).await;
        done.map(Reply::Structured)
            .map_err(|error| failure(services, &error))
    }
}
