use async_trait::async_trait;
use chitty_core::auth::keys::{MANAGE_SCOPE, RotateInput, RotateOutput};
use chitty_core::mcp::{About, Call, Hints, Reply, Tool, ToolError};
use chitty_core::services::Services;

use crate::domain::Desk;

pub struct TokenRotate;

/// The old key ends; each call makes another new one.
const REPLACES: Hints = Hints {
    destructive_hint: true,
    ..Hints::ADD
};

#[async_trait(?Send)]
impl Tool<Services<Desk>> for TokenRotate {
    type Input = RotateInput;
    type Output = RotateOutput;

    const ABOUT: About = About {
        name: "chitty_token_rotate",
        title: "Replace a key",
        description: "Makes a new key of the same name and scopes in place of an old one, and shows it this once. The old one ends at once, with the clients connected through it, or after overlap_hours.",
        scopes: &[MANAGE_SCOPE],
        hints: REPLACES,
        icon: Some(super::ICON),
    };

    async fn call(
        services: &Services<Desk>,
        call: &Call,
        input: RotateInput,
    ) -> Result<Reply<RotateOutput>, ToolError> {
        let request = super::request(services, call);
        let asking = super::asking(call, &request);
        let done = super::keys(services).rotate(asking, &input).await;
        done.map(Reply::Structured)
            .map_err(|error| super::key_failure(services, &error))
    }
}
