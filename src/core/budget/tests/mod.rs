mod managing;
mod memory;
mod model;
mod remote;
mod schedule;
mod schedules;
mod settling;
mod unsettled;
mod verbs;
mod windows;
mod writes;

use super::types::{Admission, Admitted, Booking, Charge, Limits, Refused, Request};
use super::{Account, Actual, Store};
use crate::ports::TimeZones;

/// 2026-11-21T11:59:09.123Z
pub const NOW: i64 = 1_795_262_349_123;
pub const MINUTE: i64 = 60_000;
pub const HOUR: i64 = 3_600_000;
pub const DAY: i64 = 86_400_000;

/// A zone without and one with a half hour, and two whose clocks change: on Sunday,
/// 2026-11-22 at 05:00 UTC from -4 to -5 hours, and at 06:00 UTC from +2 to +3.
pub struct FakeZones;

impl TimeZones for FakeZones {
    fn offset_ms(&self, zone: &str, at_ms: i64) -> Option<i64> {
        const SUNDAY: i64 = 1_795_305_600_000;
        match zone {
            "UTC" => Some(0),
            "India" => Some(5 * HOUR + HOUR / 2),
            "Back" => Some(if at_ms < SUNDAY + 5 * HOUR { -4 } else { -5 } * HOUR),
            "Forward" => Some(if at_ms < SUNDAY + 22 * HOUR { 2 } else { 3 } * HOUR),
            _ => None,
        }
    }
}

pub fn request(id: &str, bound_nanos: i64) -> Request {
    Request {
        request_id: id.to_owned(),
        key_id: None,
        family: "gpt-4".to_owned(),
        input_tokens: 10,
        max_output_tokens: 20,
        bound_nanos: Some(bound_nanos),
        clamp: None,
        ttl_ms: MINUTE,
        sent: true,
        nonce: String::new(),
        booking: None,
    }
}

pub fn booking() -> Booking {
    Booking {
        user_id: "ann".to_owned(),
        session_id: Some("s".to_owned()),
        case_id: None,
        provider: "openai".to_owned(),
        model: "gpt-4".to_owned(),
        service_tier: None,
    }
}

pub fn exact(nanos: i64) -> Actual {
    Actual {
        charge: Charge::Exact(nanos),
        tokens: Some(30),
    }
}

/// Runs `verbs` on an account over `store`.
pub fn on<T>(store: &dyn Store, verbs: impl FnOnce(&Account<'_>) -> T) -> T {
    let defaults = Limits::standard();
    verbs(&Account {
        store,
        zones: &FakeZones,
        defaults: &defaults,
    })
}

pub fn admitted(admission: Admission) -> Admitted {
    match admission {
        Admission::Admitted(admitted) => admitted,
        Admission::Refused(refused) => panic!("refused: {refused:?}"),
    }
}

pub fn refused(admission: Admission) -> Refused {
    match admission {
        Admission::Refused(refused) => refused,
        Admission::Admitted(admitted) => panic!("admitted: {admitted:?}"),
    }
}
