//! One schedule: its steps, and what each must have done.

use std::cell::Cell;
use std::collections::BTreeSet;

use super::super::settling::Settlement;
use super::super::store::{SLOT_MS, slot_of};
use super::super::types::{
    Actual, Admission, Caps, Charge, Clamp, Limits, Period, Reason, Request,
};
use super::super::{Account, BudgetError, Store};
use super::memory::Fault;
use super::model::{Call, Model};
use super::schedules::Random;
use super::{DAY, FakeZones, HOUR, MINUTE, NOW};

const KEYS: [Option<&str>; 3] = [None, Some("k1"), Some("k2")];

pub struct Run<'a> {
    random: Random,
    store: &'a dyn Store,
    fault: &'a Cell<Option<Fault>>,
    defaults: Limits,
    model: Model,
    now_ms: i64,
    /// Sums before this are forgotten.
    kept_from_ms: i64,
    made: u64,
    pub trace: Vec<String>,
    traced: bool,
    /// What came about.
    pub seen: BTreeSet<&'static str>,
}

impl<'a> Run<'a> {
    /// `fault` makes the store fail.
    pub fn new(
        seed: u64,
        (store, fault): (&'a dyn Store, &'a Cell<Option<Fault>>),
        traced: bool,
    ) -> Self {
        let mut random = Random(seed);
        let limits = Limits {
            requests_per_minute: Some(2 + random.below(30)),
            tokens_per_minute: [("*".to_owned(), 100 + random.below(1_500))].into(),
            concurrent: Some(1 + random.below(8)),
        };
        let model = Model {
            limits: limits.clone(),
            ..Model::default()
        };
        Self {
            random,
            store,
            fault,
            defaults: limits,
            model,
            now_ms: NOW,
            kept_from_ms: i64::MIN,
            made: 0,
            trace: Vec::new(),
            traced,
            seen: BTreeSet::new(),
        }
    }

    fn verb<T: std::fmt::Debug>(
        &mut self,
        verb: impl FnOnce(&Account<'_>) -> Result<T, BudgetError>,
    ) -> Result<T, BudgetError> {
        let outcome = verb(&Account {
            store: self.store,
            zones: &FakeZones,
            defaults: &self.defaults,
        });
        self.fault.set(None);
        if self.traced {
            self.trace.push(format!("{outcome:?}"));
        }
        outcome
    }

    pub fn step(&mut self) {
        let fault = self.random.pick(&[
            None,
            None,
            None,
            None,
            None,
            Some(Fault::Before),
            Some(Fault::After),
        ]);
        self.fault.set(fault);
        match self.random.below(20) {
            0..=6 => self.admit_new(fault),
            7 => self.admit_again(),
            8..=11 => self.settle(fault),
            12 => self.sent(fault),
            13 => self.sweep(fault),
            14 => self.set_budget(fault),
            15 if self.random.one_in(4) => self.set_zone(fault),
            _ => self.pass_time(),
        }
        self.fault.set(None);
        self.check();
    }

    fn pass_time(&mut self) {
        let jump = self
            .random
            .pick(&[0, 50, 3_000, 3_000, MINUTE, HOUR, DAY, 40 * DAY]);
        let jump = self.random.upto(jump);
        if self.random.one_in(12) {
            self.now_ms -= jump.min(DAY);
            self.model.rates_blurred = true;
        } else {
            self.now_ms += jump;
        }
    }

    fn new_request(&mut self) -> Request {
        self.made += 1;
        let random = &mut self.random;
        let (input, output, picos) = (random.below(60), 1 + random.below(90), random.below(3_000));
        let bound = i64::try_from((output * picos).div_ceil(1_000)).unwrap() + random.upto(50);
        Request {
            request_id: format!("r{}", self.made),
            key_id: random.pick(&KEYS).map(str::to_owned),
            family: "gpt-4".to_owned(),
            input_tokens: input,
            max_output_tokens: output,
            bound_nanos: (!random.one_in(10)).then_some(bound),
            clamp: random.one_in(3).then_some(Clamp {
                output_picos: picos,
                min_output_tokens: 1 + random.below(output),
            }),
            ttl_ms: 1_000 + random.upto(2 * MINUTE),
            sent: !random.one_in(3),
            nonce: String::new(),
            booking: random.one_in(2).then(super::booking),
        }
    }

    /// In the same write as what the verb itself changes.
    fn expire(&mut self) {
        while self.model.expire_first(self.now_ms) {}
    }

    fn any_due(&self) -> bool {
        let mut held = self.model.calls.iter().filter(|call| call.held());
        held.any(|call| call.expires_ms() <= self.now_ms)
    }

    fn admit_new(&mut self, fault: Option<Fault>) {
        let request = self.new_request();
        let along = self.random.one_in(2).then(|| self.settlement()).flatten();
        let now_ms = self.now_ms;
        let ask = |account: &Account<'_>| {
            let told = account.settle_and_admit(along.as_slice(), &request, now_ms);
            told.map(|(admission, _)| admission)
        };
        let outcome = self.verb(ask);
        if fault == Some(Fault::Before) && outcome.is_err() {
            return;
        }
        let mut unwritten = !self.any_due();
        if let Some(Settlement { request_id, actual }) = &along {
            unwritten &= self.model.settle(request_id, *actual);
        }
        self.expire();
        let admission = if let Ok(admission) = outcome {
            // Without a write nothing fails.
            let refused = matches!(admission, Admission::Refused(_));
            assert!(fault.is_none() || refused && unwritten);
            admission
        } else {
            // The reply was lost: the same command again learns what was decided.
            let mut admission = self.verb(ask).unwrap();
            if let Admission::Admitted(admitted) = &mut admission {
                self.seen.insert("replayed");
                assert!(std::mem::take(&mut admitted.replayed));
            }
            admission
        };
        self.model.answered(&request, &admission, now_ms);
        self.seen.insert(match admission {
            Admission::Refused(refused) => reason(refused.reason),
            Admission::Admitted(granted)
                if granted.max_output_tokens < request.max_output_tokens =>
            {
                "clamped"
            }
            Admission::Admitted(_) => "admitted",
        });
    }

