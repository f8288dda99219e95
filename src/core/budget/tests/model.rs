//! What an account must be, said the plain way: a list of calls, summed anew each time.

use std::collections::BTreeMap;

use super::super::types::{
    Actual, Admission, Admitted, Caps, Charge, Limits, Period, Reason, Refused, Request, Spending,
};
use super::{FakeZones, MINUTE};
use crate::ports::TimeZones;

pub struct Call {
    pub asked: Request,
    /// With the bounds that were granted.
    pub granted: Request,
    pub admitted_ms: i64,
    pub sent: bool,
    pub end: Option<(Charge, bool)>,
    /// Off the file.
    pub forgotten: bool,
}

impl Call {
    pub fn held(&self) -> bool {
        self.end.is_none()
    }

    pub fn expires_ms(&self) -> i64 {
        self.admitted_ms + self.asked.ttl_ms
    }

    fn spending(&self) -> Spending {
        let mut spending = Spending::default();
        match self.end {
            None => spending.reserved = self.granted.bound_nanos.unwrap_or(0),
            Some((Charge::Exact(nanos), _)) => spending.spent = nanos,
            Some((Charge::Estimated(nanos), _)) => {
                spending.spent = nanos;
                spending.estimated = nanos;
            }
            Some(_) => (),
        }
        spending
    }

    fn tokens(&self) -> u64 {
        self.granted.input_tokens + self.granted.max_output_tokens
    }
}

#[derive(Default)]
pub struct Model {
    pub calls: Vec<Call>,
    pub zone: Option<&'static str>,
    pub caps: BTreeMap<(Option<String>, Period), Caps>,
    pub limits: Limits,
    /// The clock went back, or limits changed: what rates allow is no longer plain.
    pub rates_blurred: bool,
}

impl Model {
    pub fn find(&mut self, id: &str) -> Option<&mut Call> {
        let mut calls = self.calls.iter_mut();
        calls.find(|call| !call.forgotten && call.asked.request_id == id)
    }

    /// Sums over all calls of a holder that `counts`.
    pub fn spending(&self, holder: Option<&str>, counts: impl Fn(&Call) -> bool) -> Spending {
        let mut sum = Spending::default();
        for call in &self.calls {
            let mine = holder.is_none() || call.asked.key_id.as_deref() == holder;
            if mine && counts(call) {
                let spending = call.spending();
                sum.spent += spending.spent;
                sum.reserved += spending.reserved;
                sum.estimated += spending.estimated;
            }
        }
        sum
    }

    /// The first of those that are due expires.
    pub fn expire_first(&mut self, now_ms: i64) -> bool {
        let held = self.calls.iter_mut().filter(|call| call.held());
        let due = held.filter(|call| call.expires_ms() <= now_ms);
        let first = due.min_by_key(|call| (call.expires_ms(), call.asked.request_id.clone()));
        let Some(call) = first else { return false };
        let charge = match call.granted.bound_nanos {
            _ if !call.sent => Charge::Released,
            Some(bound) => Charge::Estimated(bound),
            None => Charge::Unpriced,
        };
        call.end = Some((charge, true));
        true
    }

    /// Whether that had been done before.
    pub fn settle(&mut self, id: &str, actual: Actual) -> bool {
        let mut calls = self.calls.iter_mut();
        let call = calls.find(|call| !call.forgotten && call.asked.request_id == id);
        let call = call.unwrap();
        let replayed = call.end.is_some_and(|(_, expired)| !expired);
        if !replayed {
            let charge = match (actual.charge, call.granted.bound_nanos) {
                (Charge::Unpriced, Some(bound)) => Charge::Estimated(bound),
                (charge, _) => charge,
            };
            // Given back at its expiry, its tokens are taken now.
            self.rates_blurred |= call.end == Some((Charge::Released, true));
            call.end = Some((charge, false));
        }
        replayed
    }

    /// Checks an answer to a request that is not on file, and notes it.
    pub fn answered(&mut self, request: &Request, admission: &Admission, now_ms: i64) {
        match admission {
            Admission::Admitted(admitted) => self.admitted(request, admitted, now_ms),
            Admission::Refused(refused) => self.refused(request, refused, now_ms),
        }
    }

