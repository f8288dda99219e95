use std::collections::HashMap;

use super::TokenUsage;
use super::money::ceil_to_nanos;
use super::rates::Row;
use super::table::{Model, PriceError, Provider, read};

const BUILT_IN: &str = include_str!("prices.json");

/// Processing tier of requests that ask for none. Anthropic calls it `standard`.
const STANDARD_TIER: &str = "default";

/// What an answer cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cost {
    /// `price_id` is `{provider}/{model}/{tier}/{day the price took effect}`, with `/override`
    /// behind it where the deployment set the price.
    Priced {
        nanos: i64,
        price_id: String,
    },
    Unpriced {
        reason: Unpriced,
    },
}

impl Cost {
    /// Nano-dollars, if a price is known.
    pub fn nanos(&self) -> Option<i64> {
        match self {
            Self::Priced { nanos, .. } => Some(*nanos),
            Self::Unpriced { .. } => None,
        }
    }
}

/// Why there is no price.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unpriced {
    #[error("the provider reported no token usage")]
    NoUsage,
    #[error("no price is known for the model {model} of the provider {provider}")]
    UnknownModel { provider: String, model: String },
    #[error("no price is known for the model {model} in the service tier {tier} at that time")]
    NoPriceInForce { model: String, tier: String },
    #[error("no price is known for web searches by this model")]
    NoRateForWebSearch,
    #[error("no price is known for cache writes kept for the longer time by this model")]
    NoRateForLongCacheWrite,
    #[error("the reported token usage is beyond what can be priced")]
    AbsurdUsage,
}

/// Which price is asked for.
#[derive(Debug, Clone, Copy)]
pub struct PriceKey<'a> {
    /// `openai`, `anthropic`, or a name that an override introduced.
    pub provider: &'a str,
    /// The model that answered, by its own account; before the call the one asked.
    pub model: &'a str,
    /// The service tier that the provider said it used; before the call the one asked.
    pub tier: Option<&'a str>,
    /// The request's start, milliseconds since 1970 UTC.
    pub at_ms: i64,
}

/// Unit prices by provider, model, service tier and time.
#[derive(Debug, Default)]
pub struct PriceTable {
    providers: HashMap<String, Provider>,
}

impl PriceTable {
    /// The table shipped with the program.
    pub fn built_in() -> Result<Self, PriceError> {
        Self::from_json(BUILT_IN)
    }

    /// A table of the shape of `prices.json`.
    pub fn from_json(json: &str) -> Result<Self, PriceError> {
        read(json, false).map(|providers| Self { providers })
    }

    /// The table with the prices of a deployment, of the same shape, in place of its own:
    /// a model named there has the rows given there and no others.
    pub fn with_overrides(mut self, json: &str) -> Result<Self, PriceError> {
        for (name, provider) in read(json, true)? {
            self.providers.entry(name).or_default().take_over(provider);
        }
        Ok(self)
    }

    /// What `usage` cost, rounded up once to nano-dollars.
    pub fn cost(&self, key: PriceKey<'_>, usage: Option<TokenUsage>) -> Cost {
        self.price(key, usage)
            .unwrap_or_else(|reason| Cost::Unpriced { reason })
    }

    /// The most, in nano-dollars, that a call can cost whose prompt has at most `prompt_tokens`
    /// and whose answers have at most `output_tokens` together: at the tier asked for or the
    /// standard one, which a provider may fall back to, whichever is dearer, and with the whole
    /// prompt at the dearest kind of input, long context included.
    ///
    /// It holds for the cost under the same `at_ms`. Web searches are not in it.
    pub fn upper_bound(
        &self,
        key: PriceKey<'_>,
        prompt_tokens: u64,
        output_tokens: u64,
    ) -> Result<i64, Unpriced> {
        let standard = PriceKey { tier: None, ..key };
        let mut most = 0;
        for key in [standard, key] {
            most = most.max(self.find(key)?.row.most_picos(prompt_tokens, output_tokens));
        }
        ceil_to_nanos(most).ok_or(Unpriced::AbsurdUsage)
    }

    /// Names of a provider's models that have a standard price at `at_ms`, sorted.
    pub fn models(&self, provider: &str, at_ms: i64) -> Vec<&str> {
        let models = self
            .providers
            .get(provider)
            .map(|provider| &provider.models);
        let priced = models.into_iter().flatten().filter(|(_, model)| {
            let mut rows = model.rows.iter();
            rows.any(|row| row.in_force(STANDARD_TIER, at_ms))
        });
        let mut names: Vec<&str> = priced.map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        names
    }

    fn price(&self, key: PriceKey<'_>, usage: Option<TokenUsage>) -> Result<Cost, Unpriced> {
        let usage = usage.ok_or(Unpriced::NoUsage)?;
        let found = self.find(key)?;
        if !usage.is_consistent() {
            return Err(Unpriced::AbsurdUsage);
        }
        Ok(Cost::Priced {
            nanos: ceil_to_nanos(found.row.picos(usage)?).ok_or(Unpriced::AbsurdUsage)?,
            price_id: found.price_id(key.provider),
        })
    }

    fn find<'a>(&'a self, key: PriceKey<'_>) -> Result<Found<'a>, Unpriced> {
        let tier = match key.tier {
            None | Some("standard") => STANDARD_TIER,
            Some(tier) => tier,
        };
        let (name, model) = self.model(key).ok_or_else(|| Unpriced::UnknownModel {
            provider: key.provider.to_owned(),
            model: key.model.to_owned(),
        })?;
        let mut rows = model.rows.iter();
        let row = rows
            .find(|row| row.in_force(tier, key.at_ms))
            .ok_or_else(|| Unpriced::NoPriceInForce {
                model: name.to_owned(),
                tier: tier.to_owned(),
            })?;
        Ok(Found { name, model, row })
    }

    fn model(&self, key: PriceKey<'_>) -> Option<(&str, &Model)> {
        let provider = self.providers.get(key.provider)?;
        let name = provider.resolve(key.model)?;
        Some((name, provider.models.get(name)?))
    }
}

struct Found<'a> {
    name: &'a str,
    model: &'a Model,
    row: &'a Row,
}

impl Found<'_> {
    fn price_id(&self, provider: &str) -> String {
        let day = self.row.from_day.as_deref().unwrap_or("start");
        let by = if self.model.overridden {
            "/override"
        } else {
            ""
        };
        format!("{provider}/{}/{}/{day}{by}", self.name, self.row.tier)
    }
}
