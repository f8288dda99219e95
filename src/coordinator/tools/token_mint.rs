use async_trait::async_trait;
use chitty_core::auth::keys::{MANAGE_SCOPE, MintInput, MintOutput};
use chitty_core::mcp::{About, Call, Hints, Reply, Tool, ToolError};
use chitty_core::services::Services;

use crate::domain::Desk;

pub struct TokenMint;

#[async_trait(?Send)]
impl Tool<Services<Desk>> for TokenMint {
    type Input = MintInput;
    type Output = MintOutput;

    const ABOUT: About = About {
        name: "chitty_token_mint",
        title: "Make a key",
        description: "Makes an API key for a person or a token for a service, and shows it this once. It never has more scopes than the caller; without scopes named it only reads. Each call makes another.",
        scopes: &[MANAGE_SCOPE],
        hints: Hints::ADD,
        icon: Some(super::ICON),
    };

    async fn call(
        services: &Services<Desk>,
        call: &Call,
        input: MintInput,
    ) -> Result<Reply<MintOutput>, ToolError> {
        let request = super::request(services, call);
        let asking = super::asking(call, &request);
        let done = super::keys(services).mint(asking, &input).await;
        done.map(Reply::Structured)
            .map_err(|error| super::key_failure(services, &error))
    }
}
