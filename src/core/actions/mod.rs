//! The tools as HTTP operations, for GPT Actions and others that read `OpenAPI`.
//!
//! `GET /gpt/openapi.json` (3.1) and `/gpt/openapi-3.0.json` (3.0.1) describe them;
//! `POST /gpt/tools/{name}` calls one, with the same credentials, scopes, checks and audit as
//! over MCP.

mod answer;
mod document;

#[cfg(test)]
mod tests;

pub use answer::{Asked, MAX_ANSWER, error_reply, reply};
pub use document::{MAX_OPERATIONS, document};

use crate::openapi::Version;

const TOOLS: &str = "/gpt/tools/";

/// A path of this face.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door<'a> {
    Document(Version),
    /// A tool by its name, which there may be none of.
    Tool(&'a str),
}

impl<'a> Door<'a> {
    pub fn of(path: &'a str) -> Option<Self> {
        match path {
            "/gpt/openapi.json" => Some(Self::Document(Version::V3_1)),
            "/gpt/openapi-3.0.json" => Some(Self::Document(Version::V3_0)),
            _ => path.strip_prefix(TOOLS).map(Self::Tool),
        }
    }
}
