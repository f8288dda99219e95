//! What a caller has on file, found by words and read by id: executions, evidence, chat
//! sessions, and the cases they belong to.
//!
//! The shapes are those that `ChatGPT` reads (`search` and `fetch`); the ids are
//! `execution:…`, `evidence:…`, `session:…` and `case:…`, and each has a page at
//! `/records/{id}`. A caller sees its own; one who may act for others sees everybody's.

mod error;
mod fetch;
mod page;
mod query;
mod search;
mod sheet;
mod types;

#[cfg(test)]
mod tests;

pub use error::RecordError;
pub use page::{Door, PREFIX};
pub(crate) use query::Query;
pub use types::{FetchInput, Found, Kind, Record, RecordId, SearchInput, SearchOutput};

use crate::auth::{DELEGATION_SCOPE, Principal};
use crate::execution::ExecutionService;

/// What a caller needs to search and read.
pub const SCOPE: &str = "execution:read";

/// The records, for one request.
pub struct Records<'a> {
    pub executions: &'a ExecutionService,
    /// Base URL of the pages, such as `https://mcp.example.com`.
    pub origin: &'a str,
}

/// Whose records a statement is confined to; none for a caller who may act for all.
fn confined_to(caller: &Principal) -> Option<&str> {
    let confined = !caller.scopes.allows(DELEGATION_SCOPE);
    confined.then_some(caller.user_id.as_str())
}
