//! The worker's tools, one file each.

mod chain_checkpoint;
mod chain_prove;
mod chain_verify;
mod compare_ai_responses;
mod content_erase;
mod evidence_custody;
mod evidence_package;
mod execution_status;
mod fetch;
mod search;
mod secure_ai_execute;
mod security_audit;
mod token_list;
mod token_mint;
mod token_revoke;
mod token_rotate;

use chitty_core::auth::RequestInfo;
use chitty_core::auth::keys::{Asking, KeyError, KeyService};
use chitty_core::evidence::EvidenceError;
use chitty_core::execution::{Asker, ExecutionError};
use chitty_core::ledger::{LedgerError, ProveError};
use chitty_core::mcp::client::PeerError;
use chitty_core::mcp::server::{Watchable, describe};
use chitty_core::mcp::{Call, Registry, Server, ToolError};
use chitty_core::records::RecordError;
use chitty_core::services::{Blame, Services};
use serde_json::Value;

use crate::domain::Desk;
use crate::resources::Records;

/// A receipt.
const ICON: &str = "data:image/svg+xml,%3Csvg%20xmlns='http://www.w3.org/2000/svg'%20viewBox='0%200%2024%202\
    4'%20fill='none'%20stroke='%232563eb'%20stroke-width='2'%20stroke-linejoin='round'%3E%3C\
    path%20d='M6%203h12v18l-3-2-3%202-3-2-3%202z'/%3E%3Cpath%20d='M9%208h6M9%2012h6'/%3E%3C/\
    svg%3E";

const INSTRUCTIONS: &str = "AI work with receipts. chitty_secure_ai_execute asks a model at level \
    standard, fortress or verified, chitty_compare_ai_responses two ways; chitty_execution_status \
    shows one. chitty_chain_verify, _checkpoint and _prove check the log, chitty_security_audit \
    everything. chitty_evidence_package packs for court, _custody records who had it, \
    chitty_content_erase erases by law. search and fetch read cases, executions, evidence and \
    sessions. chitty_token_mint, _list, _rotate and _revoke keep your keys.";

pub fn server(name: &str) -> Server<Services<Desk>> {
    let info = describe(name, "ChittyMCP coordinator", "AI work with receipts", ICON);
    let tools = Registry::new()
        .with::<secure_ai_execute::SecureAiExecute>()
        .with::<execution_status::ExecutionStatus>()
        .with::<evidence_package::EvidencePackage>()
        .with::<evidence_custody::EvidenceCustody>()
        .with::<chain_verify::ChainVerify>()
        .with::<chain_checkpoint::ChainCheckpoint>()
        .with::<chain_prove::ChainProve>()
        .with::<compare_ai_responses::CompareAiResponses>()
        .with::<security_audit::SecurityAudit>()
        .with::<content_erase::ContentErase>()
        .with::<search::Search>()
        .with::<fetch::Fetch>()
        .with::<token_mint::TokenMint>()
        .with::<token_list::TokenList>()
        .with::<token_rotate::TokenRotate>()
        .with::<token_revoke::TokenRevoke>();
    let watchable = Watchable {
        lists: false,
        resources: true,
    };
    Server::new(&info, INSTRUCTIONS, tools).with_resources(Records, watchable)
}

/// The caller, acting for itself.
fn asker(call: &Call) -> Asker<'_> {
    asker_for(call, &call.principal.user_id)
}

/// The caller, acting for `owner`.
fn asker_for<'a>(call: &'a Call, owner: &'a str) -> Asker<'a> {
    Asker {
        principal: &call.principal,
        owner,
        request_id: &call.request_id,
    }
}

fn keys(services: &Services<Desk>) -> KeyService<'_> {
    KeyService {
        audit: &services.platform.authenticator.audit,
    }
}

fn request(services: &Services<Desk>, call: &Call) -> RequestInfo {
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

fn key_failure(services: &Services<Desk>, error: &KeyError) -> ToolError {
    let blame = if error.is_internal() {
        Blame::Ours
    } else {
        Blame::Caller
    };
    services.failure(error.code(), error, blame, None)
}

fn blame(error: &ExecutionError) -> Blame {
    match error {
        ExecutionError::Worker(PeerError::Unreachable { .. })
        | ExecutionError::Ledger(_)
        | ExecutionError::Signature(_) => Blame::Upstream(Some(error.to_string())),
        // It quotes the other worker, whose words may repeat the prompt.
        ExecutionError::Worker(PeerError::Protocol { .. }) => Blame::Upstream(None),
        _ if error.is_internal() => Blame::Ours,
        // Also a tool's failure in another worker, which has logged it.
        _ => Blame::Caller,
    }
}

fn no_proof(services: &Services<Desk>, error: &ProveError) -> ToolError {
    let blame = match error {
        ProveError::Ledger(LedgerError::Unavailable(cause)) => Blame::Upstream(Some(cause.clone())),
        _ => Blame::Caller,
    };
    services.failure(error.code(), error, blame, None)
}

fn no_record(services: &Services<Desk>, error: &RecordError) -> ToolError {
    if let RecordError::Execution(error) = error {
        return failure(services, error, None);
    }
    let blame = if error.is_internal() {
        Blame::Ours
    } else {
        Blame::Caller
    };
    services.failure(error.code(), error, blame, None)
}

fn no_evidence(services: &Services<Desk>, error: &EvidenceError) -> ToolError {
    let blame = match error {
        EvidenceError::Execution(error) => blame(error),
        // It quotes the other worker, whose words may repeat what was sent.
        EvidenceError::Worker(PeerError::Protocol { .. }) => Blame::Upstream(None),
        EvidenceError::Worker(PeerError::Unreachable { .. })
        | EvidenceError::Ledger(_)
        | EvidenceError::FactMissing(_)
        | EvidenceError::LogShrunk
        | EvidenceError::NoFiles
        | EvidenceError::Unsound(_) => Blame::Upstream(Some(error.to_string())),
        _ if error.is_internal() => Blame::Ours,
        _ => Blame::Caller,
    };
    services.failure(error.code(), error, blame, None)
}

fn failure(services: &Services<Desk>, error: &ExecutionError, details: Option<Value>) -> ToolError {
    services.failure(error.code(), error, blame(error), details)
}
