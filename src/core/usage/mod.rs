//! What model calls cost, exactly.
//!
//! Unit prices are whole pico-dollars a token and multiply in `u128`; the sum is rounded up
//! to nano-dollars once, per upstream attempt, and stored as `i64`. No float takes part. What
//! has no known price is [`Cost::Unpriced`], never zero.
//!
//! `prices.json` is derived from genai-prices; see the `NOTICE` file beside it.

mod money;
mod prices;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use money::dollars;
pub use prices::{Cost, PriceError, PriceTable, Unpriced};

/// Tokens of one answer, as the provider counted them.
///
/// `cached` and `cache_write` are parts of `prompt`, `reasoning` is a part of `completion`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenUsage {
    pub prompt: u64,
    pub cached: u64,
    pub cache_write: u64,
    pub completion: u64,
    pub reasoning: u64,
    pub total: u64,
}
