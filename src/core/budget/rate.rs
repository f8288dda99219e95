//! The generic cell rate algorithm (ITU-T I.371): a limit a minute without windows.
//!
//! All that is stored is the theoretical arrival time (`tat`), in microseconds: when
//! everything taken so far will have drained. A minute's worth may be taken at once.

use super::types::RateState;

const MINUTE_US: i64 = 60_000_000;
/// Highest limit a minute, of requests or of tokens.
pub const MAX_RATE: u64 = 1_000_000_000;

/// A limit of units a minute, at least 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rate(pub u64);

impl Rate {
    /// Rounded down, so that the whole limit fits into its minute.
    fn cost_us(self, units: u64) -> i64 {
        let cost =
            u128::from(units) * u128::from(MINUTE_US.unsigned_abs()) / u128::from(self.0.max(1));
        i64::try_from(cost).unwrap_or(i64::MAX / 4)
    }

    /// A clock that went back makes nobody wait for more than a minute.
    fn start_us(tat_us: i64, now_ms: i64) -> i64 {
        let present_us = now_ms.saturating_mul(1_000);
        tat_us.clamp(present_us, present_us.saturating_add(MINUTE_US))
    }

    /// How long until `units` can be taken; 0 is now. None if never.
    pub fn wait_ms(self, tat_us: i64, units: u64, now_ms: i64) -> Option<i64> {
        if units > self.0 {
            return None;
        }
        let present_us = now_ms.saturating_mul(1_000);
        let taken = Self::start_us(tat_us, now_ms).saturating_add(self.cost_us(units));
        let over_us = taken - present_us - MINUTE_US;
        Some(over_us.max(0).saturating_add(999) / 1_000)
    }

    /// The time of arrival with `units` more taken, or given back where negative.
    pub fn take(self, tat_us: i64, units: i64, now_ms: i64) -> i64 {
        let cost = self.cost_us(units.unsigned_abs());
        let start = Self::start_us(tat_us, now_ms);
        if units < 0 {
            start.saturating_sub(cost).max(now_ms.saturating_mul(1_000))
        } else {
            // A debt of more than a minute is forgiven.
            let latest = now_ms.saturating_mul(1_000).saturating_add(MINUTE_US);
            start.saturating_add(cost).min(latest)
        }
    }

    pub fn state(self, tat_us: i64, now_ms: i64) -> RateState {
        let present_us = now_ms.saturating_mul(1_000);
        let used_us = (tat_us.max(present_us) - present_us).min(MINUTE_US);
        let free_us = u128::from((MINUTE_US - used_us).unsigned_abs());
        let remaining = free_us * u128::from(self.0) / u128::from(MINUTE_US.unsigned_abs());
        RateState {
            limit: self.0,
            remaining: u64::try_from(remaining).unwrap_or(self.0),
            reset_ms: used_us.saturating_add(999) / 1_000,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_795_262_349_123;

    #[test]
    fn a_minutes_worth_at_once_then_one_by_one() {
        for limit in [1, 7, 60, 61, 999, 1_000] {
            let rate = Rate(limit);
            let mut tat = 0;
            for taken in 0..limit {
                assert_eq!(rate.wait_ms(tat, 1, NOW), Some(0), "{limit}");
                tat = rate.take(tat, 1, NOW);
                assert_eq!(rate.state(tat, NOW).remaining, limit - taken - 1, "{limit}");
            }
            let wait = rate.wait_ms(tat, 1, NOW).unwrap();
            let exact = 60_000_u64.div_ceil(limit).cast_signed();
            assert!((exact - 1..=exact).contains(&wait), "{limit}: {wait}");
            assert!(rate.wait_ms(tat, 1, NOW + wait - 1).unwrap() > 0);
            assert_eq!(rate.wait_ms(tat, 1, NOW + wait), Some(0));
            assert_eq!(rate.state(tat, NOW + 60_000).remaining, limit);
        }
    }

    #[test]
    fn what_is_given_back_can_be_taken_again() {
        let rate = Rate(10_000);
        let full = rate.take(0, 10_000, NOW);
        assert_eq!(rate.state(full, NOW).remaining, 0);
        assert_eq!(rate.state(full, NOW).reset_ms, 60_000);
        let back = rate.take(full, -9_000, NOW);
        assert_eq!(rate.state(back, NOW).remaining, 9_000);
        // Never more than all.
        assert_eq!(
            rate.state(rate.take(back, -9_000, NOW), NOW).remaining,
            10_000
        );
    }

    #[test]
    fn more_than_the_limit_never_fits() {
        assert_eq!(Rate(10).wait_ms(0, 11, NOW), None);
        assert_eq!(Rate(10).wait_ms(0, 10, NOW), Some(0));
        assert_eq!(Rate(MAX_RATE).wait_ms(0, u64::MAX, NOW), None);
    }

    #[test]
    fn a_clock_that_went_back_costs_a_minute_at_most() {
        let rate = Rate(60);
        let tat = rate.take(0, 60, NOW);
        assert_eq!(rate.wait_ms(tat, 1, NOW - 86_400_000), Some(1_000));
        assert_eq!(rate.wait_ms(tat, 60, NOW - 86_400_000), Some(60_000));
    }
}
