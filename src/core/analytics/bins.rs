//! Histograms of times as text: joining two texts merges two histograms, so that SQL can.
//!
//! A text is a run of codes. A code is the metric's capital and two letters for the bin, and
//! stands for one measurement, or for as many as the number after it says: `TbcTbd12`.
//!
//! Calls lengthen the text of their hour by some nine letters each, until the nightly run makes it
//! short. Past 65,536 letters it stays as it is until then: no row outgrows its database.

use crate::sql::DatabaseError;

/// Bins wider than a millisecond are at most 4 % wide, so their middle is at most 2 % off.
const WIDTH_DIVISOR: u32 = 25;
/// The last one begins past 19 hours and takes all that is longer.
const BINS: usize = 420;
/// Where each bin begins, in milliseconds.
const STARTS: [u32; BINS] = starts();

/// What is measured of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Metric {
    FirstToken,
    Total,
    Overhead,
}

impl Metric {
    const fn letter(self) -> char {
        match self {
            Self::FirstToken => 'F',
            Self::Total => 'T',
            Self::Overhead => 'O',
        }
    }

    /// The code of one measurement.
    pub fn code(self, ms: u32) -> String {
        let bin = STARTS.partition_point(|start| *start <= ms) - 1;
        [self.letter(), letter(bin / 26), letter(bin % 26)]
            .into_iter()
            .collect()
    }
}

/// A histogram of each metric.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Latencies {
    pub first_token: Histogram,
    pub total: Histogram,
    pub overhead: Histogram,
}

impl Latencies {
    /// Adds what `text` holds.
    pub fn absorb(&mut self, text: &str) -> Result<(), DatabaseError> {
        let mut rest = text;
        while !rest.is_empty() {
            let (code, count, after) = next_code(rest).ok_or_else(corrupt)?;
            let histogram = match code.chars().next() {
                Some('F') => &mut self.first_token,
                Some('T') => &mut self.total,
                Some('O') => &mut self.overhead,
                _ => return Err(corrupt()),
            };
            histogram.add(bin_of(code).ok_or_else(corrupt)?, count);
            rest = after;
        }
        Ok(())
    }

    pub fn merge(&mut self, other: &Self) {
        self.first_token.merge(&other.first_token);
        self.total.merge(&other.total);
        self.overhead.merge(&other.overhead);
    }
}

/// Counts by bin; as long as its last bin needs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Histogram(Vec<u64>);

impl Histogram {
    fn add(&mut self, bin: usize, count: u64) {
        if self.0.len() <= bin {
            self.0.resize(bin + 1, 0);
        }
        if let Some(held) = self.0.get_mut(bin) {
            *held = held.saturating_add(count);
        }
    }

    fn merge(&mut self, other: &Self) {
        for (bin, count) in other.0.iter().enumerate() {
            self.add(bin, *count);
        }
    }

    pub fn count(&self) -> u64 {
        self.0.iter().sum()
    }

    /// The time that `percent` of the measurements do not exceed (nearest rank), in
    /// milliseconds and within 2 %. None if there are none.
    pub fn percentile(&self, percent: u64) -> Option<u32> {
        let rank = self.count().saturating_mul(percent).div_ceil(100).max(1);
        let mut seen = 0;
        let bin = self.0.iter().position(|count| {
            seen += count;
            seen >= rank
        })?;
        middle(bin)
    }
}

fn middle(bin: usize) -> Option<u32> {
    let first = *STARTS.get(bin)?;
    let last = STARTS.get(bin + 1).map_or(first, |next| next - 1);
    Some(u32::midpoint(first, last))
}

/// A code, its count, and what comes after both.
fn next_code(text: &str) -> Option<(&str, u64, &str)> {
    let (code, rest) = text.split_at_checked(3)?;
    let digits = rest
        .find(|next: char| !next.is_ascii_digit())
        .unwrap_or(rest.len());
    let (count, after) = rest.split_at_checked(digits)?;
    let count = if count.is_empty() {
        1
    } else {
        count.parse().ok()?
    };
    Some((code, count, after))
}

fn bin_of(code: &str) -> Option<usize> {
    let digit = |at: usize| {
        let letter = code.as_bytes().get(at).filter(|b| b.is_ascii_lowercase())?;
        Some(usize::from(letter - b'a'))
    };
    Some(digit(1)? * 26 + digit(2)?).filter(|bin| *bin < BINS)
}

fn letter(index: usize) -> char {
    u8::try_from(index).map_or('z', |index| char::from(b'a' + index))
}

fn corrupt() -> DatabaseError {
    DatabaseError::Decode {
        column: "latencies".to_owned(),
        expected: "histogram",
        found: "another text",
    }
}

#[expect(clippy::indexing_slicing, reason = "evaluated at compile time")]
const fn starts() -> [u32; BINS] {
    let mut starts = [0; BINS];
    let mut bin = 1;
    while bin < BINS {
        let width = starts[bin - 1] / WIDTH_DIVISOR;
        starts[bin] = starts[bin - 1] + if width == 0 { 1 } else { width };
        bin += 1;
    }
    starts
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn latencies(text: &str) -> Latencies {
        let mut latencies = Latencies::default();
        latencies.absorb(text).unwrap();
        latencies
    }

    #[test]
    fn short_times_are_exact_and_the_longest_still_have_a_bin() {
        for ms in 0..50 {
            let text = Metric::Overhead.code(ms);
            assert_eq!(latencies(&text).overhead.percentile(50), Some(ms));
        }
        assert!(latencies(&Metric::Total.code(u32::MAX)).total.count() == 1);
        assert!(*STARTS.last().unwrap() > 19 * 3_600_000);
        assert_eq!(Histogram::default().percentile(50), None);
    }

    #[test]
    fn a_text_that_is_no_histogram_is_refused() {
        for text in ["T", "Tb", "xbc", "TBc", "Tzz", "Tbc9x", "Tb\u{fc}", "12"] {
            assert!(Latencies::default().absorb(text).is_err(), "{text}");
        }
    }

    #[test]
    fn counts_stand_after_their_code() {
        assert_eq!(latencies("TbcTbcTbcFaa"), latencies("FaaTbc3"));
        assert_eq!(latencies("Tbc3").total.count(), 3);
    }

    proptest! {
        #[test]
        fn percentiles_are_within_two_percent(
            mut times in proptest::collection::vec(0_u32..60_000_000, 1..200),
            percent in 1_usize..=100,
        ) {
            let text: String = times.iter().map(|ms| Metric::Total.code(*ms)).collect();
            times.sort_unstable();
            let rank = (times.len() * percent).div_ceil(100);
            let exact = f64::from(times[rank - 1]);
            let told = f64::from(latencies(&text).total.percentile(percent as u64).unwrap());
            prop_assert!((told - exact).abs() <= exact * 0.02, "{told} for {exact}");
        }

        #[test]
        fn joining_texts_merges_histograms(
            one in proptest::collection::vec(0_u32..100_000, 0..50),
            two in proptest::collection::vec(0_u32..100_000, 0..50),
        ) {
            let text = |times: &[u32]| times.iter().map(|ms| Metric::FirstToken.code(*ms)).collect::<String>();
            let mut merged = latencies(&text(&one));
            merged.merge(&latencies(&text(&two)));
            prop_assert_eq!(latencies(&(text(&one) + &text(&two))), merged);
        }
    }
}
