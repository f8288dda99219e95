//! The tools that the suite calls, under the names and with the answers it prescribes.

mod asking;
mod changing;
mod content;
mod legacy_asking;
mod schemas;
mod slow;
mod tasks;
mod telling;

use chitty_core::mcp::types::{CallToolResult, Content};
use chitty_core::mcp::{About, Hints, Registry, Reply};
use garde::Validate;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::services::Services;

pub fn registry() -> Registry<Services> {
    let registry = content::add(Registry::new());
    let registry = telling::add(registry);
    let registry = asking::add(registry);
    let registry = legacy_asking::add(registry);
    let registry = changing::add(registry);
    let registry = schemas::add(registry);
    let registry = slow::add(registry);
    tasks::add(registry)
}

/// The input of a tool that takes nothing.
#[derive(Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
struct Nothing {}

const fn about(name: &'static str, description: &'static str) -> About {
    About {
        name,
        title: name,
        description,
        scopes: &[],
        hints: Hints::READ,
        icon: None,
    }
}

fn content(items: Vec<Content>) -> Reply<()> {
    Reply::Content(CallToolResult {
        content: items,
        is_error: false,
        structured_content: None,
        meta: None,
    })
}

fn text(text: impl Into<String>) -> Reply<()> {
    content(vec![Content::text(text)])
}
