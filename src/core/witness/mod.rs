//! Witnesses of a log: third parties that saw it only ever grow.
//!
//! Who holds a log's key can show different logs to different people, each with proofs that
//! hold. A witness keeps the newest head it saw and cosigns only what extends it, so a
//! checkpoint with the cosignatures of a quorum is the same for everybody. Formats: C2SP
//! tlog-witness ([`request`], [`server`], [`client`]), tlog-cosignature ([`keys`]), tlog-policy
//! ([`policy`]).

pub mod client;
pub mod keys;
mod ml_dsa;
pub mod policy;
pub mod request;
pub mod server;
pub mod sql_store;
pub mod store;
#[cfg(test)]
pub(crate) mod tests;
