//! `ChittyChain`: a transparency log of facts.
//!
//! RFC 6962 hashing and proofs, C2SP signed checkpoints and offline proofs,
//! one sequencer. A fact becomes canonical bytes (RFC 8785 with a random
//! salt); their SHA-256 is the fact id; the log's leaf holds that id and the
//! time of logging, never the content. Byte layouts: [`fact`], [`note`],
//! [`checkpoint`], [`proof`], [`tiles`]. How a round survives faults: [`sequencer`].
//!
//! Storage is behind [`store::LogStore`]; nothing here does I/O, reads a clock
//! or makes randomness.

pub mod checkpoint;
pub mod ed25519;
pub mod error;
pub mod fact;
pub mod hash;
pub mod keys;
pub mod note;
pub mod proof;
pub mod receipt;
mod round;
pub mod sequencer;
pub mod sql_store;
pub mod store;
pub mod tiles;
pub mod tree;
pub mod verify;

#[cfg(test)]
pub(crate) mod tests;
