use async_trait::async_trait;
use chitty_core::budget::Shield;
use worker::RateLimiter;

use crate::clock::within;

/// A count next door is worth no more than this.
const TIMEOUT_MS: u64 = 100;

/// The platform's rate limit binding: one count for each place of the network, every ten or
/// sixty seconds.
#[derive(Debug)]
pub struct RateLimitShield(pub RateLimiter);

#[async_trait(?Send)]
impl Shield for RateLimitShield {
    async fn passes(&self, key_hash: &str) -> bool {
        let counted = within(TIMEOUT_MS, self.0.limit(key_hash.to_owned())).await;
        !matches!(counted, Some(Ok(outcome)) if !outcome.success)
    }
}
