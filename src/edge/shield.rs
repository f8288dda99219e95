use async_trait::async_trait;
use chitty_core::budget::Shield;
use worker::RateLimiter;

use crate::clock::within;

/// A count next door is worth no more than this.
const TIMEOUT_MS: u64 = 100;
/// The one name that all callers are counted under.
const EVERYBODY: &str = "everybody";

/// The platform's rate limit bindings: a count of each key and one of all, for each place of the
/// network, every ten or sixty seconds.
#[derive(Debug)]
pub struct RateLimitShield {
    pub of_key: RateLimiter,
    pub of_all: RateLimiter,
}

#[async_trait(?Send)]
impl Shield for RateLimitShield {
    async fn passes(&self, key_id: &str) -> bool {
        // In this order, so that one key's flood does not use up what is everybody's.
        counted(&self.of_key, key_id).await && counted(&self.of_all, EVERYBODY).await
    }
}

async fn counted(limiter: &RateLimiter, name: &str) -> bool {
    let counted = within(TIMEOUT_MS, limiter.limit(name.to_owned())).await;
    !matches!(counted, Some(Ok(outcome)) if !outcome.success)
}
