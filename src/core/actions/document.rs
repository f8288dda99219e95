//! The `OpenAPI` document, made from the list of tools.

use serde_json::{Value, json};

use super::TOOLS;
use crate::mcp::Registry;
use crate::openapi::{Api, Draft, Version, set, shortened};
use crate::rest::Rest;

/// `ChatGPT` reads no more.
pub const MAX_OPERATIONS: usize = 30;
/// Of a summary or description of an operation.
const MAX_WORDS: usize = 300;

pub fn document<S: 'static>(tools: &Registry<S>, api: &Api<'_>, version: Version) -> Value {
    let mut draft = Draft::new(api, version);
    for (about, listed) in tools.listed().take(MAX_OPERATIONS) {
        let mut made = draft.operation(&Rest::post(TOOLS), about, listed);
        for (name, text) in [("summary", about.title), ("description", about.description)] {
            set(&mut made, name, json!(shortened(text, MAX_WORDS)));
        }
        let consequential = !about.hints.read_only_hint;
        set(&mut made, "x-openai-isConsequential", json!(consequential));
        draft.add(&format!("{TOOLS}{}", about.name), "post", made);
    }
    draft.finish(&description(tools.abouts().count(), api.origin))
}

fn description(tools: usize, origin: &str) -> String {
    let words = "Tools of a ChittyMCP server, each as one operation.";
    match tools.saturating_sub(MAX_OPERATIONS) {
        0 => words.to_owned(),
        more => format!("{words} {more} more are served over MCP at {origin}/mcp."),
    }
}
