//! The Model Context Protocol over Streamable HTTP: both eras on one endpoint.
//!
//! * **modern**: revision 2026-07-28; stateless, every request carries its version and the
//!   client's capabilities in `_meta`.
//! * **legacy**: 2025-11-25, 2025-06-18, 2025-03-26; an `initialize` handshake. Sessions are
//!   not used: nothing is remembered between two requests.
//!
//! The era is read off the modern `_meta` key or version header, never off the method's name.
//! A request flows [`http`] → [`envelope`] → [`dispatch`] → [`tool`] and back as JSON, or as
//! an event stream as soon as there is something to say before the result.

pub mod call;
pub mod client;
mod deferring;
mod dispatch;
pub mod envelope;
pub mod era;
pub mod error;
mod headers;
pub mod http;
mod interaction;
mod link;
mod list;
mod listen;
pub mod mailbox;
pub mod origin;
mod outgoing;
mod page;
pub mod prompt;
pub mod resource;
mod run;
pub mod schema;
pub mod server;
mod state;
pub mod task;
#[cfg(test)]
mod tests;
pub mod tool;

pub use call::{Call, InputRequired};
pub use error::RpcError;
pub use link::Link;
pub use server::{Host, Server};
pub use tool::{About, Hints, Registry, Reply, Tool, ToolError};
pub use tower_mcp_types::protocol as types;
