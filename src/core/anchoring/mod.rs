//! Anchors of the log: checkpoints that others vouch for, by cosignature and by time stamp.
//!
//! The newest checkpoint is given to the configured witnesses and stamped by a time stamping
//! authority, soon after the log has grown; what comes of it is kept by tree size. It runs
//! beside the log, in an object of its own: an append never waits for it. A later checkpoint
//! covers all before it, so only the newest is tried again.

mod keeper;
mod remote;
mod serve;
mod store;
#[cfg(test)]
pub(crate) mod tests;
mod verdict;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::timestamp::client::Authorities;
use crate::witness::policy::WitnessPolicy;

pub use keeper::{Keeper, Ports, WITNESSED};
pub use remote::RemoteAnchors;
pub use serve::{Answered, Command, serve};
pub use store::AnchorStore;
pub use verdict::{Anchoring, TimeVerdict, WitnessVerdict};

/// Who is asked. Without both, nobody is.
#[derive(Debug, Clone, Default)]
pub struct Vouchers {
    pub witnesses: Option<WitnessPolicy>,
    pub authorities: Option<Authorities>,
    /// Least time from one anchored checkpoint to the next, in milliseconds.
    pub every_ms: u64,
}

impl Vouchers {
    #[must_use]
    pub const fn is_nobody(&self) -> bool {
        self.witnesses.is_none() && self.authorities.is_none()
    }
}

/// A checkpoint and what others gave for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Anchor {
    /// Tree size.
    pub size: u64,
    /// The checkpoint as the log alone signed it: the bytes that are stamped.
    pub checkpoint: String,
    /// The same with the cosignatures that came.
    pub cosigned: String,
    /// The policy's quorum had cosigned.
    pub quorum_met: bool,
    pub stamp: Option<KeptStamp>,
    /// Milliseconds since 1970.
    pub started_at_ms: u64,
    /// Rounds of asking so far.
    pub attempts: u32,
    /// When it is tried again; none once everybody has answered.
    pub again_at_ms: Option<u64>,
    /// Who did not vouch in the last round, and why.
    pub failures: Vec<Failure>,
}

/// A time stamp as it came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KeptStamp {
    pub url: String,
    /// The reply in DER (RFC 3161 section 2.4.2), base64.
    pub reply: String,
    /// Milliseconds since 1970.
    pub received_at_ms: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Failure {
    /// The URL of the authority, or the name of the witness.
    pub of: String,
    pub reason: String,
}
