use std::collections::HashMap;

use chrono::{NaiveDate, NaiveTime};
use serde::Deserialize;

use super::TokenUsage;
use super::money::{PicoPerToken, ceil_to_nanos};

const BUILT_IN: &str = include_str!("prices.json");

/// Processing tier of requests that ask for none.
const STANDARD_TIER: &str = "default";

/// What an answer cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cost {
    /// `price_id` is `{provider}/{model}/{tier}/{day the price took effect}`.
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
    #[error("no price is known for the model {0}")]
    UnknownModel(String),
    #[error("no price is known for the model {model} in the service tier {tier} at that time")]
    NoPriceInForce { model: String, tier: String },
    #[error("the reported token usage is beyond what can be priced")]
    AbsurdUsage,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PriceError {
    #[error("the price table is not valid JSON of the expected shape: {0}")]
    Shape(String),
    #[error("the price table row {row}: {fault}")]
    Row { row: String, fault: &'static str },
}

/// Unit prices by model, service tier and time.
#[derive(Debug)]
pub struct PriceTable {
    provider: String,
    models: HashMap<String, Vec<Row>>,
    names: HashMap<String, String>,
    dated: Vec<String>,
}

#[derive(Debug)]
struct Row {
    tier: String,
    from_day: Option<String>,
    from_ms: i64,
    to_ms: i64,
    base: Rates,
    long: Option<(u64, Rates)>,
}

#[derive(Debug, Clone, Copy)]
struct Rates {
    input: PicoPerToken,
    cached_input: PicoPerToken,
    cache_write: PicoPerToken,
    output: PicoPerToken,
}

impl PriceTable {
    /// The table shipped with the program.
    pub fn built_in() -> Result<Self, PriceError> {
        Self::from_json(BUILT_IN)
    }

    /// A table of the shape of `prices.json`.
    pub fn from_json(json: &str) -> Result<Self, PriceError> {
        let file: TableFile =
            serde_json::from_str(json).map_err(|error| PriceError::Shape(error.to_string()))?;
        let mut table = Self {
            provider: file.provider,
            models: HashMap::new(),
            names: HashMap::new(),
            dated: Vec::new(),
        };
        for model in file.models {
            table.add(model)?;
        }
        Ok(table)
    }

    fn add(&mut self, model: ModelFile) -> Result<(), PriceError> {
        let fault = |fault| PriceError::Row {
            row: model.model.clone(),
            fault,
        };
        let rows = model
            .prices
            .into_iter()
            .map(Row::from_file)
            .collect::<Result<Vec<_>, _>>()
            .map_err(fault)?;
        if overlapping(&rows) {
            return Err(fault("two prices of one tier are in force at once"));
        }
        for name in model.names {
            if self.names.insert(name, model.model.clone()).is_some() {
                return Err(fault("one of its names belongs to another model too"));
            }
        }
        if model.dated_snapshots {
            self.dated.push(model.model.clone());
        }
        self.models.insert(model.model, rows);
        Ok(())
    }

    /// The model whose price `name` has. A name is known if the table lists it, or if it is a
    /// listed family that says so (`dated_snapshots`) followed by `-YYYY-MM-DD`. A shared
    /// beginning means nothing: `gpt-4o` is not a `gpt-4`.
    pub fn resolve(&self, name: &str) -> Option<&str> {
        if let Some(model) = self.names.get(name) {
            return Some(model);
        }
        let (family, day) = name.split_at_checked(name.len().checked_sub(10)?)?;
        let family = family.strip_suffix('-')?;
        midnight_ms(day)?;
        self.dated
            .iter()
            .find(|model| *model == family)
            .map(String::as_str)
    }

    /// What `usage` cost at the standard tier's price in force at `at_ms`, the request's start.
    pub fn cost(&self, model_answered: &str, usage: Option<TokenUsage>, at_ms: i64) -> Cost {
        self.cost_in_tier(model_answered, None, usage, at_ms)
    }

    /// As [`Self::cost`], in the service tier that the provider said it used.
    pub fn cost_in_tier(
        &self,
        model_answered: &str,
        tier: Option<&str>,
        usage: Option<TokenUsage>,
        at_ms: i64,
    ) -> Cost {
        self.price(model_answered, tier.unwrap_or(STANDARD_TIER), usage, at_ms)
            .unwrap_or_else(|reason| Cost::Unpriced { reason })
    }

    fn price(
        &self,
        name: &str,
        tier: &str,
        usage: Option<TokenUsage>,
        at_ms: i64,
    ) -> Result<Cost, Unpriced> {
        let usage = usage.ok_or(Unpriced::NoUsage)?;
        let unknown = || Unpriced::UnknownModel(name.to_owned());
        let model = self.resolve(name).ok_or_else(unknown)?;
        let rows = self.models.get(model).ok_or_else(unknown)?;
        let row = rows
            .iter()
            .find(|row| row.tier == tier && row.from_ms <= at_ms && at_ms < row.to_ms)
            .ok_or_else(|| Unpriced::NoPriceInForce {
                model: model.to_owned(),
                tier: tier.to_owned(),
            })?;
        let picos = row.rates(usage.prompt).picos(usage);
        Ok(Cost::Priced {
            nanos: ceil_to_nanos(picos).ok_or(Unpriced::AbsurdUsage)?,
            price_id: format!(
                "{}/{model}/{tier}/{}",
                self.provider,
                row.from_day.as_deref().unwrap_or("start")
            ),
        })
    }
}

impl Row {
    fn from_file(file: RowFile) -> Result<Self, &'static str> {
        let base = Rates::from_file(&file.rates)?;
        let long = file
            .long
            .map(|long| Rates::from_file(&long.rates).map(|rates| (long.over_prompt_tokens, rates)))
            .transpose()?;
        if long.is_some_and(|(_, long)| !long.at_least(base)) {
            return Err("a long prompt costs less than a short one");
        }
        let from_ms = file
            .effective_from
            .as_deref()
            .map_or(Some(i64::MIN), midnight_ms);
        let to_ms = file
            .effective_to
            .as_deref()
            .map_or(Some(i64::MAX), midnight_ms);
        Ok(Self {
            tier: file.tier,
            from_day: file.effective_from,
            from_ms: from_ms.ok_or("effective_from is not YYYY-MM-DD")?,
            to_ms: to_ms.ok_or("effective_to is not YYYY-MM-DD")?,
            base,
            long,
        })
    }

    /// The long-context rates hold for the whole request, not for what is over the limit.
    fn rates(&self, prompt_tokens: u64) -> Rates {
        match self.long {
            Some((limit, rates)) if prompt_tokens > limit => rates,
            _ => self.base,
        }
    }
}

