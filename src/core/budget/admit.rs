//! The one check before a call: limits, calls at once and budgets, with the reservation.

use std::rc::Rc;

use super::account::{Account, spending_changes};
use super::error::BudgetError;
use super::gates::{Gate, gates, tightest};
use super::settling::Settlement;
use super::store::{Asked, Change, Loaded, Reservation, Settings, Span, Tat, slot_of};
use super::types::{
    Admission, Admitted, BudgetState, Caps, Period, Reason, Refused, Request, Settled, Spending,
    Standing,
};

/// Zone of users who have set none.
pub(super) const UTC: &str = "UTC";
/// When to come again where nobody knows when a call will end.
const CONCURRENCY_RETRY_MS: i64 = 1_000;

impl Account<'_> {
    /// Admits the request and reserves its bound, or refuses it and changes nothing. The same
    /// request again is answered with the same reservation.
    pub fn admit(&self, request: &Request, now_ms: i64) -> Result<Admission, BudgetError> {
        self.written(|| self.stage_admission(request, now_ms))
    }

    /// Makes the settlements, each if it can be made, then [`Self::admit`]s: all in one write.
    pub(super) fn settle_and_admit(
        &self,
        settlements: &[Settlement],
        request: &Request,
        now_ms: i64,
    ) -> Result<(Admission, Vec<Result<Settled, BudgetError>>), BudgetError> {
        self.written(|| {
            let mut settled = Vec::with_capacity(settlements.len());
            for Settlement { request_id, actual } in settlements {
                settled.push(match self.stage_settlement(request_id, *actual, now_ms) {
                    Err(error @ BudgetError::Store(_)) => return Err(error),
                    outcome => outcome,
                });
            }
            Ok((self.stage_admission(request, now_ms)?, settled))
        })
    }

    fn stage_admission(&self, request: &Request, now_ms: i64) -> Result<Admission, BudgetError> {
        request.check()?;
        let key_id = request.key_id.as_deref();
        let loaded = self.load(key_id, &request.family, now_ms)?;
        let mut gates = gates(&loaded, self.defaults, key_id, &request.family);
        let mut budgets = self.budgets(&loaded, key_id, now_ms)?;
        if let Some(known) = self.store.known(&request.request_id)? {
            return again(&known, request, standing(&gates, budgets, now_ms));
        }
        let reservation = Rc::new(reserve(request, &budgets, now_ms));
        let bound = reservation.request.bound_nanos;
        let refused = self.refusal(&reservation, &loaded, &gates, &budgets, now_ms);
        if let Some(refused) = refused {
            let standing = standing(&gates, budgets, now_ms);
            return Ok(Admission::Refused(Refused {
                standing,
                ..refused
            }));
        }
        let mut changes = spending_changes(&Spending::default(), &reservation);
        for gate in &mut gates {
            let units = units(gate, &reservation).cast_signed();
            gate.tat.tat_us = gate.rate.take(gate.tat.tat_us, units, now_ms);
            changes.push(Change::Tat(Tat::clone(&gate.tat)));
        }
        changes.push(Change::Reservation(Rc::clone(&reservation)));
        self.store.stage(changes)?;
        for budget in &mut budgets {
            let spending = &mut budget.spending;
            spending.reserved = spending.reserved.saturating_add(bound.unwrap_or(0));
        }
        let standing = standing(&gates, budgets, now_ms);
        Ok(admitted(&reservation, false, standing))
    }

    fn refusal(
        &self,
        reservation: &Reservation,
        loaded: &Loaded,
        gates: &[Gate],
        budgets: &[BudgetState],
        now_ms: i64,
    ) -> Option<Refused> {
        let request = &reservation.request;
        too_large(gates, reservation)
            .or_else(|| unpriced(request, budgets))
            .or_else(|| over_budget(request, budgets, now_ms))
            .or_else(|| self.too_many(request, loaded))
            .or_else(|| too_fast(gates, reservation, now_ms))
    }

    fn too_many(&self, request: &Request, loaded: &Loaded) -> Option<Refused> {
        let user = loaded.user.limits.concurrent.or(self.defaults.concurrent);
        let key = request.key_id.as_ref().and(loaded.key.limits.concurrent);
        let full = |limit: Option<u64>, held| limit.filter(|limit| held >= *limit);
        let limit = full(user, loaded.user_held).or(full(key, loaded.key_held))?;
        let retry = Some(CONCURRENCY_RETRY_MS);
        Some(refused(
            Reason::Concurrency,
            retry,
            (limit.cast_signed(), 0, 1),
        ))
    }

    /// The user's budgets and the key's, with what is used of them.
    pub(super) fn budgets(
        &self,
        loaded: &Loaded,
        key_id: Option<&str>,
        now_ms: i64,
    ) -> Result<Vec<BudgetState>, BudgetError> {
        let zone = loaded.user.zone.as_deref().unwrap_or(UTC);
        let mut budgets = Vec::new();
        let key = key_id.map(|key| (Some(key.to_owned()), &*loaded.key));
        for (key_id, settings) in std::iter::once((None, &*loaded.user)).chain(key) {
            for (period, caps) in caps_of(settings) {
                let windows = self.store.windows();
                let window = windows.of(self.zones, zone, period, now_ms);
                let window = window.ok_or_else(|| unknown_zone(zone))?;
                budgets.push(BudgetState {
                    key_id: key_id.clone(),
                    period,
                    caps,
                    spending: Spending::default(),
                    starts_ms: window.start_ms,
                    ends_ms: window.end_ms,
                });
            }
        }
        if budgets.is_empty() {
            return Ok(budgets);
        }
        let span = |budget: &BudgetState| -> Span {
            let from_ms = slot_of(budget.starts_ms);
            (budget.key_id.clone(), from_ms, slot_of(budget.ends_ms))
        };
        let spans: Vec<_> = budgets.iter().map(span).collect();
        let sums = self.store.spending(&spans)?;
        for (budget, spending) in budgets.iter_mut().zip(sums) {
            budget.spending = spending;
        }
        Ok(budgets)
    }
}

