/// Pico-dollars (10⁻¹² $) a token or other unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PicoRate(u64);

/// A dollar per million tokens is a million pico-dollars per token.
const DECIMALS: usize = 6;
/// Anything dearer is a slip in the table: $100,000 per million tokens.
const MAX_WHOLE_DIGITS: usize = 5;
const PICOS_IN_NANO: u128 = 1_000;

impl PicoRate {
    /// Reads dollars per million tokens, such as `"0.075"`. `None` where the text is no plain
    /// decimal or is finer than a pico-dollar per token.
    pub fn from_dollars_per_million(text: &str) -> Option<Self> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !digits(fraction) {
            return None;
        }
        if whole.len() > MAX_WHOLE_DIGITS || fraction.len() > DECIMALS {
            return None;
        }
        format!("{whole}{fraction:0<DECIMALS$}")
            .parse()
            .ok()
            .map(Self)
    }

    /// Reads dollars per thousand units, such as `"10"` for web searches.
    pub fn from_dollars_per_thousand(text: &str) -> Option<Self> {
        let per_million = Self::from_dollars_per_million(text)?;
        Some(Self(per_million.0 * 1_000))
    }

    /// Pico-dollars. Cannot overflow: two factors of 64 bits.
    pub fn times(self, tokens: u64) -> u128 {
        u128::from(self.0) * u128::from(tokens)
    }
}

/// Rounds up, once. `None` past 9.2 billion dollars.
pub(super) fn ceil_to_nanos(picos: u128) -> Option<i64> {
    i64::try_from(picos.div_ceil(PICOS_IN_NANO)).ok()
}

/// Nano-dollars as a decimal string of dollars without trailing zeros: `45_000_000` is `"0.045"`.
pub fn dollars(nanos: i64) -> String {
    let sign = if nanos < 0 { "-" } else { "" };
    let nanos = nanos.unsigned_abs();
    let (whole, fraction) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
    if fraction == 0 {
        return format!("{sign}{whole}");
    }
    let fraction = format!("{fraction:09}");
    format!("{sign}{whole}.{}", fraction.trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimal_strings_are_read_exactly() {
        let read = PicoRate::from_dollars_per_million;
        assert_eq!(read("30"), Some(PicoRate(30_000_000)));
        assert_eq!(read("0.075"), Some(PicoRate(75_000)));
        assert_eq!(read("0.0025"), Some(PicoRate(2_500)));
        assert_eq!(read("0.000001"), Some(PicoRate(1)));
        assert_eq!(read("0"), Some(PicoRate(0)));
        let searches = PicoRate::from_dollars_per_thousand("10");
        assert_eq!(searches, Some(PicoRate(10_000_000_000)));
        for bad in [
            "",
            ".",
            "1.",
            ".5",
            "-1",
            "+1",
            "1e3",
            "0.0000001",
            "1,5",
            "100000000",
            "NaN",
            " 1",
        ] {
            assert_eq!(read(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn nanos_round_up_and_refuse_the_absurd() {
        assert_eq!(ceil_to_nanos(0), Some(0));
        assert_eq!(ceil_to_nanos(1), Some(1));
        assert_eq!(ceil_to_nanos(1_000), Some(1));
        assert_eq!(ceil_to_nanos(1_001), Some(2));
        assert_eq!(ceil_to_nanos(u128::MAX), None);
    }

    #[test]
    fn dollars_are_shown_without_trailing_zeros() {
        assert_eq!(dollars(0), "0");
        assert_eq!(dollars(1), "0.000000001");
        assert_eq!(dollars(45_000_000), "0.045");
        assert_eq!(dollars(1_000_000_000), "1");
        assert_eq!(dollars(12_340_000_000), "12.34");
        assert_eq!(dollars(-1_500_000_000), "-1.5");
        assert_eq!(dollars(i64::MAX), "9223372036.854775807");
    }
}
