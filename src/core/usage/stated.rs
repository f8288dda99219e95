//! A sum as a caller states it, read without rounding.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// US dollars: a decimal string such as `"0.00045"`, or a number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum StatedDollars {
    Text(String),
    Number(serde_json::Number),
}

/// Nano-dollars have nine decimals.
const DECIMALS: i32 = 9;
const MAX_CHARS: usize = 40;
const MAX_NANOS: i64 = 1_000_000_000_000_000;

impl StatedDollars {
    /// Whole nano-dollars; an error that says what is wrong. Never rounds: what is finer
    /// than a nano-dollar is refused. A number counts as the shortest decimal that is it.
    pub fn nanos(&self) -> Result<i64, String> {
        let (text, exponents) = match self {
            Self::Text(text) => (text.clone(), false),
            Self::Number(number) => (number.to_string(), true),
        };
        let nanos = parse(&text, exponents).ok_or_else(|| {
            "must be a plain decimal of US dollars with at most 9 digits after the point, such as \
             \"0.00045\", not negative and at most 1000000"
                .to_owned()
        })?;
        Ok(nanos)
    }
}

fn parse(text: &str, exponents: bool) -> Option<i64> {
    if text.len() > MAX_CHARS {
        return None;
    }
    let (mantissa, exponent) = match text.split_once('e').filter(|_| exponents) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(fraction) {
        return None;
    }
    let fraction = fraction.trim_end_matches('0');
    let places = i32::try_from(fraction.len()).ok()?;
    let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
    // digits × 10^(exponent − places) dollars.
    let shift = DECIMALS.checked_add(exponent)?.checked_sub(places)?;
    let power = 10_i128.checked_pow(shift.unsigned_abs())?;
    let nanos = if shift >= 0 {
        digits.checked_mul(power)?
    } else if digits % power == 0 {
        digits / power
    } else {
        return None;
    };
    i64::try_from(nanos)
        .ok()
        .filter(|nanos| *nanos <= MAX_NANOS)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(value: &serde_json::Value) -> Option<i64> {
        let cost: StatedDollars = serde_json::from_value(value.clone()).ok()?;
        cost.nanos().ok()
    }

    #[test]
    fn decimals_are_read_to_the_nano_dollar() {
        for (stated, expected) in [
            (json!("0"), 0),
            (json!("0.000000001"), 1),
            (json!("0.00045"), 450_000),
            (json!("12.340000000000"), 12_340_000_000),
            (json!("1000000"), MAX_NANOS),
            (json!(0.1), 100_000_000),
            (json!(0.1 + 0.2), -1),
            (json!(1e-7), 100),
            (json!(1.5e-8), 15),
            (json!(3), 3_000_000_000),
            (json!(123_456.789), 123_456_789_000_000),
        ] {
            let expected = (expected >= 0).then_some(expected);
            assert_eq!(read(&stated), expected, "{stated}");
        }
    }

    #[test]
    fn what_is_no_plain_sum_is_refused() {
        for stated in [
            json!(""),
            json!("."),
            json!("1."),
            json!(".5"),
            json!("-1"),
            json!(-1),
            json!(-0.5),
            json!("+1"),
            json!("1e3"),
            json!("1,5"),
            json!("$1"),
            json!(" 1"),
            json!("0.0000000001"),
            json!(1e-10),
            json!("1000000.000000001"),
            json!(1e300),
            json!("9".repeat(200)),
            json!("١"),
            json!(null),
            json!(true),
        ] {
            assert_eq!(read(&stated), None, "{stated}");
        }
    }
}