impl Rates {
    /// Cached input and cache writes without a rate of their own cost what input costs.
    fn from_file(file: &RatesFile) -> Result<Self, &'static str> {
        let read = |text: &str| {
            PicoPerToken::from_dollars_per_million(text)
                .ok_or("a price is not a plain decimal of at most six places")
        };
        let input = read(&file.input)?;
        let or_input = |text: &Option<String>| text.as_deref().map_or(Ok(input), read);
        Ok(Self {
            input,
            cached_input: or_input(&file.cached_input)?,
            cache_write: or_input(&file.cache_write)?,
            output: read(&file.output)?,
        })
    }

    fn at_least(self, other: Self) -> bool {
        self.input >= other.input
            && self.cached_input >= other.cached_input
            && self.cache_write >= other.cache_write
            && self.output >= other.output
    }

    /// Cannot overflow: a rate has at most 37 bits, a count 64.
    fn picos(self, usage: TokenUsage) -> u128 {
        let uncached = usage
            .prompt
            .saturating_sub(usage.cached)
            .saturating_sub(usage.cache_write);
        self.input.times(uncached)
            + self.cached_input.times(usage.cached)
            + self.cache_write.times(usage.cache_write)
            + self.output.times(usage.completion)
    }
}

fn overlapping(rows: &[Row]) -> bool {
    rows.iter().enumerate().any(|(at, one)| {
        rows.iter().skip(at + 1).any(|other| {
            one.tier == other.tier && one.from_ms < other.to_ms && other.from_ms < one.to_ms
        })
    })
}

/// Start of a `YYYY-MM-DD` day, UTC.
fn midnight_ms(day: &str) -> Option<i64> {
    let padded = day.len() == 10 && !day.contains(' ');
    let day = NaiveDate::parse_from_str(day, "%Y-%m-%d")
        .ok()
        .filter(|_| padded)?;
    Some(day.and_time(NaiveTime::MIN).and_utc().timestamp_millis())
}

#[derive(Deserialize)]
struct TableFile {
    provider: String,
    models: Vec<ModelFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ModelFile {
    model: String,
    names: Vec<String>,
    dated_snapshots: bool,
    prices: Vec<RowFile>,
}

#[derive(Deserialize)]
struct RowFile {
    tier: String,
    effective_from: Option<String>,
    effective_to: Option<String>,
    #[serde(flatten)]
    rates: RatesFile,
    long: Option<LongFile>,
}

#[derive(Deserialize)]
struct LongFile {
    over_prompt_tokens: u64,
    #[serde(flatten)]
    rates: RatesFile,
}

#[derive(Deserialize)]
struct RatesFile {
    input: String,
    cached_input: Option<String>,
    cache_write: Option<String>,
    output: String,
}
