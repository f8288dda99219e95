//! The `OpenAPI` document of this face, made from the list of tools.

use serde_json::{Value, json};

use super::PREFIX;
use crate::mcp::Registry;
use crate::openapi::{Api, Draft, Further, Version, set};

const WORDS: &str = "What this server's tools do over MCP, as resources over HTTP. An error says what to change and \
    has the id of the request, as the header X-Request-Id does.";

pub fn document<S: 'static>(tools: &Registry<S>, api: &Api<'_>, further: Option<Further>) -> Value {
    let mut draft = Draft::new(api, Version::V3_1);
    for found in tools.operations() {
        let rest = found.rest;
        let mut made = draft.operation(&rest, found.about, found.listed);
        set(&mut made, "tags", json!([tag(rest.path)]));
        draft.add(rest.path, rest.method, made);
    }
    if let Some(further) = further {
        draft.further(further);
    }
    draft.finish(WORDS)
}

/// What the paths of a resource have in common.
fn tag(path: &str) -> &str {
    let rest = path.strip_prefix(PREFIX).unwrap_or(path);
    rest.split('/').next().unwrap_or(rest)
}
