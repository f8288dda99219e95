//! Attempts in a window of time, counted before they are judged.

use std::net::IpAddr;
use std::rc::Rc;

use crate::ports::{Clock, Database};
use crate::sql::{DatabaseError, Statement};

pub struct Throttle {
    pub database: Rc<dyn Database>,
    pub clock: Rc<dyn Clock>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempt {
    Allowed,
    Refused { retry_after_s: i64 },
}

/// Starts a window where none is open. One statement, so that no two attempts count as one.
const COUNT: &str = "INSERT INTO throttles (id, attempts, expires_at) VALUES (?1, 1, ?2)
    ON CONFLICT (id) DO UPDATE SET
        attempts = CASE WHEN throttles.expires_at <= ?3 THEN 1 ELSE throttles.attempts + 1 END,
        expires_at = CASE WHEN throttles.expires_at <= ?3 THEN ?2 ELSE throttles.expires_at END
    RETURNING attempts, expires_at";

impl Throttle {
    /// Counts one more attempt of `id` (such as `sign_in:203.0.113.7`) and says whether it is
    /// among the first `limit` of its window, which opens with the first. One atomic step.
    /// Whoever cannot count must refuse.
    pub async fn attempt(
        &self,
        id: &str,
        limit: i64,
        window_ms: i64,
    ) -> Result<Attempt, DatabaseError> {
        let now_ms = self.clock.now_ms();
        let outcome = self.database.run(count(id, window_ms, now_ms)).await?;
        let row = outcome
            .first()
            .ok_or_else(|| DatabaseError::Statement("the upsert returned no row".to_owned()))?;
        if row.int("attempts")? <= limit {
            return Ok(Attempt::Allowed);
        }
        let left_ms = row.timestamp("expires_at")?.saturating_sub(now_ms);
        let retry_after_s = seconds(left_ms);
        Ok(Attempt::Refused { retry_after_s })
    }
}

/// Counts one more attempt. In a batch, it also makes others of the same id wait until the
/// batch is through.
pub(crate) fn count(id: &str, window_ms: i64, now_ms: i64) -> Statement {
    Statement::new(COUNT)
        .bind(id)
        .timestamp(now_ms.saturating_add(window_ms))
        .timestamp(now_ms)
}

/// Whole seconds to wait, for `Retry-After`.
pub(crate) fn seconds(left_ms: i64) -> i64 {
    left_ms.saturating_add(999).div_euclid(1000).max(1)
}

/// Whom to count by address: an IPv4 address, or the /64 of an IPv6 one, which is what a
/// single subscriber is given. Callers of unknown address count as one.
pub fn network_of(address: Option<&str>) -> String {
    match address.map(str::parse::<IpAddr>) {
        Some(Ok(address)) => match address.to_canonical() {
            IpAddr::V4(four) => four.to_string(),
            IpAddr::V6(six) => {
                let [a, b, c, d, ..] = six.segments();
                format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
            }
        },
        _ => "unknown".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::SqliteDatabase;
    use crate::testing::{FakeClock, block_on};

    const NOW: i64 = 1_795_262_349_123;
    const MINUTE: i64 = 60_000;

    fn throttle() -> (Throttle, FakeClock) {
        let clock = FakeClock::at(NOW);
        let throttle = Throttle {
            database: Rc::new(SqliteDatabase::with_schema()),
            clock: Rc::new(clock.clone()),
        };
        (throttle, clock)
    }

    fn try_once(throttle: &Throttle, id: &str) -> Attempt {
        block_on(throttle.attempt(id, 3, MINUTE)).unwrap()
    }

    #[test]
    fn the_first_of_a_window_pass_and_the_rest_learn_when_it_ends() {
        let (throttle, clock) = throttle();
        for _ in 0..3 {
            assert_eq!(try_once(&throttle, "a"), Attempt::Allowed);
        }
        clock.advance(10_500);
        let refused = Attempt::Refused { retry_after_s: 50 };
        assert_eq!(try_once(&throttle, "a"), refused);
        assert_eq!(try_once(&throttle, "b"), Attempt::Allowed);
        clock.advance(MINUTE - 10_501);
        let refused = Attempt::Refused { retry_after_s: 1 };
        assert_eq!(try_once(&throttle, "a"), refused);
        clock.advance(1);
        assert_eq!(try_once(&throttle, "a"), Attempt::Allowed);
    }

    #[test]
    fn refused_attempts_do_not_prolong_the_window() {
        let (throttle, clock) = throttle();
        for _ in 0..50 {
            try_once(&throttle, "a");
            clock.advance(MINUTE / 50);
        }
        assert_eq!(try_once(&throttle, "a"), Attempt::Allowed);
    }

    #[test]
    fn addresses_count_by_what_one_subscriber_holds() {
        for (address, network) in [
            (Some("203.0.113.7"), "203.0.113.7"),
            (Some("::ffff:203.0.113.7"), "203.0.113.7"),
            (Some("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64"),
            (Some("2001:0DB8:1:2::1"), "2001:db8:1:2::/64"),
            (Some("not an address"), "unknown"),
            (None, "unknown"),
        ] {
            assert_eq!(network_of(address), network);
        }
    }
}
