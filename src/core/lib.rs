//! The domain of ChittyMCP: protocol, identity, model calls, signatures, the log.
//!
//! No Workers type appears here. What the domain needs from outside stands in [`ports`];
//! the `chitty-edge` crate fills it on Cloudflare, the tests fill it natively.

pub mod actions;
pub mod analytics;
pub mod anchoring;
pub mod audit;
pub mod auth;
pub mod budget;
pub mod chain;
pub mod chat;
mod cursor;
pub mod digest;
pub mod door;
pub mod evidence;
pub mod execution;
pub mod fortress;
pub mod front;
pub mod gateway;
mod gathering;
pub mod http;
pub mod ids;
pub mod jose;
pub mod ledger;
pub mod llm;
pub mod loopback;
pub mod mcp;
pub mod oauth;
pub mod openapi;
pub mod openpgp;
pub mod ports;
pub mod records;
pub mod resealing;
pub mod rest;
pub mod seal;
pub mod secret;
pub mod services;
pub mod signing_keys;
pub mod sql;
#[cfg(test)]
pub mod testing;
pub mod time;
mod timely;
pub mod timestamp;
pub mod usage;
mod validation;
pub mod vault;
pub mod witness;
