//! The worker's tools, one file each.

mod secure_execute;
mod verify_signature;

use chitty_core::mcp::types::{Implementation, ToolIcon};
use chitty_core::mcp::{Registry, Server};
use chitty_core::services::Services;

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
    let info = Implementation {
        name: name.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        title: Some("ChittyMCP fortress".to_owned()),
        description: Some("Signed, logged and checkable model runs".to_owned()),
        icons: Some(vec![ToolIcon {
            src: ICON.to_owned(),
            mime_type: Some("image/svg+xml".to_owned()),
            sizes: Some(vec!["any".to_owned()]),
            theme: None,
        }]),
        ..Implementation::default()
    };
    let tools = Registry::new()
        .with::<secure_execute::SecureExecute>()
        .with::<verify_signature::VerifySignature>();
    Server::new(&info, INSTRUCTIONS, tools)
}
