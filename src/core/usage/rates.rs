use super::money::PicoRate;
use super::{TokenUsage, Unpriced};

/// Prices of one model in one tier, in force in a half-open span of time.
#[derive(Debug)]
pub(super) struct Row {
    pub tier: String,
    pub from_day: Option<String>,
    pub from_ms: i64,
    pub to_ms: i64,
    pub base: Rates,
    /// Rates of requests whose prompt has more tokens than this.
    pub long: Option<(u64, Rates)>,
    pub web_search: Option<PicoRate>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Rates {
    pub input: PicoRate,
    pub cached_input: PicoRate,
    pub cache_write: PicoRate,
    pub cache_write_1h: Option<PicoRate>,
    pub output: PicoRate,
}

impl Row {
    pub fn in_force(&self, tier: &str, at_ms: i64) -> bool {
        self.tier == tier && self.from_ms <= at_ms && at_ms < self.to_ms
    }

    /// The long-context rates hold for the whole request, not for what is over the limit.
    fn rates(&self, prompt_tokens: u64) -> Rates {
        match self.long {
            Some((limit, rates)) if prompt_tokens > limit => rates,
            _ => self.base,
        }
    }

    /// Exact pico-dollars.
    pub fn picos(&self, usage: TokenUsage) -> Result<u128, Unpriced> {
        let searches = units(
            usage.web_searches,
            self.web_search,
            Unpriced::NoRateForWebSearch,
        )?;
        Ok(self.rates(usage.prompt).picos(usage)? + searches)
    }

    /// The most that so many tokens can come to, however they are split into kinds.
    pub fn most_picos(&self, prompt_tokens: u64, output_tokens: u64) -> u128 {
        [self.base, self.rates(prompt_tokens)]
            .into_iter()
            .map(|rates| {
                rates.dearest_input().times(prompt_tokens) + rates.output.times(output_tokens)
            })
            .fold(0, u128::max)
    }
}

impl Rates {
    pub fn at_least(self, other: Self) -> bool {
        let writes_1h = self.cache_write_1h.zip(other.cache_write_1h);
        self.input >= other.input
            && self.cached_input >= other.cached_input
            && self.cache_write >= other.cache_write
            && writes_1h.is_none_or(|(this, other)| this >= other)
            && self.output >= other.output
    }

    fn dearest_input(self) -> PicoRate {
        let writes = self
            .cache_write
            .max(self.cache_write_1h.unwrap_or(self.cache_write));
        self.input.max(self.cached_input).max(writes)
    }

    /// Cannot overflow: a rate has at most 37 bits, a count 64. The caller has checked that
    /// the parts are inside the whole.
    fn picos(self, usage: TokenUsage) -> Result<u128, Unpriced> {
        let uncached = usage
            .prompt
            .saturating_sub(usage.cached)
            .saturating_sub(usage.cache_write);
        let short_writes = usage.cache_write.saturating_sub(usage.cache_write_1h);
        let long_writes = units(
            usage.cache_write_1h,
            self.cache_write_1h,
            Unpriced::NoRateForLongCacheWrite,
        )?;
        Ok(self.input.times(uncached)
            + self.cached_input.times(usage.cached)
            + self.cache_write.times(short_writes)
            + long_writes
            + self.output.times(usage.completion))
    }
}

/// None of a thing costs nothing, whether or not its rate is known.
fn units(count: u64, rate: Option<PicoRate>, unknown: Unpriced) -> Result<u128, Unpriced> {
    match (count, rate) {
        (0, _) => Ok(0),
        (count, Some(rate)) => Ok(rate.times(count)),
        (_, None) => Err(unknown),
    }
}
