use std::rc::Rc;

use super::error::BudgetError;
use super::gates::{Gate, gates};
use super::store::{Change, End, Loaded, Reservation, SLOT_MS, Store, Tat};
use super::types::{
    Actual, Charge, Limits, MAX_TOKENS, Request, Settled, Spending, check_name, check_nanos,
};
use crate::ports::TimeZones;

/// Sums are kept for the longest month and a day of another zone.
const SLOTS_KEPT_MS: i64 = 33 * 86_400_000 + SLOT_MS;
const TATS_KEPT_MS: i64 = 3_600_000;

/// Limits and money of one user. Each verb is one synchronous step and one write, and can be
/// repeated after an error: what was done then is not done again.
///
/// Between verbs, for the user and for each key:
/// - `spent` is the sum of all settlements, `reserved` that of all reservations held;
/// - whatever was admitted is held until it is settled or expires, and is one of these.
pub struct Account<'a> {
    pub store: &'a dyn Store,
    pub zones: &'a dyn TimeZones,
    /// Limits of users who have set none.
    pub defaults: &'a Limits,
}

impl Account<'_> {
    /// Notes that the call goes out now. Not to be sent after an error.
    pub fn sent(&self, request_id: &str, now_ms: i64) -> Result<(), BudgetError> {
        self.written(|| {
            let reservation = self.find(request_id)?;
            if !reservation.held() || reservation.expires_ms() <= now_ms {
                return Err(BudgetError::Ended(request_id.to_owned()));
            }
            if !reservation.sent {
                let sent = Reservation {
                    sent: true,
                    ..(*reservation).clone()
                };
                self.store.stage(vec![Change::Reservation(Rc::new(sent))])?;
            }
            Ok(())
        })
    }

    /// Says how the call ended. The first settlement stands, and corrects an expiry.
    pub fn settle(
        &self,
        request_id: &str,
        actual: Actual,
        now_ms: i64,
    ) -> Result<Settled, BudgetError> {
        self.written(|| self.stage_settlement(request_id, actual, now_ms))
    }

    pub(super) fn stage_settlement(
        &self,
        request_id: &str,
        actual: Actual,
        now_ms: i64,
    ) -> Result<Settled, BudgetError> {
        check_actual(&actual)?;
        let reservation = self.find(request_id)?;
        let corrected = match reservation.end {
            Some(end) if !end.expired => {
                return Ok(Settled {
                    charge: end.actual.charge,
                    replayed: true,
                    corrected: false,
                });
            }
            before => before.is_some(),
        };
        let charge = match (actual.charge, reservation.request.bound_nanos) {
            (Charge::Unpriced, Some(bound)) => Charge::Estimated(bound),
            (charge, _) => charge,
        };
        let end = End {
            at_ms: now_ms,
            actual: Actual { charge, ..actual },
            expired: false,
        };
        self.finish(&reservation, end, now_ms)?;
        Ok(Settled {
            charge,
            replayed: false,
            corrected,
        })
    }

    /// Takes back an admission whose answer was never heard, so that it was never used; one
    /// that is still on its way comes to nothing then. Somebody else's admission of the same
    /// request stays.
    pub fn withdraw(&self, request: &Request, now_ms: i64) -> Result<(), BudgetError> {
        request.check()?;
        self.written(|| self.stage_withdrawal(request, now_ms))
    }

    fn stage_withdrawal(&self, request: &Request, now_ms: i64) -> Result<(), BudgetError> {
        let end = End {
            at_ms: now_ms,
            actual: Actual {
                charge: Charge::Released,
                tokens: Some(0),
            },
            expired: false,
        };
        match self.store.known(&request.request_id)? {
            None => {
                let never = Reservation {
                    request: request.clone(),
                    asked: None,
                    admitted_ms: now_ms,
                    sent: false,
                    end: Some(end),
                };
                let never = Change::Reservation(Rc::new(never));
                Ok(self.store.stage(vec![never])?)
            }
            Some(known) if known.is_of(request) && known.end.is_none_or(|end| end.expired) => {
                self.finish(&known, end, now_ms)
            }
            Some(_) => Ok(()),
        }
    }

    /// Ends what has expired and forgets what is old. Returns when to come again.
    pub fn sweep(&self, now_ms: i64) -> Result<Option<i64>, BudgetError> {
        self.written(|| {
            self.expire(now_ms)?;
            Ok(self.store.stage(vec![Change::Forget {
                finished_due_ms: now_ms,
                slots_before_ms: now_ms.saturating_sub(SLOTS_KEPT_MS),
                tats_before_us: now_ms.saturating_sub(TATS_KEPT_MS).saturating_mul(1_000),
            }])?)
        })?;
        Ok(self.store.next_due_ms()?)
    }

    /// Writes all that `verb` stages at once, before anybody hears of it.
    pub(super) fn written<T>(
        &self,
        verb: impl FnOnce() -> Result<T, BudgetError>,
    ) -> Result<T, BudgetError> {
        // What one that panicked has left.
        self.store.forget_staged();
        let outcome = verb();
        if matches!(outcome, Err(BudgetError::Store(_))) {
            self.store.forget_staged();
        } else {
            self.store.write()?;
        }
        outcome
    }

    /// What a verb reads, with everything that has expired accounted for.
    pub(super) fn load(
        &self,
        key_id: Option<&str>,
        family: &str,
        now_ms: i64,
    ) -> Result<Loaded, BudgetError> {
        let loaded = self.store.load(key_id, family, now_ms)?;
        if !loaded.due {
            return Ok(loaded);
        }
        self.expire(now_ms)?;
        Ok(self.store.load(key_id, family, now_ms)?)
    }

    fn find(&self, request_id: &str) -> Result<Rc<Reservation>, BudgetError> {
        check_name("request_id", request_id)?;
        let known = self.store.known(request_id)?;
        known.ok_or_else(|| BudgetError::NotFound(request_id.to_owned()))
    }

    fn expire(&self, now_ms: i64) -> Result<(), BudgetError> {
        for reservation in self.store.due(now_ms)? {
            let end = End {
                at_ms: now_ms,
                actual: outcome_unknown(&reservation),
                expired: true,
            };
            self.finish(&reservation, end, now_ms)?;
        }
        Ok(())
    }

    /// Moves the reservation's money from where it is to where `end` puts it, and gives back
    /// the tokens that were not used.
    fn finish(&self, before: &Reservation, end: End, now_ms: i64) -> Result<(), BudgetError> {
        let after = Reservation {
            end: Some(end),
            ..before.clone()
        };
        let mut changes = self.token_changes(before, &after, now_ms)?;
        changes.extend(spending_changes(&before.spending(), &after));
        let told = before.end.is_some();
        if told || (end.expired && before.sent && before.request.booking.is_some()) {
            changes.push(Change::Unreported {
                request_id: before.request.request_id.clone(),
                yet: !told,
            });
        }
        changes.push(Change::Reservation(Rc::new(after)));
        Ok(self.store.stage(changes)?)
    }

    fn token_changes(
        &self,
        before: &Reservation,
        after: &Reservation,
        now_ms: i64,
    ) -> Result<Vec<Change>, BudgetError> {
        let more = after.tokens().cast_signed() - before.tokens().cast_signed();
        if more == 0 {
            return Ok(Vec::new());
        }
        let request = &after.request;
        let (key_id, family) = (request.key_id.as_deref(), request.family.as_str());
        let loaded = self.store.load(key_id, family, now_ms)?;
        let meters = gates(&loaded, self.defaults, key_id, family);
        let meters = meters.into_iter().filter(Gate::counts_tokens);
        Ok(meters
            .map(|gate| {
                Change::Tat(Tat {
                    tat_us: gate.rate.take(gate.tat.tat_us, more, now_ms),
                    ..gate.tat
                })
            })
            .collect())
    }
}

