//! Users' own keys of model providers.

pub mod add;
pub mod list;
pub mod revoke;
pub mod rotate;

use chitty_core::auth::RequestInfo;
use chitty_core::auth::keys::Asking;
use chitty_core::mcp::{Call, ToolError};
use chitty_core::services::Services;
use chitty_core::vault::VaultError;

use super::ICON;
use crate::domain::Chat;

fn request(services: &Services<Chat>, call: &Call) -> RequestInfo {
    RequestInfo {
        request_id: call.request_id.clone(),
        service: services.platform.service,
        ..RequestInfo::default()
    }
}

fn asking<'a>(call: &'a Call, request: &'a RequestInfo) -> Asking<'a> {
    Asking {
        principal: &call.principal,
        request,
    }
}

fn failure(services: &Services<Chat>, error: &VaultError) -> ToolError {
    services.failure(error.code(), error, error.blame(), None)
}
