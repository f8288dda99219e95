//! Runs that must stand up later: a model called under a signed policy, its answer sealed,
//! signed with OpenPGP, and logged.
//!
//! A run is a row of `fortress_jobs`, written before the model is called:
//! `executing` → `completed` (signed) or `failed` (with the reason). One that is put in for later
//! waits as `pending`. A completed job without
//! `assertion_id` is signed but not logged yet; asking for it again, or the sweep, logs it.
//! The caller hears of success only when the fact is in the log.

mod assertions;
mod error;
mod evidence;
mod facts;
mod jobs;
pub mod keys;
mod logging;
mod manifest;
mod policy;
mod runner;
mod service;
mod signatures;
mod steps;
mod trail;
mod types;

#[cfg(test)]
pub(crate) mod tests;

pub(crate) use assertions::OWN_SOURCES;
pub use assertions::{AssertionInput, AssertionOutput};
pub use error::FortressError;
pub use evidence::{
    Evidence, EvidenceCreateInput, EvidenceCreateOutput, EvidenceListInput, EvidenceListOutput,
    EvidenceStatus,
};
pub use facts::{ChainQueryInput, ChainQueryOutput, FactRecord};
pub use jobs::{INTERRUPTED, Jobs};
pub(crate) use logging::records_signed;
pub use manifest::{Manifest, ManifestFault, Parameters, Provider, Usage};
pub(crate) use policy::MAX_OUTPUT_TOKENS;
pub use policy::{Policy, SandboxPolicy};
pub use runner::{FortressApi, RemoteError};
pub(crate) use service::TEMPERATURE;
pub use service::{Asker, FortressService};
pub use steps::{IngestInput, IngestOutput, OutputInput, OutputOutput, RunInput, RunOutput};
pub use trail::{AuditTrail, AuditTrailInput, AuditTrailOutput, TrailEvent, TrailKind};
pub use types::{
    CallerKey, ChainPosition, ExecuteInput, ExecuteOutput, LogDueInput, LoggedDue,
    MAX_SIGNED_TEXTS, SealInput, SealOutput, SignedText, VerifyAllInput, VerifyAllOutput,
    VerifyInput, VerifyOutput,
};
