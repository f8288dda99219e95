use async_trait::async_trait;
use chitty_core::budget::Shield;
use worker::RateLimiter;

use crate::clock::within;
use crate::web::Ticket;

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
        let limits = [
            (self.of_key.as_ref(), key_id),
            (self.of_all.as_ref(), EVERYBODY),
        ];
        let counted = within(TIMEOUT_MS, Ticket::count(limits)).await;
        let passes = counted.and_then(|told| told.bytes);
        passes.is_none_or(|passes| !passes.is_empty())
    }
}
