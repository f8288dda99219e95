//! Calls that nobody settled, for the books: whoever made one was cut off before it could say
//! what it cost, so the account tells of it as it has charged it.

use super::account::Account;
use super::error::BudgetError;
use super::store::{Change, Reservation};
use super::types::Charge;
use crate::analytics::{EventCost, UsageEvent, cut_off_error};

/// In place of a price's name, where the sum is the most that was reserved.
const BOUND: &str = "bound";

impl Account<'_> {
    /// Calls that ended by themselves and may have been made, which the books have yet to hear
    /// of, at most `limit`. Each is told of until it is [`Account::reported`], so they must be put on file by
    /// [`crate::analytics::record_cut_off`], which may be repeated.
    pub fn unreported(&self, limit: u32) -> Result<Vec<UsageEvent>, BudgetError> {
        let unreported = self.store.unreported(limit)?;
        let events = unreported.iter().filter_map(|one| event(one));
        Ok(events.collect())
    }

    /// The books have these.
    pub fn reported(&self, events: &[UsageEvent]) -> Result<(), BudgetError> {
        let done = events.iter().map(|event| Change::Unreported {
            request_id: event.request_id.clone(),
            yet: false,
        });
        self.written(|| Ok(self.store.stage(done.collect())?))
    }
}

fn event(reservation: &Reservation) -> Option<UsageEvent> {
    let started_at_ms = reservation.admitted_ms;
    let request = reservation.request.clone();
    let booking = request.booking?;
    Some(UsageEvent {
        request_id: request.request_id,
        attempt: 1,
        user_id: booking.user_id,
        key_id: request.key_id,
        session_id: booking.session_id,
        case_id: booking.case_id,
        provider: booking.provider,
        model_asked: booking.model.clone(),
        model: booking.model,
        service_tier: booking.service_tier,
        tokens: None,
        cost: match reservation.end?.actual.charge {
            Charge::Estimated(nanos) => EventCost::Estimated {
                nanos,
                price_id: BOUND.to_owned(),
            },
            _ => EventCost::Unpriced,
        },
        messages: 0,
        started_at_ms,
        first_token_ms: None,
        total_ms: None,
        overhead_ms: None,
        error: Some(cut_off_error()),
    })
}