pub(super) fn unknown_zone(zone: &str) -> BudgetError {
    BudgetError::Invalid(format!(
        "`{zone}` is no time zone of the IANA database, such as America/Chicago"
    ))
}

fn caps_of(settings: &Settings) -> impl Iterator<Item = (Period, Caps)> {
    let caps = [(Period::Day, settings.day), (Period::Month, settings.month)];
    caps.into_iter()
        .filter(|(_, caps)| *caps != Caps::default())
}

pub(super) fn standing(gates: &[Gate], budgets: Vec<BudgetState>, now_ms: i64) -> Standing {
    Standing {
        requests: tightest(gates, false, now_ms),
        tokens: tightest(gates, true, now_ms),
        budgets,
    }
}

fn admitted(reservation: &Reservation, replayed: bool, standing: Standing) -> Admission {
    Admission::Admitted(Admitted {
        request_id: reservation.request.request_id.clone(),
        expires_ms: reservation.expires_ms(),
        bound_nanos: reservation.request.bound_nanos,
        max_output_tokens: reservation.request.max_output_tokens,
        replayed,
        standing,
    })
}

fn again(
    known: &Reservation,
    request: &Request,
    standing: Standing,
) -> Result<Admission, BudgetError> {
    let asked = Request {
        nonce: request.nonce.clone(),
        ..known.original()
    };
    if asked != *request {
        return Err(BudgetError::Conflict(request.request_id.clone()));
    }
    if known.held() {
        return Ok(admitted(known, !known.is_of(request), standing));
    }
    Ok(Admission::Refused(Refused {
        standing,
        ..refused(Reason::Finished, None, (0, 0, 0))
    }))
}

/// The reservation of a request, with fewer output tokens where that makes it fit.
fn reserve(request: &Request, budgets: &[BudgetState], now_ms: i64) -> Reservation {
    let fits = fitting(request, budgets);
    Reservation {
        asked: fits.is_some().then_some(Asked {
            max_output_tokens: request.max_output_tokens,
            bound_nanos: request.bound_nanos,
        }),
        request: fits.unwrap_or_else(|| request.clone()),
        admitted_ms: now_ms,
        sent: request.sent,
        end: None,
    }
}

