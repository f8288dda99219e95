use async_trait::async_trait;
use chitty_core::auth::keys::{ListInput, ListOutput, MANAGE_SCOPE};
use chitty_core::mcp::{About, Call, Hints, Reply, Tool, ToolError};
use chitty_core::services::Services;

use crate::domain::Desk;

pub struct TokenList;

#[async_trait(?Send)]
impl Tool<Services<Desk>> for TokenList {
    type Input = ListInput;
    type Output = ListOutput;

    const ABOUT: About = About {
        name: "chitty_token_list",
        title: "List keys",
        description: "The caller's keys: names, scopes, platforms, when they were used and when they end. Never the keys themselves.",
        scopes: &[MANAGE_SCOPE],
        hints: Hints::READ,
        icon: Some(super::ICON),
    };

    async fn call(
        services: &Services<Desk>,
        call: &Call,
        input: ListInput,
    ) -> Result<Reply<ListOutput>, ToolError> {
        let request = super::request(services, call);
        let asking = super::asking(call, &request);
        let done = super::keys(services).list(asking, &input).await;
        done.map(Reply::Structured)
            .map_err(|error| super::key_failure(services, &error))
    }
}