    fn known(&mut self) -> Option<Request> {
        let known: Vec<_> = self
            .model
            .calls
            .iter()
            .filter(|call| !call.forgotten)
            .collect();
        let place = usize::try_from(self.random.below(known.len().max(1) as u64)).unwrap();
        known.get(place).map(|call| call.asked.clone())
    }

    fn admit_again(&mut self) {
        let Some(request) = self.known() else { return };
        self.fault.set(None);
        let now_ms = self.now_ms;
        let outcome = self
            .verb(|account| account.admit(&request, now_ms))
            .unwrap();
        self.expire();
        let call = self.model.find(&request.request_id).unwrap();
        match outcome {
            Admission::Admitted(admitted) => {
                assert!(admitted.replayed && call.held());
                assert_eq!(admitted.bound_nanos, call.granted.bound_nanos);
                assert_eq!(admitted.max_output_tokens, call.granted.max_output_tokens);
            }
            Admission::Refused(refused) => {
                assert!(refused.reason == Reason::Finished && !call.held());
            }
        }
    }

    fn settle(&mut self, fault: Option<Fault>) {
        let Some(Settlement { request_id, actual }) = self.settlement() else {
            return;
        };
        let now_ms = self.now_ms;
        let settle = |account: &Account<'_>| account.settle(&request_id, actual, now_ms);
        match self.verb(settle) {
            Err(_) if fault == Some(Fault::Before) => return,
            Err(_) => assert!(self.verb(settle).unwrap().replayed),
            Ok(settled) if settled.corrected => {
                self.seen.insert("corrected");
            }
            Ok(_) => (),
        }
        self.model.settle(&request_id, actual);
        let counted = self.verb(settle).unwrap();
        let (charge, expired) = self.model.find(&request_id).unwrap().end.unwrap();
        assert!(counted.replayed && !expired && counted.charge == charge);
    }

    fn settlement(&mut self) -> Option<Settlement> {
        let request = self.known()?;
        let bound = request.bound_nanos.unwrap_or(70);
        let random = &mut self.random;
        let charge = match random.below(10) {
            0..=5 => Charge::Exact(random.upto(bound)),
            6 => Charge::Exact(bound + random.upto(30)),
            7 => Charge::Estimated(random.upto(bound)),
            8 => Charge::Unpriced,
            _ => Charge::Released,
        };
        let tokens = (!random.one_in(4)).then(|| random.below(request.input_tokens + 1));
        Some(Settlement {
            request_id: request.request_id,
            actual: Actual { charge, tokens },
        })
    }