/// How a reservation ends that nobody settles: what may have been billed is charged in full.
fn outcome_unknown(reservation: &Reservation) -> Actual {
    let charge = match reservation.request.bound_nanos {
        _ if !reservation.sent => Charge::Released,
        Some(bound) => Charge::Estimated(bound),
        None => Charge::Unpriced,
    };
    Actual {
        charge,
        tokens: None,
    }
}

/// Brings the sums from `before` to what `after` amounts to.
pub(super) fn spending_changes(before: &Spending, after: &Reservation) -> Vec<Change> {
    let now = after.spending();
    let delta = Spending {
        spent: now.spent - before.spent,
        reserved: now.reserved - before.reserved,
        estimated: now.estimated - before.estimated,
    };
    if delta == Spending::default() {
        return Vec::new();
    }
    let slot_ms = after.slot_ms();
    after
        .holders()
        .map(|holder| Change::Spending {
            holder,
            slot_ms,
            delta,
        })
        .collect()
}

fn check_actual(actual: &Actual) -> Result<(), BudgetError> {
    if let Charge::Exact(nanos) | Charge::Estimated(nanos) = actual.charge {
        check_nanos("the charge", nanos)?;
    }
    if actual.tokens.is_some_and(|tokens| tokens > MAX_TOKENS) {
        return Err(BudgetError::invalid("a request has at most 2^32 tokens"));
    }
    Ok(())
}
