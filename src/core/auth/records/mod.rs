//! The audit log as it is read, exported, watched and kept for a time.

mod export;
mod upkeep;

pub use export::{Export, ExportError};