/// None if the request fits as it is, or cannot be made to.
fn fitting(request: &Request, budgets: &[BudgetState]) -> Option<Request> {
    let clamp = request.clamp.filter(|clamp| clamp.output_picos > 0)?;
    let bound = request.bound_nanos?;
    let room = budgets.iter().filter_map(BudgetState::remaining).min()?;
    let over = u64::try_from(bound - room).ok().filter(|over| *over > 0)?;
    let picos = u128::from(clamp.output_picos);
    // At least as many tokens as cost what is over; their whole nano-dollars come off.
    let cut = (u128::from(over) * 1_000).div_ceil(picos);
    let left = request
        .max_output_tokens
        .checked_sub(u64::try_from(cut).ok()?)?;
    let saved = i64::try_from(cut * picos / 1_000).ok()?;
    let bound_nanos = bound.checked_sub(saved).filter(|bound| *bound >= 0)?;
    (left >= clamp.min_output_tokens.max(1)).then(|| Request {
        max_output_tokens: left,
        bound_nanos: Some(bound_nanos),
        ..request.clone()
    })
}

fn units(gate: &Gate, reservation: &Reservation) -> u64 {
    if gate.counts_tokens() {
        reservation.tokens()
    } else {
        1
    }
}

/// `numbers` are the limit, what remains of it, and what is needed.
fn refused(reason: Reason, retry_after_ms: Option<i64>, numbers: (i64, i64, i64)) -> Refused {
    let (limit, remaining, needed) = numbers;
    Refused {
        reason,
        retry_after_ms,
        limit,
        remaining,
        needed,
        standing: Standing::default(),
    }
}

fn too_large(gates: &[Gate], reservation: &Reservation) -> Option<Refused> {
    let tokens = reservation.tokens();
    let mut gates = gates.iter().filter(|gate| gate.counts_tokens());
    let limit = gates
        .find(|gate| tokens > gate.rate.0)?
        .rate
        .0
        .cast_signed();
    let numbers = (limit, limit, tokens.cast_signed());
    Some(refused(Reason::TooLarge, None, numbers))
}

fn unpriced(request: &Request, budgets: &[BudgetState]) -> Option<Refused> {
    let blind = request.bound_nanos.is_none() && !budgets.is_empty();
    blind.then(|| refused(Reason::Unpriced, None, (0, 0, 0)))
}

fn over_budget(request: &Request, budgets: &[BudgetState], now_ms: i64) -> Option<Refused> {
    let bound = request.bound_nanos?;
    let over = |budget: &&BudgetState| {
        budget
            .caps
            .hard
            .is_some_and(|cap| budget.used().saturating_add(bound) > cap)
    };
    let over = || budgets.iter().filter(over);
    let tightest = over().min_by_key(|budget| budget.remaining())?;
    let fits_later = over().all(|budget| budget.caps.hard.is_some_and(|cap| bound <= cap));
    let opens = over().map(|budget| budget.ends_ms - now_ms).max();
    let numbers = (
        tightest.caps.hard.unwrap_or(0),
        tightest.remaining().unwrap_or(0),
        bound,
    );
    Some(refused(
        Reason::Budget,
        opens.filter(|_| fits_later),
        numbers,
    ))
}

fn too_fast(gates: &[Gate], reservation: &Reservation, now_ms: i64) -> Option<Refused> {
    let wait = |gate: &Gate| {
        gate.rate
            .wait_ms(gate.tat.tat_us, units(gate, reservation), now_ms)
    };
    let (wait_ms, gate) = gates
        .iter()
        .filter_map(|gate| Some((wait(gate)?, gate)))
        .max_by_key(|(wait_ms, _)| *wait_ms)
        .filter(|(wait_ms, _)| *wait_ms > 0)?;
    let reason = if gate.counts_tokens() {
        Reason::TokensPerMinute
    } else {
        Reason::RequestsPerMinute
    };
    let state = gate.state(now_ms);
    let numbers = (
        state.limit.cast_signed(),
        state.remaining.cast_signed(),
        units(gate, reservation).cast_signed(),
    );
    Some(refused(reason, Some(wait_ms), numbers))
}
