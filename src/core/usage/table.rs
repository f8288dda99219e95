//! The table's JSON, read strictly: a misspelt field would be a wrong bill.

use std::collections::{BTreeMap, HashMap};

use chrono::{NaiveDate, NaiveTime};
use serde::Deserialize;

use super::money::PicoRate;
use super::rates::{Rates, Row};

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PriceError {
    #[error("the price table is not valid JSON of the expected shape: {0}")]
    Shape(String),
    #[error("the price table row {row}: {fault}")]
    Row { row: String, fault: &'static str },
}

/// What one provider sells.
#[derive(Debug, Default)]
pub(super) struct Provider {
    pub models: HashMap<String, Model>,
    /// Model by exact name.
    pub names: HashMap<String, String>,
    /// Model by family, whose dated snapshots have its price.
    pub dated: HashMap<String, String>,
}

#[derive(Debug)]
pub(super) struct Model {
    pub rows: Vec<Row>,
    /// Set by the deployment, not by the table shipped.
    pub overridden: bool,
}

/// Reads a table of the shape of `prices.json`.
pub(super) fn read(json: &str, overridden: bool) -> Result<HashMap<String, Provider>, PriceError> {
    let file: TableFile =
        serde_json::from_str(json).map_err(|error| PriceError::Shape(error.to_string()))?;
    file.providers
        .into_iter()
        .map(|(name, models)| {
            let mut provider = Provider::default();
            for model in models {
                provider.add(&name, model, overridden)?;
            }
            Ok((name, provider))
        })
        .collect()
}

impl Provider {
    fn add(&mut self, name: &str, file: ModelFile, overridden: bool) -> Result<(), PriceError> {
        let ModelFile {
            model,
            names,
            dated,
            prices,
        } = file;
        let fault = |fault| PriceError::Row {
            row: format!("{name}/{model}"),
            fault,
        };
        let rows = prices
            .into_iter()
            .map(row)
            .collect::<Result<Vec<_>, _>>()
            .map_err(fault)?;
        if overlapping(&rows) {
            return Err(fault("two prices of one tier are in force at once"));
        }
        for name in names.into_iter().chain([model.clone()]) {
            if self.names.insert(name, model.clone()).is_some() {
                return Err(fault("one of its names belongs to another model too"));
            }
        }
        for family in dated {
            if self.dated.insert(family, model.clone()).is_some() {
                return Err(fault("one of its families belongs to another model too"));
            }
        }
        self.models.insert(model, Model { rows, overridden });
        Ok(())
    }

    /// Takes over the other's models; where both have one, its rows, names and families win.
    pub fn take_over(&mut self, other: Self) {
        self.models.extend(other.models);
        self.names.extend(other.names);
        self.dated.extend(other.dated);
    }

    /// The model whose price `name` has: an exact name, or a listed family followed by
    /// `-YYYY-MM-DD` (OpenAI) or `-YYYYMMDD` (Anthropic). A shared beginning means nothing:
    /// `gpt-4o` is not a `gpt-4`.
    pub fn resolve(&self, name: &str) -> Option<&str> {
        let by_date = || {
            let family = family(name, 10, "%Y-%m-%d").or_else(|| family(name, 8, "%Y%m%d"))?;
            self.dated.get(family)
        };
        self.names.get(name).or_else(by_date).map(String::as_str)
    }
}

/// What stands before a hyphen and a day of `len` characters.
fn family<'a>(name: &'a str, len: usize, format: &str) -> Option<&'a str> {
    let (family, day) = name.split_at_checked(name.len().checked_sub(len)?)?;
    date(day, format)?;
    family.strip_suffix('-')
}

fn row(file: RowFile) -> Result<Row, &'static str> {
    let base = rates(&file.rates)?;
    let long = file
        .long
        .map(|long| rates(&long.rates).map(|rates| (long.over_prompt_tokens, rates)))
        .transpose()?;
    if long.is_some_and(|(_, long)| !long.at_least(base)) {
        return Err("a long prompt costs less than a short one");
    }
    let web_search = file
        .web_search
        .map(|text| PicoRate::from_dollars_per_thousand(&text).ok_or(NO_DECIMAL))
        .transpose()?;
    let day = |day: Option<&str>, open: i64| day.map_or(Some(open), midnight_ms);
    let from_ms = day(file.effective_from.as_deref(), i64::MIN);
    let to_ms = day(file.effective_to.as_deref(), i64::MAX);
    let row = Row {
        tier: file.tier,
        from_ms: from_ms.ok_or("effective_from is not YYYY-MM-DD")?,
        to_ms: to_ms.ok_or("effective_to is not YYYY-MM-DD")?,
        from_day: file.effective_from,
        base,
        long,
        web_search,
    };
    if row.from_ms < row.to_ms {
        Ok(row)
    } else {
        Err("effective_to is not after effective_from")
    }
}

const NO_DECIMAL: &str = "a price is not a plain decimal of at most six places";

/// Cached input and cache writes without a rate of their own cost what input costs. Writes
/// kept for longer always cost more, so nothing stands in for their rate.
fn rates(file: &RatesFile) -> Result<Rates, &'static str> {
    let read = |text: &str| PicoRate::from_dollars_per_million(text).ok_or(NO_DECIMAL);
    let input = read(&file.input)?;
    let or_input = |text: &Option<String>| text.as_deref().map_or(Ok(input), read);
    Ok(Rates {
        input,
        cached_input: or_input(&file.cached_input)?,
        cache_write: or_input(&file.cache_write)?,
        cache_write_1h: file.cache_write_1h.as_deref().map(read).transpose()?,
        output: read(&file.output)?,
    })
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
    let day = date(day, "%Y-%m-%d")?;
    Some(day.and_time(NaiveTime::MIN).and_utc().timestamp_millis())
}

/// Strict where chrono is lenient: neither padding nor signs.
fn date(text: &str, format: &str) -> Option<NaiveDate> {
    let date = NaiveDate::parse_from_str(text, format).ok()?;
    (date.format(format).to_string() == text).then_some(date)
}

/// `source` and `unit` are for people.
#[derive(Deserialize)]
struct TableFile {
    providers: BTreeMap<String, Vec<ModelFile>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ModelFile {
    model: String,
    #[serde(default)]
    names: Vec<String>,
    #[serde(default)]
    dated: Vec<String>,
    prices: Vec<RowFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RowFile {
    tier: String,
    effective_from: Option<String>,
    effective_to: Option<String>,
    rates: RatesFile,
    long: Option<LongFile>,
    web_search: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LongFile {
    over_prompt_tokens: u64,
    rates: RatesFile,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RatesFile {
    input: String,
    cached_input: Option<String>,
    cache_write: Option<String>,
    cache_write_1h: Option<String>,
    output: String,
}
