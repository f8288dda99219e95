//! The worker's tools, one file each.

mod secure_execute;
mod verify_signature;

use chitty_core::mcp::types::Implementation;
use chitty_core::mcp::{Registry, Server};
use chitty_core::services::Services;

use crate::domain::Runs;

const INSTRUCTIONS: &str = "Runs that must stand up later. fortress_secure_execute asks a model \
    under a fixed policy, signs a manifest of what was asked and answered, and logs it in \
    ChittyChain. fortress_verify_signature checks such a signature.";

pub fn server(name: &str) -> Server<Services<Runs>> {
    let info = Implementation {
        name: name.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        title: Some("ChittyMCP fortress".to_owned()),
        description: Some("Signed, logged and checkable model runs".to_owned()),
        ..Implementation::default()
    };
    let tools = Registry::new()
        .with::<secure_execute::SecureExecute>()
        .with::<verify_signature::VerifySignature>();
    Server::new(&info, INSTRUCTIONS, tools)
}
