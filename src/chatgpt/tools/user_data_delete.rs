use async_trait::async_trait;
use chitty_core::auth::RequestInfo;
use chitty_core::auth::keys::Asking;
use chitty_core::chat::library::{ErasureOrder, UserDataDeleteInput, UserDataDeleteOutput};
use chitty_core::mcp::{About, Call, Reply, Tool, ToolError};
use chitty_core::rest::Rest;
use chitty_core::services::Services;

use crate::domain::Chat;

pub struct UserDataDelete;

#[async_trait(?Send)]
impl Tool<Services<Chat>> for UserDataDelete {
    type Input = UserDataDeleteInput;
    type Output = UserDataDeleteOutput;

    const ABOUT: About = About {
        name: "chitty_user_data_delete",
        title: "Delete all chat data",
        description: "Deletes everything kept of your chats for good: sessions, messages, \
                      templates, configs, provider keys. Rows of cost stay, as nobody's. \
                      Without confirm it only says what would go.",
        scopes: &["chatgpt:erase"],
        hints: super::REPLACES,
        icon: Some(super::ICON),
    };
    const REST: Option<Rest> = Some(Rest::delete("/api/v1/me"));

    async fn call(
        services: &Services<Chat>,
        call: &Call,
        input: UserDataDeleteInput,
    ) -> Result<Reply<UserDataDeleteOutput>, ToolError> {
        let owner = call.principal.resolve_user(input.user_id.as_deref())?;
        let request = RequestInfo {
            request_id: call.request_id.clone(),
            service: services.platform.service,
            ..RequestInfo::default()
        };
        let order = ErasureOrder {
            owner: &owner,
            asking: Asking {
                principal: &call.principal,
                request: &request,
            },
            audit: &services.platform.authenticator.audit,
        };
        let library = &services.domain.library;
        let lively = library.lively_sessions(&owner).await;
        let lively = lively.map_err(|error| super::failure(services, &error))?;
        let done = library.erase_user(order, &input).await;
        if done.is_ok() {
            services
                .domain
                .close_rooms(&services.platform, &owner, lively);
        }
        done.map(Reply::Structured)
            .map_err(|error| super::failure(services, &error))
    }
}
