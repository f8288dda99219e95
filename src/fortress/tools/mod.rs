//! The worker's tools, one file each.

mod audit_trail;
mod chain_query;
mod evidence_create;
mod evidence_list;
mod get_output;
mod ingest_content;
mod key_revoke;
mod key_rotate;
mod log_assertion;
mod log_due;
mod package_seal;
mod run_agent;
mod secure_execute;
mod signatures_verify;
mod verify_signature;

use chitty_core::fortress::{Asker, FortressError};
use chitty_core::gateway::GatewayError;
use chitty_core::mcp::server::describe;
use chitty_core::mcp::{Call, Registry, Server, ToolError};
use chitty_core::services::{Blame, Services};

use crate::domain::Runs;

/// A shield with a tick.
const ICON: &str = "data:image/svg+xml,%3Csvg%20xmlns='http://www.w3.org/2000/svg'%20viewBox='0%200%2024%202\
    4'%20fill='none'%20stroke='%232563eb'%20stroke-width='2'%20stroke-linejoin='round'%3E%3C\
    path%20d='M12%203l8%203v6c0%205-4%208-8%209-4-1-8-4-8-9V6z'/%3E%3Cpath%20d='M8%2012l3%20\
    3%205-6'/%3E%3C/svg%3E";

const INSTRUCTIONS: &str = "Runs that must stand up later. fortress_secure_execute asks a model \
    under a fixed policy, signs a manifest and logs it in ChittyChain; fortress_ingest_content, \
    fortress_run_agent and fortress_get_output do so in steps. fortress_verify_signature checks, \
    fortress_audit_trail shows what happened. fortress_log_assertion logs a fact, \
    chitty_chain_query finds facts; chitty_evidence_create and _list keep records. \
    fortress_key_rotate, _key_revoke: operators; _package_seal, _log_due, \
    _signatures_verify: coordinator.";

pub fn server(name: &str) -> Server<Services<Runs>> {
    let (title, description) = (
        "ChittyMCP fortress",
        "Signed, logged and checkable model runs",
    );
    let info = describe(name, title, description, ICON);
    let tools = Registry::new()
        .with::<secure_execute::SecureExecute>()
        .with::<ingest_content::IngestContent>()
        .with::<run_agent::RunAgent>()
        .with::<get_output::GetOutput>()
        .with::<verify_signature::VerifySignature>()
        .with::<key_rotate::KeyRotate>()
        .with::<key_revoke::KeyRevoke>()
        .with::<audit_trail::AuditTrail>()
        .with::<log_assertion::LogAssertion>()
        .with::<chain_query::ChainQuery>()
        .with::<evidence_create::EvidenceCreate>()
        .with::<evidence_list::EvidenceList>()
        .with::<package_seal::PackageSeal>()
        .with::<log_due::LogDue>()
        .with::<signatures_verify::SignaturesVerify>();
    Server::new(&info, INSTRUCTIONS, tools)
}

/// The caller, acting for itself.
fn asker(call: &Call) -> Asker<'_> {
    Asker {
        user_id: &call.principal.user_id,
        key_id: Some(&call.principal.token_id),
        request_id: &call.request_id,
    }
}

fn failure(services: &Services<Runs>, error: &FortressError) -> ToolError {
    let blame = match error {
        FortressError::Signing(_) | FortressError::Unlogged(_) | FortressError::Ledger(_) => {
            Blame::Upstream(Some(error.to_string()))
        }
        FortressError::Remote(error) => Blame::Upstream(Some(error.cause())),
        FortressError::Gateway(GatewayError::Ledger(_)) => Blame::Upstream(Some(error.to_string())),
        FortressError::Model(model) if !model.is_callers() => Blame::Upstream(None),
        _ if error.is_internal() => Blame::Ours,
        _ => Blame::Caller,
    };
    services.failure(error.code(), error, blame, None)
}