    pub fn admitted(&mut self, request: &Request, admitted: &Admitted, now_ms: i64) {
        assert!(!admitted.replayed);
        let granted = Request {
            max_output_tokens: admitted.max_output_tokens,
            bound_nanos: admitted.bound_nanos,
            ..request.clone()
        };
        assert!(self.concurrent_room());
        if granted != *request {
            assert!(granted.max_output_tokens < request.max_output_tokens);
            assert!(granted.max_output_tokens >= request.clamp.unwrap().min_output_tokens);
            assert!(
                !self.fits(request, request.bound_nanos.unwrap(), now_ms),
                "cut needlessly"
            );
        }
        match granted.bound_nanos {
            Some(bound) => assert!(self.fits(request, bound, now_ms), "over the cap"),
            None => assert!(!self.has_budget(request), "unpriced under a budget"),
        }
        self.calls.push(Call {
            asked: request.clone(),
            granted,
            admitted_ms: now_ms,
            sent: request.sent,
            end: None,
            forgotten: false,
        });
        let limit = self.limits.requests_per_minute.unwrap();
        let twice = usize::try_from(limit).unwrap() * 2;
        assert!(self.rates_blurred || self.last_minute(now_ms).count() <= twice);
    }

    fn refused(&self, request: &Request, refused: &Refused, now_ms: i64) {
        let tokens = request.input_tokens + request.max_output_tokens;
        let token_limit = self.limits.tokens_per_minute["*"];
        match refused.reason {
            Reason::TooLarge => assert!(tokens > token_limit),
            Reason::Unpriced => {
                assert!(request.bound_nanos.is_none() && self.has_budget(request));
            }
            Reason::Budget => {
                let least = least_bound(request);
                assert!(
                    !self.fits(request, least, now_ms),
                    "refused though {least} fits"
                );
                assert!(refused.remaining < refused.needed && refused.remaining <= refused.limit);
            }
            Reason::Concurrency => assert!(!self.concurrent_room()),
            Reason::RequestsPerMinute => {
                let limit = self.limits.requests_per_minute.unwrap();
                let made = self.last_minute(now_ms).count() as u64;
                assert!(
                    self.rates_blurred || made >= limit,
                    "{made} of {limit} a minute"
                );
                assert!(
                    refused
                        .retry_after_ms
                        .is_some_and(|wait| (1..=MINUTE).contains(&wait))
                );
            }
            Reason::TokensPerMinute => {
                let taken: u64 = self.last_minute(now_ms).map(Call::tokens).sum();
                assert!(self.rates_blurred || taken + tokens > token_limit);
            }
            Reason::Finished => panic!("it was never admitted"),
        }
    }

    fn last_minute(&self, now_ms: i64) -> impl Iterator<Item = &Call> {
        let calls = self.calls.iter();
        calls.filter(move |call| (now_ms - MINUTE..=now_ms).contains(&call.admitted_ms))
    }

    fn concurrent_room(&self) -> bool {
        let held = self.calls.iter().filter(|call| call.held()).count() as u64;
        held < self.limits.concurrent.unwrap()
    }

    fn budgets(&self, request: &Request) -> impl Iterator<Item = (&Option<String>, Period, Caps)> {
        let caps = self
            .caps
            .iter()
            .map(|((holder, period), caps)| (holder, *period, *caps));
        caps.filter(|(holder, _, caps)| {
            (holder.is_none() || **holder == request.key_id) && *caps != Caps::default()
        })
    }

    fn has_budget(&self, request: &Request) -> bool {
        self.budgets(request).next().is_some()
    }

    /// Whether `bound` more stays within every hard cap at this instant.
    fn fits(&self, request: &Request, bound: i64, now_ms: i64) -> bool {
        let now = self.local_date(now_ms);
        self.budgets(request).all(|(holder, period, caps)| {
            let used = self.spending(holder.as_deref(), |call| {
                let then = self.local_date(call.admitted_ms);
                match period {
                    Period::Day => then == now,
                    Period::Month => then[..7] == now[..7],
                }
            });
            caps.hard
                .is_none_or(|cap| used.spent + used.reserved + bound <= cap)
        })
    }

    /// `2026-11-21` in the user's zone.
    fn local_date(&self, at_ms: i64) -> String {
        let offset = FakeZones
            .offset_ms(self.zone.unwrap_or("UTC"), at_ms)
            .unwrap();
        crate::time::to_rfc3339(at_ms + offset)[..10].to_owned()
    }
}

/// What the request costs if it is cut as far as it allows.
fn least_bound(request: &Request) -> i64 {
    let bound = request.bound_nanos.unwrap();
    let Some(clamp) = request.clamp else {
        return bound;
    };
    let cut = request
        .max_output_tokens
        .saturating_sub(clamp.min_output_tokens);
    bound - i64::try_from(cut * clamp.output_picos / 1_000).unwrap()
}
