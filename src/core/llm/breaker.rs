//! A circuit breaker for each provider: one that fails again and again is left alone for a
//! while, so that callers go on to the next at once.

use std::cell::RefCell;
use std::collections::HashMap;

/// Faults in a row that open the breaker.
const MAX_FAULTS: u32 = 10;
/// How long it stays open, and how long a probe may take before the next is let through.
const OPEN_MS: i64 = 30_000;
/// Addresses come from an allow-list; beyond any real one, all are forgotten.
const MAX_BREAKERS: usize = 256;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Closed {
        faults: u32,
    },
    Open {
        until_ms: i64,
    },
    /// One probe is under way, since then.
    HalfOpen {
        since_ms: i64,
    },
}

/// Leave to send one request, to be given back with what came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Permit {
    Ordinary,
    /// The one request that decides whether the breaker closes, by its time.
    Probe {
        since_ms: i64,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Breaker(State);

impl Default for Breaker {
    fn default() -> Self {
        Self(State::Closed { faults: 0 })
    }
}

impl Breaker {
    /// Leave to ask, or the milliseconds after which there may be.
    pub fn admit(&mut self, now_ms: i64) -> Result<Permit, i64> {
        let waits_until = match self.0 {
            State::Closed { .. } => return Ok(Permit::Ordinary),
            State::Open { until_ms } => until_ms,
            // A probe whose caller left never reports.
            State::HalfOpen { since_ms } => since_ms.saturating_add(OPEN_MS),
        };
        if now_ms < waits_until {
            return Err(waits_until - now_ms);
        }
        self.0 = State::HalfOpen { since_ms: now_ms };
        Ok(Permit::Probe { since_ms: now_ms })
    }

    /// What came of a request. Late reports from before the breaker opened change nothing.
    pub fn report(&mut self, permit: Permit, healthy: bool, now_ms: i64) {
        let open = State::Open {
            until_ms: now_ms.saturating_add(OPEN_MS),
        };
        self.0 = match (self.0, permit) {
            (State::Closed { .. }, _) if healthy => State::Closed { faults: 0 },
            (State::Closed { faults }, _) if faults + 1 < MAX_FAULTS => {
                State::Closed { faults: faults + 1 }
            }
            (State::Closed { .. }, _) => open,
            (State::HalfOpen { since_ms }, Permit::Probe { since_ms: sent })
                if since_ms == sent =>
            {
                if healthy {
                    State::Closed { faults: 0 }
                } else {
                    open
                }
            }
            (state, _) => state,
        };
    }
}

/// The breakers of an isolate, by base URL: users of one address share its health.
#[derive(Debug, Default)]
pub struct Breakers(RefCell<HashMap<String, Breaker>>);

impl Breakers {
    pub(super) fn admit(&self, base_url: &str, now_ms: i64) -> Result<Permit, i64> {
        let mut breakers = self.0.borrow_mut();
        if breakers.len() >= MAX_BREAKERS && !breakers.contains_key(base_url) {
            breakers.clear();
        }
        let breaker = breakers.entry(base_url.to_owned()).or_default();
        breaker.admit(now_ms)
    }

    pub(super) fn report(&self, base_url: &str, permit: Permit, healthy: bool, now_ms: i64) {
        if let Some(breaker) = self.0.borrow_mut().get_mut(base_url) {
            breaker.report(permit, healthy, now_ms);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(now_ms: i64) -> Breaker {
        let mut breaker = Breaker::default();
        for _ in 0..MAX_FAULTS {
            let permit = breaker.admit(now_ms).unwrap();
            breaker.report(permit, false, now_ms);
        }
        breaker
    }

    #[test]
    fn faults_in_a_row_open_it_and_a_success_between_does_not() {
        let mut breaker = Breaker::default();
        for round in 0..100 {
            let permit = breaker.admit(0).unwrap();
            assert_eq!(permit, Permit::Ordinary);
            breaker.report(permit, round % MAX_FAULTS == MAX_FAULTS - 1, 0);
        }
        assert_eq!(broken(1_000).admit(1_000), Err(OPEN_MS));
        assert_eq!(broken(1_000).admit(1_000 + OPEN_MS - 1), Err(1));
    }

    #[test]
    fn one_probe_decides() {
        let later = 1_000 + OPEN_MS;
        let mut breaker = broken(1_000);
        let probe = breaker.admit(later).unwrap();
        assert_eq!(probe, Permit::Probe { since_ms: later });
        assert_eq!(breaker.admit(later + 1), Err(OPEN_MS - 1), "one at a time");
        breaker.report(probe, false, later + 10);
        assert_eq!(breaker.admit(later + 10), Err(OPEN_MS));

        let again = later + 10 + OPEN_MS;
        let probe = breaker.admit(again).unwrap();
        breaker.report(probe, true, again);
        assert_eq!(breaker.admit(again), Ok(Permit::Ordinary));
        assert_eq!(breaker, Breaker::default());
    }

    #[test]
    fn late_reports_change_nothing_and_a_lost_probe_is_replaced() {
        let mut breaker = broken(0);
        breaker.report(Permit::Ordinary, true, 1);
        assert_eq!(breaker.admit(1), Err(OPEN_MS - 1));
        let lost = breaker.admit(OPEN_MS).unwrap();
        breaker.report(Permit::Ordinary, true, OPEN_MS);
        let next = breaker.admit(2 * OPEN_MS).unwrap();
        assert_ne!(lost, next);
        breaker.report(lost, true, 2 * OPEN_MS);
        assert!(breaker.admit(2 * OPEN_MS).is_err());
    }

    #[test]
    fn addresses_are_apart_and_their_number_is_bounded() {
        let breakers = Breakers::default();
        for _ in 0..MAX_FAULTS {
            breakers.report("a", breakers.admit("a", 0).unwrap(), false, 0);
        }
        assert!(breakers.admit("a", 0).is_err());
        assert!(breakers.admit("b", 0).is_ok());
        for n in 0..2 * MAX_BREAKERS {
            breakers.admit(&n.to_string(), 0).unwrap();
        }
        assert!(breakers.0.borrow().len() <= MAX_BREAKERS);
    }
}
