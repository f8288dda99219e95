use async_trait::async_trait;
use chitty_core::auth::keys::{MANAGE_SCOPE, RevokeInput, RevokeOutput};
use chitty_core::mcp::{About, Call, Hints, Reply, Tool, ToolError};
use chitty_core::services::Services;

use crate::domain::Desk;

pub struct TokenRevoke;

/// The key ends; a second time changes nothing more.
const ENDS: Hints = Hints {
    destructive_hint: true,
    idempotent_hint: true,
    ..Hints::ADD
};

#[async_trait(?Send)]
impl Tool<Services<Desk>> for TokenRevoke {
    type Input = RevokeInput;
    type Output = RevokeOutput;

    const ABOUT: About = About {
        name: "chitty_token_revoke",
        title: "Revoke a key",
        description: "Ends a key for good, with the clients connected through it, within ten seconds; with descendants also the keys that were made with it.",
        scopes: &[MANAGE_SCOPE],
        hints: ENDS,
        icon: Some(super::ICON),
    };

    async fn call(
        services: &Services<Desk>,
        call: &Call,
        input: RevokeInput,
    ) -> Result<Reply<RevokeOutput>, ToolError> {
        let request = super::request(services, call);
        let asking = super::asking(call, &request);
        let done = super::keys(services).revoke(asking, &input).await;
        done.map(Reply::Structured)
            .map_err(|error| super::key_failure(services, &error))
    }
}
