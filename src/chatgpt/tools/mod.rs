//! The worker's tools, one file each.

mod budget;
mod chat_search;
mod complete;
mod config_create;
mod config_delete;
mod config_get;
mod config_list;
mod config_update;
mod message_add;
mod provider_keys;
mod session_archive;
mod session_create;
mod session_delete;
mod session_export;
mod session_get;
mod session_list;
mod session_update;
mod stream;
mod template_create;
mod template_delete;
mod template_get;
mod template_list;
mod template_update;
mod usage_analytics;
mod user_data_delete;
mod user_data_export;

use chitty_core::chat::{Asker, ChatError};
use chitty_core::gateway::GatewayError;
use chitty_core::mcp::server::describe;
use chitty_core::mcp::{Call, Hints, Registry, Server, ToolError};
use chitty_core::services::{Blame, Services};
use serde_json::json;

use crate::domain::Chat;

/// A speech bubble.
const ICON: &str = "data:image/svg+xml,%3Csvg%20xmlns='http://www.w3.org/2000/svg'%20viewBox='0%200%2024%202\
    4'%20fill='none'%20stroke='%232563eb'%20stroke-width='2'%20stroke-linejoin='round'%3E%3C\
    path%20d='M4%205h16v11H10l-5%204v-4H4z'/%3E%3C/svg%3E";

/// What was there before is gone; a second time changes nothing more.
const REPLACES: Hints = Hints {
    destructive_hint: true,
    idempotent_hint: true,
    ..Hints::ADD
};

/// Can be set back; a second time changes nothing more.
const SETS: Hints = Hints {
    idempotent_hint: true,
    ..Hints::ADD
};

const INSTRUCTIONS: &str = "Model calls with exact cost. chatgpt_complete answers in one piece, chatgpt_stream as \
    it speaks; a session_id keeps it on file and brings the history. \
    chitty_chat_session_create, _list, _get, _update, _archive, _export, _delete; \
    chitty_chat_search; chitty_message_add. So for chitty_session_template and \
    chitty_model_config. Your own provider keys: chitty_api_key_add, _list, _rotate, \
    _revoke. Money: chitty_budget_get, _set, chitty_usage_analytics. All that is yours: \
    chitty_user_data_export, _delete.";

pub fn server(name: &str) -> Server<Services<Chat>> {
    let (title, description) = (
        "ChittyMCP chatgpt",
        "Model calls with sessions and exact cost",
    );
    let info = describe(name, title, description, ICON);
    let tools = Registry::new()
        .with::<complete::Complete>()
        .with::<stream::Stream>()
        .with::<session_create::SessionCreate>()
        .with::<session_list::SessionList>()
        .with::<session_get::SessionGet>()
        .with::<session_update::SessionUpdate>()
        .with::<session_archive::SessionArchive>()
        .with::<session_delete::SessionDelete>()
        .with::<session_export::SessionExport>()
        .with::<message_add::MessageAdd>()
        .with::<chat_search::ChatSearch>()
        .with::<template_create::TemplateCreate>()
        .with::<template_list::TemplateList>()
        .with::<template_get::TemplateGet>()
        .with::<template_update::TemplateUpdate>()
        .with::<template_delete::TemplateDelete>()
        .with::<config_create::ConfigCreate>()
        .with::<config_list::ConfigList>()
        .with::<config_get::ConfigGet>()
        .with::<config_update::ConfigUpdate>()
        .with::<config_delete::ConfigDelete>()
        .with::<budget::set::Set>()
        .with::<budget::get::Get>()
        .with::<usage_analytics::Usage>()
        .with::<user_data_export::UserDataExport>()
        .with::<user_data_delete::UserDataDelete>()
        .with::<provider_keys::add::Add>()
        .with::<provider_keys::list::List>()
        .with::<provider_keys::rotate::Rotate>()
        .with::<provider_keys::revoke::Revoke>();
    Server::new(&info, INSTRUCTIONS, tools)
}

/// Who asks the model, with the key or grant that was shown.
fn asker(call: &Call) -> Asker<'_> {
    Asker {
        user_id: &call.principal.user_id,
        key_id: Some(&call.principal.token_id),
    }
}

fn failure(services: &Services<Chat>, error: &ChatError) -> ToolError {
    let blame = match error {
        ChatError::Storage(_) | ChatError::Entropy(_) | ChatError::NoAuditRow => Blame::Ours,
        ChatError::BrokenOff => Blame::Upstream(None),
        // A provider's words may repeat the prompt.
        ChatError::Gateway(GatewayError::Model(error)) if !error.is_callers() => {
            Blame::Upstream(None)
        }
        _ => Blame::Caller,
    };
    let waits_ms = match error {
        ChatError::Gateway(GatewayError::Refused(refused)) => refused.retry_after_ms,
        ChatError::Gateway(GatewayError::Flood) => Some(60_000),
        _ => None,
    };
    let billed = error.may_have_billed();
    let details = match waits_ms {
        Some(ms) => json!({ "may_have_billed": billed, "retry_after_ms": ms }),
        None => json!({ "may_have_billed": billed }),
    };
    services.failure(error.code(), error, blame, Some(details))
}
