use async_trait::async_trait;
use chitty_core::mcp::{About, Call, Hints, Reply, Tool, ToolError};
use chitty_core::rest::Rest;
use chitty_core::services::Services;
use chitty_core::vault::{KEYS_SCOPE, ListInput, ListOutput};

use super::{ICON, asking, failure, request};
use crate::domain::Chat;

pub struct List;

#[async_trait(?Send)]
impl Tool<Services<Chat>> for List {
    type Input = ListInput;
    type Output = ListOutput;

    const ABOUT: About = About {
        name: "chitty_api_key_list",
        title: "List provider keys",
        description: "Your keys of model providers: name, last four characters, fingerprint, \
                      state, when they were checked and used. Never the keys themselves.",
        scopes: &[KEYS_SCOPE],
        hints: Hints::READ,
        icon: Some(ICON),
    };
    const REST: Option<Rest> = Some(Rest::get("/api/v1/provider-keys"));

    async fn call(
        services: &Services<Chat>,
        call: &Call,
        input: ListInput,
    ) -> Result<Reply<ListOutput>, ToolError> {
        let request = request(services, call);
        let asking = asking(call, &request);
        let done = services.domain.vault.list(asking, &input).await;
        done.map(Reply::Structured)
            .map_err(|error| failure(services, &error))
    }
}
