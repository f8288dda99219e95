//! The tools as resources: `GET /api/v1/sessions/{session_id}` and the like, each with the same
//! credentials, scopes, checks and audit as over MCP.
//!
//! A tool that has such an operation says so itself ([`crate::mcp::Tool::REST`]).
//! `GET /api/v1/openapi.json` describes them (`OpenAPI` 3.1). Methods and statuses: RFC 9110.

mod arguments;
mod document;

#[cfg(test)]
mod tests;

use percent_encoding::percent_decode_str;
use serde_json::Value;

use crate::mcp::{About, Registry};

pub use arguments::{from_query, join};
pub use document::document;

const PREFIX: &str = "/api/v1/";
const DOCUMENT: &str = "/api/v1/openapi.json";

/// Method and path of a tool's operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rest {
    pub method: &'static str,
    /// Such as `/api/v1/sessions/{session_id}`. What stands in braces are fields of the input.
    pub path: &'static str,
    /// Of the answer to a call that succeeds.
    pub status: u16,
}

impl Rest {
    const fn new(method: &'static str, path: &'static str) -> Self {
        Self {
            method,
            path,
            status: 200,
        }
    }

    /// Reads; for tools that are [`crate::mcp::Hints::READ`]. HEAD comes with it.
    pub const fn get(path: &'static str) -> Self {
        Self::new("GET", path)
    }

    /// Does something.
    pub const fn post(path: &'static str) -> Self {
        Self::new("POST", path)
    }

    /// Makes something new.
    pub const fn create(path: &'static str) -> Self {
        Self {
            status: 201,
            ..Self::new("POST", path)
        }
    }

    /// Changes what is named and leaves the rest as it is.
    pub const fn patch(path: &'static str) -> Self {
        Self::new("PATCH", path)
    }

    pub const fn delete(path: &'static str) -> Self {
        Self::new("DELETE", path)
    }

    /// True where the fields that are not in the path come as a JSON body, false where they
    /// come in the query.
    pub fn takes_body(&self) -> bool {
        matches!(self.method, "POST" | "PATCH")
    }

    /// Fields that stand in the path.
    pub fn fields(&self) -> impl Iterator<Item = &'static str> {
        self.path.split('/').filter_map(field)
    }

    /// The values of its fields in `path`; None where it is another path.
    fn held_in(&self, path: &str) -> Option<Vec<PathField>> {
        let (mut wanted, mut given) = (self.path.split('/'), path.split('/'));
        let mut held = Vec::new();
        loop {
            match (wanted.next(), given.next()) {
                (None, None) => return Some(held),
                (Some(wanted), Some(given)) => match field(wanted) {
                    Some(name) => held.push((name, value(given)?)),
                    None if wanted == given => {}
                    None => return None,
                },
                _ => return None,
            }
        }
    }
}

/// A field and its value in a path.
pub type PathField = (&'static str, String);

fn field(segment: &'static str) -> Option<&'static str> {
    segment.strip_prefix('{')?.strip_suffix('}')
}

/// The text of a segment. None for one that is empty or not UTF-8.
fn value(segment: &str) -> Option<String> {
    let text = percent_decode_str(segment).decode_utf8().ok()?;
    (!text.is_empty()).then(|| text.into_owned())
}

/// A tool and how it is called here.
#[derive(Clone, Copy)]
pub struct Operation<'a> {
    pub rest: Rest,
    pub about: &'a About,
    /// Its object in `tools/list`, as JSON text.
    pub listed: &'a str,
}

impl Operation<'_> {
    /// `inputSchema` or `outputSchema`. Null where it has none.
    pub fn schema(&self, name: &str) -> Value {
        let mut listed: Value = serde_json::from_str(self.listed).unwrap_or_default();
        listed.get_mut(name).map(Value::take).unwrap_or_default()
    }
}

/// What is at a path.
pub enum Place<'a> {
    Document,
    Resource(Vec<(Operation<'a>, Vec<PathField>)>),
}

impl<'a> Place<'a> {
    /// None where there is nothing of this face.
    pub fn at<S: 'static>(tools: &'a Registry<S>, path: &str) -> Option<Self> {
        if !path.starts_with(PREFIX) {
            return None;
        }
        let mut operations = tools.operations().peekable();
        operations.peek()?;
        if path == DOCUMENT {
            return Some(Self::Document);
        }
        let held = operations.filter_map(|found| Some((found, found.rest.held_in(path)?)));
        let held: Vec<_> = held.collect();
        (!held.is_empty()).then_some(Self::Resource(held))
    }

    /// The methods that are served, as `Allow` lists them.
    pub fn allow(&self) -> String {
        let mut methods = match self {
            Self::Document => vec!["GET"],
            Self::Resource(held) => held.iter().map(|(found, _)| found.rest.method).collect(),
        };
        if methods.contains(&"GET") {
            methods.push("HEAD");
        }
        methods.push("OPTIONS");
        methods.join(", ")
    }
}
