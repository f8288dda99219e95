//! The worker's tools, one file each.

mod package_seal;
mod secure_execute;
mod verify_signature;

use chitty_core::fortress::FortressError;
use chitty_core::gateway::GatewayError;
use chitty_core::mcp::server::describe;
use chitty_core::mcp::{Registry, Server, ToolError};
use chitty_core::services::{Blame, Services};

use crate::domain::Runs;

/// A shield with a tick.
const ICON: &str = "data:image/svg+xml,%3Csvg%20xmlns='http://www.w3.org/2000/svg'%20viewBox='0%200%2024%202\
    4'%20fill='none'%20stroke='%232563eb'%20stroke-width='2'%20stroke-linejoin='round'%3E%3C\
    path%20d='M12%203l8%203v6c0%205-4%208-8%209-4-1-8-4-8-9V6z'/%3E%3Cpath%20d='M8%2012l3%20\
    3%205-6'/%3E%3C/svg%3E";

const INSTRUCTIONS: &str = "Runs that must stand up later. fortress_secure_execute asks a model \
    under a fixed policy, signs a manifest of what was asked and answered, and logs it in \
    ChittyChain. fortress_verify_signature checks such a signature.";

pub fn server(name: &str) -> Server<Services<Runs>> {
    let (title, description) = (
        "ChittyMCP fortress",
        "Signed, logged and checkable model runs",
    );
    let info = describe(name, title, description, ICON);
    let tools = Registry::new()
        .with::<secure_execute::SecureExecute>()
        .with::<verify_signature::VerifySignature>()
        .with::<package_seal::PackageSeal>();
    Server::new(&info, INSTRUCTIONS, tools)
}

fn failure(services: &Services<Runs>, error: &FortressError) -> ToolError {
    let blame = match error {
        FortressError::Signing(_) | FortressError::Ledger(_) => {
            Blame::Upstream(Some(error.to_string()))
        }
        FortressError::Gateway(GatewayError::Ledger(_)) => Blame::Upstream(Some(error.to_string())),
        FortressError::Model(model) if !model.is_callers() => Blame::Upstream(None),
        _ if error.is_internal() => Blame::Ours,
        _ => Blame::Caller,
    };
    services.failure(error.code(), error, blame, None)
}
