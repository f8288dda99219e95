//! Trusted time (RFC 3161): a third party signs that some bytes existed at its time.
//!
//! Our own clock and signatures say when something was logged on our word alone. A time
//! stamping authority (TSA) signs the hash of a checkpoint with its clock; whoever trusts the
//! authority knows that the checkpoint, and so everything in the log up to it, was there then.
//! Replies are kept as they came, so that `openssl ts -verify` finds what we found.

mod algorithms;
mod certificate;
pub mod client;
mod fields;
mod request;
mod token;
mod verify;

#[cfg(test)]
pub(crate) mod tests;

pub use request::{NONCE_BYTES, TimestampRequest};
pub use verify::{Stamp, StampError, TrustAnchors, TrustError, verify};
