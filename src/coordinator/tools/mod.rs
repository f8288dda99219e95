//! The worker's tools, one file each.

mod chain_verify;
mod evidence_package;
mod execution_status;
mod secure_ai_execute;

use chitty_core::execution::{Asker, ExecutionError};
use chitty_core::mcp::types::Implementation;
use chitty_core::mcp::{Call, Registry, Server, ToolError};
use chitty_core::services::Services;
use serde_json::Value;

use crate::domain::Desk;

const INSTRUCTIONS: &str = "AI work with receipts. chitty_secure_ai_execute asks a model at one \
    of three levels (standard, fortress, verified); chitty_execution_status shows what is on \
    file; chitty_chain_verify checks the log of facts; chitty_evidence_package puts everything \
    needed for an offline check together.";

pub fn server(name: &str) -> Server<Services<Desk>> {
    let info = Implementation {
        name: name.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        title: Some("ChittyMCP coordinator".to_owned()),
        description: Some("AI work with receipts".to_owned()),
        ..Implementation::default()
    };
    let tools = Registry::new()
        .with::<secure_ai_execute::SecureAiExecute>()
        .with::<execution_status::ExecutionStatus>()
        .with::<evidence_package::EvidencePackage>()
        .with::<chain_verify::ChainVerify>();
    Server::new(&info, INSTRUCTIONS, tools)
}

/// The caller, acting for itself.
fn asker(call: &Call) -> Asker<'_> {
    Asker {
        principal: &call.principal,
        owner: &call.principal.user_id,
        request_id: &call.request_id,
    }
}

fn failure(
    services: &Services<Desk>,
    error: &ExecutionError,
    details: Option<Value>,
) -> ToolError {
    services.failure(error.code(), error, error.is_internal(), details)
}
