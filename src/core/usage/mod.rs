//! What model calls cost, exactly.
//!
//! Unit prices are whole pico-dollars a token and multiply in `u128`; the sum is rounded up
//! to nano-dollars once, per upstream attempt, and stored as `i64`. No float takes part. What
//! has no known price is [`Cost::Unpriced`], never zero.
//!
//! `prices.json` is derived from genai-prices (see the `NOTICE` file beside it) by
//! `scripts/prices`; docs/MONEY.md is the operator's page.

mod money;
mod prices;
mod rates;
mod stated;
mod table;
#[cfg(test)]
mod tests;
pub mod wire;

use serde::{Deserialize, Serialize};

pub use money::dollars;
pub use prices::{Cost, PriceKey, PriceTable, Unpriced};
pub use stated::StatedDollars;
pub use table::PriceError;

/// Tokens of one answer in one form for all providers, that of OpenAI: parts are inside.
///
/// `cached` and `cache_write` are parts of `prompt`, `cache_write_1h` is the part of
/// `cache_write` kept for the longer of two times (an hour at Anthropic, twelve at OpenAI),
/// `reasoning` is a part of `completion`. [`wire`] brings each provider's counts into this form.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenUsage {
    pub prompt: u64,
    pub cached: u64,
    pub cache_write: u64,
    #[serde(default)]
    pub cache_write_1h: u64,
    pub completion: u64,
    pub reasoning: u64,
    pub total: u64,
    /// Searches the provider ran and bills apart from tokens.
    #[serde(default)]
    pub web_searches: u64,
}

impl TokenUsage {
    /// Whether no part is larger than what it is a part of.
    fn is_consistent(&self) -> bool {
        let inside = self.cached.checked_add(self.cache_write);
        inside.is_some_and(|inside| inside <= self.prompt)
            && self.cache_write_1h <= self.cache_write
            && self.reasoning <= self.completion
    }
}
