//! Times: milliseconds since the Unix epoch inside, RFC 3339 on the wire.

use chrono::{DateTime, NaiveDate, NaiveTime, SecondsFormat};

use crate::ports::TimeZones;

/// 0000-01-01T00:00:00.000Z and 9999-12-31T23:59:59.999Z: RFC 3339 has four-digit years.
const EARLIEST_MS: i64 = -62_167_219_200_000;
const LATEST_MS: i64 = 253_402_300_799_999;
const DAY_MS: i64 = 86_400_000;

/// `2026-11-21T11:59:09.123Z`. A time whose year RFC 3339 cannot write becomes the nearest
/// one that it can.
pub fn to_rfc3339(ms: i64) -> String {
    DateTime::from_timestamp_millis(ms.clamp(EARLIEST_MS, LATEST_MS))
        .unwrap_or_default()
        .to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// Reads `date-time` of RFC 3339 section 5.6 in its upper-case form. Digits past the
/// millisecond are dropped; a leap second is refused, since the epoch count has none.
pub fn from_rfc3339(text: &str) -> Result<i64, TimeError> {
    let wrong = || TimeError(text.chars().take(40).collect());
    // chrono also takes a space or lower-case letters, which other readers refuse.
    let strict = text.len() <= 40 && text.is_ascii() && text.as_bytes().get(10) == Some(&b'T');
    if !strict || text.ends_with('z') || text.get(17..19) == Some("60") {
        return Err(wrong());
    }
    let ms = DateTime::parse_from_rfc3339(text)
        .map_err(|_| wrong())?
        .timestamp_millis();
    Ok(ms)
}

/// When a day begins in a zone: the first of two midnights; where the clock jumps over midnight,
/// the jump (all such jumps since 1970 begin or end at midnight). None if the zone is unknown.
pub fn midnight_ms(zones: &dyn TimeZones, zone: &str, day: NaiveDate) -> Option<i64> {
    let local_ms = day.and_time(NaiveTime::MIN).and_utc().timestamp_millis();
    let before = zones.offset_ms(zone, local_ms.checked_sub(DAY_MS)?)?;
    let after = zones.offset_ms(zone, local_ms.checked_add(DAY_MS)?)?;
    let earlier = local_ms - before.max(after);
    if zones.offset_ms(zone, earlier)? == before.max(after) {
        return Some(earlier);
    }
    Some(local_ms - before.min(after))
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a time; write it like 2026-11-21T11:59:09Z (RFC 3339)")]
pub struct TimeError(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_utc_with_milliseconds() {
        assert_eq!(to_rfc3339(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(to_rfc3339(1_795_262_349_123), "2026-11-21T11:59:09.123Z");
        assert_eq!(to_rfc3339(-1), "1969-12-31T23:59:59.999Z");
        assert_eq!(to_rfc3339(i64::MAX), "9999-12-31T23:59:59.999Z");
        assert_eq!(to_rfc3339(i64::MIN), "0000-01-01T00:00:00.000Z");
    }

    #[test]
    fn reads_what_it_writes_and_offsets() {
        for ms in [0, -1, 1_795_262_349_123, EARLIEST_MS, LATEST_MS] {
            assert_eq!(from_rfc3339(&to_rfc3339(ms)), Ok(ms));
        }
        assert_eq!(
            from_rfc3339("2026-11-21T13:59:09.123999+02:00"),
            Ok(1_795_262_349_123)
        );
    }

    #[test]
    fn refuses_loose_forms() {
        for text in [
            "",
            "2026-11-21",
            "2026-11-21 11:59:09Z",
            "2026-11-21t11:59:09Z",
            "2026-11-21T11:59:09z",
            "2026-11-21T11:59:09",
            "2026-11-21T23:59:60Z",
            "2026-02-30T00:00:00Z",
            "2026-11-21T11:59:09.000000000000000000000000000000000000Z",
            "１026-11-21T11:59:09Z",
        ] {
            assert!(from_rfc3339(text).is_err(), "{text}");
        }
    }
}
