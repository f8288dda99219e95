use chitty_core::ports::TimeZones;

use crate::web::offset;

/// The platform's own time zone data.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemZones;

impl TimeZones for SystemZones {
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        reason = "JavaScript's times are whole milliseconds below 2^53"
    )]
    fn offset_ms(&self, zone: &str, at_ms: i64) -> Option<i64> {
        offset(zone, at_ms as f64).map(|ms| ms as i64)
    }
}
