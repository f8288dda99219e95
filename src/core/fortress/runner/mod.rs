//! How a run is answered and signed: by this worker, or by a Fortress API elsewhere.

mod api;
mod embedded;
mod error;
mod remote;

use async_trait::async_trait;

use super::error::FortressError;
use super::jobs::Job;
use super::types::ExecuteInput;
use crate::analytics::{EventCost, UsageEvent};
use crate::budget::Actual;
use crate::gateway::{Gateway, Order};
use crate::usage::TokenUsage;

pub use api::FortressApi;
pub(super) use embedded::Embedded;
pub use error::RemoteError;
pub(super) use remote::Remote;

#[async_trait(?Send)]
pub(super) trait Runner {
    async fn run(&self, run: &Run<'_>) -> Ran;
}

/// What is to be run, and the account it is run on.
pub(super) struct Run<'a> {
    pub gateway: &'a Gateway,
    pub order: &'a Order,
    pub job: &'a Job,
    pub input: &'a ExecuteInput,
}

/// What came of it, for the books whatever came.
pub(super) struct Ran {
    pub events: Vec<UsageEvent>,
    /// None where nothing was reserved.
    pub actual: Option<Actual>,
    pub result: Result<Signed, FortressError>,
}

impl Ran {
    fn without_cost(error: FortressError) -> Self {
        Self {
            events: Vec::new(),
            actual: None,
            result: Err(error),
        }
    }
}

/// A run that went well.
pub(super) struct Signed {
    pub output: String,
    pub model: String,
    pub provider_request_id: Option<String>,
    pub usage: Option<TokenUsage>,
    pub cost: EventCost,
    /// The exact signed text.
    pub manifest: String,
    pub signature: String,
    /// Of the key that signed.
    pub fingerprint: String,
}
