//! Days and months of a time zone, in UTC.

use std::cell::RefCell;

use chrono::{DateTime, Datelike, Months};

use super::types::Period;
use crate::ports::TimeZones;
use crate::time::midnight_ms;

/// Half-open, milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    pub start_ms: i64,
    pub end_ms: i64,
}

/// Those of one zone, the last one asked for: working them out takes long.
#[derive(Debug, Default)]
pub struct Windows(RefCell<(String, Vec<(Period, Window)>)>);

impl Windows {
    /// [`Window::of`].
    pub(super) fn of(
        &self,
        zones: &dyn TimeZones,
        zone: &str,
        period: Period,
        now_ms: i64,
    ) -> Option<Window> {
        let mut known = self.0.borrow_mut();
        let (of_zone, windows) = &mut *known;
        if of_zone != zone {
            zone.clone_into(of_zone);
            windows.clear();
        }
        let current = windows.iter().find(|(of, window)| {
            *of == period && (window.start_ms..window.end_ms).contains(&now_ms)
        });
        if let Some((_, window)) = current {
            return Some(*window);
        }
        let window = Window::of(zones, zone, period, now_ms)?;
        windows.retain(|(of, _)| *of != period);
        windows.push((period, window));
        Some(window)
    }
}

impl Window {
    /// The day or month of `zone` that `now_ms` lies in. None if the zone is unknown.
    pub fn of(zones: &dyn TimeZones, zone: &str, period: Period, now_ms: i64) -> Option<Self> {
        let local_ms = now_ms.checked_add(zones.offset_ms(zone, now_ms)?)?;
        let today = DateTime::from_timestamp_millis(local_ms)?.date_naive();
        let (first, next) = match period {
            Period::Day => (today, today.succ_opt()?),
            Period::Month => {
                let first = today.with_day(1)?;
                (first, first.checked_add_months(Months::new(1))?)
            }
        };
        Some(Self {
            start_ms: midnight_ms(zones, zone, first)?,
            end_ms: midnight_ms(zones, zone, next)?,
        })
    }
}
