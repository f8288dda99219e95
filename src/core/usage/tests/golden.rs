//! Sums worked out by hand against the providers' price lists, from each provider's own usage
//! object. The text of each sum is added up again here, so neither it nor the table can be
//! wrong alone.

use chrono::DateTime;
use serde::Deserialize;
use serde_json::Value;

use super::table;
use crate::usage::{Cost, PriceKey, TokenUsage, wire};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    provider: String,
    model: String,
    tier: Option<String>,
    at: String,
    api: String,
    usage: Value,
    /// `COUNT*PICOS + … = PICOS pico = NANOS nano`
    worked: Option<String>,
    nanos: Option<i64>,
    unpriced: Option<String>,
}

impl Case {
    fn usage(&self) -> Option<TokenUsage> {
        match self.api.as_str() {
            "chat_completions" => wire::openai_chat(&self.usage),
            "responses" => wire::openai_responses(&self.usage),
            "messages" => wire::anthropic(&self.usage),
            other => panic!("{}: no api {other}", self.name),
        }
    }

    fn cost(&self) -> Cost {
        let at = DateTime::parse_from_rfc3339(&self.at).unwrap();
        let key = PriceKey {
            provider: &self.provider,
            model: &self.model,
            tier: self.tier.as_deref(),
            at_ms: at.timestamp_millis(),
        };
        table().cost(key, self.usage())
    }
}

fn cases() -> Vec<Case> {
    serde_json::from_str(include_str!("golden.json")).unwrap()
}

/// Picos and nanos of a worked sum, if it adds up.
fn add_up(worked: &str) -> Result<(u128, i64), String> {
    let fault = || worked.to_owned();
    let [terms, picos, nanos] = worked.split(" = ").collect::<Vec<_>>()[..] else {
        return Err(fault());
    };
    let number = |text: &str| text.parse::<u128>().map_err(|_| fault());
    let mut sum = 0;
    for term in terms.split(" + ") {
        let (count, rate) = term.split_once('*').ok_or_else(fault)?;
        sum += number(count)? * number(rate)?;
    }
    let picos = number(picos.strip_suffix(" pico").ok_or_else(fault)?)?;
    let nanos = number(nanos.strip_suffix(" nano").ok_or_else(fault)?)?;
    let rounded_up = sum / 1_000 + u128::from(sum % 1_000 != 0);
    if sum != picos || rounded_up != nanos {
        return Err(fault());
    }
    Ok((sum, i64::try_from(nanos).unwrap()))
}

#[test]
fn no_sum_is_a_nano_dollar_off() {
    let cases = cases();
    let priced: Vec<_> = cases.iter().filter(|case| case.nanos.is_some()).collect();
    for case in &priced {
        let worked = case.worked.as_deref().unwrap();
        let (_, nanos) = add_up(worked).unwrap_or_else(|sum| panic!("{}: {sum}", case.name));
        assert_eq!(case.nanos, Some(nanos), "{}: {worked}", case.name);
        let cost = case.cost();
        assert_eq!(cost.nanos(), case.nanos, "{}: {cost:?}", case.name);
    }
    assert!(priced.len() >= 60, "{}", priced.len());
}

#[test]
fn what_has_no_price_says_why() {
    let cases = cases();
    let unpriced: Vec<_> = cases.iter().filter(|case| case.nanos.is_none()).collect();
    for case in &unpriced {
        let Cost::Unpriced { reason } = case.cost() else {
            panic!("{} has a price", case.name)
        };
        assert_eq!(Some(reason.to_string()), case.unpriced, "{}", case.name);
    }
    assert!(unpriced.len() >= 10, "{}", unpriced.len());
}

#[test]
fn names_differ() {
    let mut names: Vec<_> = cases().into_iter().map(|case| case.name).collect();
    names.sort();
    let all = names.len();
    names.dedup();
    assert_eq!(names.len(), all);
}

#[test]
fn a_worked_sum_that_does_not_add_up_is_noticed() {
    assert_eq!(add_up("2*2500 + 1*1 = 5001 pico = 6 nano"), Ok((5_001, 6)));
    for wrong in [
        "2*2500 + 1*1 = 5000 pico = 5 nano",
        "2*2500 + 1*1 = 5001 pico = 5 nano",
        "2*2500 + 1*1 = 5001 pico",
        "2*2.5 = 5 pico = 1 nano",
        "2500 = 2500 pico = 3 nano",
    ] {
        assert!(add_up(wrong).is_err(), "{wrong}");
    }
}
