//! The worker's tools, one file each.

mod complete;
mod session_create;
mod stream;

use chitty_core::chat::ChatError;
use chitty_core::mcp::types::Implementation;
use chitty_core::mcp::{Registry, Server, ToolError};
use chitty_core::services::Services;
use serde_json::json;

use crate::domain::Chat;

const INSTRUCTIONS: &str = "Model calls with sessions and exact cost. chatgpt_complete answers in \
    one piece, chatgpt_stream sends the text as progress while the model speaks. Give a \
    session_id to keep question and answer on file.";

pub fn server(name: &str) -> Server<Services<Chat>> {
    let info = Implementation {
        name: name.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        title: Some("ChittyMCP chatgpt".to_owned()),
        description: Some("Model calls with sessions and exact cost".to_owned()),
        ..Implementation::default()
    };
    let tools = Registry::new()
        .with::<complete::Complete>()
        .with::<stream::Stream>()
        .with::<session_create::SessionCreate>();
    Server::new(&info, INSTRUCTIONS, tools)
}

fn failure(services: &Services<Chat>, error: &ChatError) -> ToolError {
    let internal = matches!(error, ChatError::Storage(_) | ChatError::Entropy(_));
    let details = json!({ "may_have_billed": error.may_have_billed() });
    services.failure(error.code(), error, internal, Some(details))
}
