//! Audits: what is on file, read again and held against the log.
//!
//! The log commits to rows. Once a row of an execution, a run, an evidence record or a package
//! is final, the sweep records it ([`record_due`]): a fact with the digest of each column, sealed
//! texts by the hash of what they hold. So whoever changes, removes or adds a row later would
//! have to change the log as well, and the log is held against checkpoints that are kept
//! outside of it. What is published of the log is held against the log as well ([`published`]).
//!
//! An audit trusts no stored flag. It names the row, the column and what is wrong, with the
//! evidence for it and what to do.

mod auditor;
mod digest;
mod entries;
mod erasure;
mod error;
mod fact_rows;
mod facts;
mod files;
mod finding;
mod fortress_signatures;
mod frontier;
mod history;
mod kept;
mod links;
mod pages;
mod progress;
mod published;
mod recorder;
mod report;
mod rows;
mod runs;
mod schedule;
mod service;
mod standing;
mod tables;
mod types;

#[cfg(test)]
mod tests;

pub use auditor::Signatures;
pub use erasure::{EraseError, EraseInput, EraseOutput, Eraser, erase, finish_erasures};
pub use error::AuditError;
pub use finding::{Code, Finding, Severity};
pub use fortress_signatures::FortressSignatures;
pub use progress::Spent;
pub use published::{Figures, PublishedLog};
pub use recorder::{RecordError, Recorder, record_due};
pub use service::{AskError, AuditService};
pub use types::{AuditInput, AuditOutput, Level, Report};