    fn sent(&mut self, fault: Option<Fault>) {
        let Some(request) = self.known() else { return };
        let now_ms = self.now_ms;
        let outcome = self.verb(|account| account.sent(&request.request_id, now_ms));
        let call = self.model.find(&request.request_id).unwrap();
        let live = call.held() && call.expires_ms() > now_ms;
        match outcome {
            Ok(()) => {
                assert!(live);
                call.sent = true;
            }
            Err(BudgetError::Ended(_)) => {
                assert!(!live);
                self.seen.insert("ended");
            }
            Err(_) => call.sent |= fault == Some(Fault::After),
        }
    }

    fn sweep(&mut self, fault: Option<Fault>) {
        let now_ms = self.now_ms;
        let outcome = self.verb(|account| account.sweep(now_ms));
        if self.failed(&outcome.map(drop), fault) {
            return;
        }
        self.kept_from_ms = self.kept_from_ms.max(now_ms - 33 * DAY - 15 * MINUTE);
        for call in self.model.calls.iter_mut().filter(|call| !call.held()) {
            let on_file = self.store.known(&call.asked.request_id).unwrap();
            call.forgotten = on_file.is_none();
        }
    }

    fn set_budget(&mut self, fault: Option<Fault>) {
        let random = &mut self.random;
        let holder = random.pick(&KEYS);
        let period = random.pick(&[Period::Day, Period::Month]);
        let mut cap = || (!random.one_in(4)).then(|| random.upto(600));
        let caps = Caps {
            soft: cap(),
            hard: cap(),
        };
        let now_ms = self.now_ms;
        let outcome = self.verb(|account| account.set_budget(holder, period, caps, now_ms));
        if self.failed(&outcome, fault) {
            return;
        }
        self.model
            .caps
            .insert((holder.map(str::to_owned), period), caps);
    }

    fn set_zone(&mut self, fault: Option<Fault>) {
        let zone = self.random.pick(&["UTC", "India", "Back", "Forward"]);
        let now_ms = self.now_ms;
        let outcome = self.verb(|account| account.set_zone(zone, now_ms));
        if self.failed(&outcome, fault) {
            return;
        }
        self.model.zone = Some(zone);
    }

    /// Whether a verb that always writes has not; else it ended what was due, heard or not.
    fn failed(&mut self, outcome: &Result<(), BudgetError>, fault: Option<Fault>) -> bool {
        assert_eq!(outcome.is_err(), fault.is_some());
        let failed = fault == Some(Fault::Before);
        if !failed {
            self.expire();
        }
        failed
    }

    /// The sums of every holder are those of the calls.
    fn check(&mut self) {
        let from = slot_of(self.kept_from_ms.max(0) + SLOT_MS - 1);
        let spans = KEYS.map(|key| (key.map(str::to_owned), from, i64::MAX));
        let sums = self.store.spending(&spans).unwrap();
        for (key, sum) in KEYS.into_iter().zip(sums) {
            let counted = self.model.spending(key, |call| call.admitted_ms >= from);
            assert_eq!(sum, counted, "{key:?}");
        }
        if self.traced {
            let held = self.store.due(i64::MAX).unwrap();
            let rest = (self.store.next_due_ms(), self.store.unreported(1_000));
            self.trace.push(format!("{held:?} {rest:?}"));
        }
    }

    /// When all is over nothing is held, and what was spent is the sum of what calls cost.
    pub fn end(&mut self) {
        let last = self.model.calls.iter().map(Call::expires_ms).max();
        self.now_ms = self.now_ms.max(last.unwrap_or(0));
        self.fault.set(None);
        self.sweep(None);
        self.check();
        let rest = self.model.spending(None, |_| true);
        assert_eq!(rest.reserved, 0);
        let now_ms = self.now_ms;
        let state = self.verb(|account| account.state(None, now_ms)).unwrap();
        assert_eq!(state.held, 0);
        assert!(
            state
                .standing
                .budgets
                .iter()
                .all(|budget| budget.spending.reserved == 0)
        );
    }
}

fn reason(reason: Reason) -> &'static str {
    match reason {
        Reason::TooLarge => "too large",
        Reason::Unpriced => "unpriced",
        Reason::Budget => "budget",
        Reason::Concurrency => "concurrency",
        Reason::RequestsPerMinute => "requests",
        Reason::TokensPerMinute => "tokens",
        Reason::Finished => "finished",
    }
}
