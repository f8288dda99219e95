//! What a user may spend and how fast.

pub mod get;
pub mod set;

use chitty_core::auth::RequestInfo;
use chitty_core::budget::manage::{Budgets, ManageError};
use chitty_core::mcp::{Call, ToolError};
use chitty_core::services::Services;

use super::{ICON, SETS};
use crate::domain::Chat;

fn budgets(services: &Services<Chat>) -> Budgets<'_> {
    Budgets {
        ledger: &*services.domain.gateway.ledger,
        audit: &services.platform.authenticator.audit,
    }
}

fn request(services: &Services<Chat>, call: &Call) -> RequestInfo {
    RequestInfo {
        request_id: call.request_id.clone(),
        service: services.platform.service,
        ..RequestInfo::default()
    }
}

fn failure(services: &Services<Chat>, error: &ManageError) -> ToolError {
    services.failure(error.code(), error, error.blame(), None)
}
