use std::rc::Rc;

use serde_json::json;

use super::books::{self, Books, Bounds};
use super::bound::{input_bytes, is_bounded, output_tokens, typical_input_tokens};
use super::own_keys::{self, OwnKeys};
use super::{GatewayError, Routes, Unwritten};
use crate::analytics::{DataPoint, DataPoints, EventCost, UsageEvent};
use crate::budget::{
    Actual, Admission, Admitted, Booking, Refused, Request, Shield, Standing, UserLedger,
    UserLedgerError, family_of,
};
use crate::ids;
use crate::llm::{
    Attempt, Delta, Limits, ModelAnswer, ModelError, ModelRequest, Models, Stop, Target,
};
use crate::ports::{Background, Clock, Database, Level, Log};
use crate::usage::{PriceKey, PriceTable};

/// A reservation outlives the call that it is for by this.
const SETTLING_MS: u64 = 60_000;
/// When an admission that may have been made unheard is withdrawn, each after the one before.
const WITHDRAWN_AFTER_MS: [u64; 3] = [0, 2_000, 8_000];

/// Model calls on behalf of one request.
#[derive(Clone)]
pub struct Gateway {
    pub models: Rc<Models>,
    pub routes: Rc<Routes>,
    pub prices: Rc<PriceTable>,
    pub shield: Rc<dyn Shield>,
    pub own_keys: Rc<dyn OwnKeys>,
    pub ledger: Rc<dyn UserLedger>,
    /// Where dashboards read, if there are any.
    pub points: Option<Rc<dyn DataPoints>>,
    pub database: Rc<dyn Database>,
    pub unwritten: Rc<Unwritten>,
    pub clock: Rc<dyn Clock>,
    pub background: Rc<dyn Background>,
    pub log: Rc<dyn Log>,
    pub limits: Limits,
}

/// A call, and whose it is.
#[derive(Debug, Clone)]
pub struct Order {
    /// The same id is the same call: it is made once.
    pub id: String,
    pub user_id: String,
    /// The caller's key; its budgets and limits hold beside the user's.
    pub key_id: Option<String>,
    pub session_id: Option<String>,
    pub case_id: Option<String>,
    pub request: ModelRequest,
}

/// Whoever listens to a stream.
pub struct Live<'a> {
    pub stop: &'a Stop,
    pub on_delta: &'a mut dyn FnMut(&Delta),
}

/// A call that is admitted.
pub struct Entry {
    started_ms: i64,
    route: Vec<Target>,
    bounds: Bounds,
    admitted: Admitted,
}

impl Entry {
    /// What is left of the caller's limits and budgets, this call counted.
    pub fn standing(&self) -> &Standing {
        &self.admitted.standing
    }

    /// Who is to be asked first, and for which model.
    pub fn target(&self) -> Option<&Target> {
        self.route.first()
    }
}

/// What became of a call.
#[derive(Debug)]
pub struct Outcome {
    pub result: Result<Served, GatewayError>,
    /// To be written by the caller, with what it keeps itself.
    pub events: Vec<UsageEvent>,
    /// For [`Gateway::settle`]. None where nothing was reserved.
    pub actual: Option<Actual>,
}

impl Outcome {
    /// Of a call that was never sent.
    pub fn refused(error: GatewayError) -> Self {
        Self {
            result: Err(error),
            events: Vec::new(),
            actual: None,
        }
    }
}

#[derive(Debug)]
pub struct Served {
    pub answer: ModelAnswer,
    /// Of the attempt that answered.
    pub cost: EventCost,
    /// Why there is no price, where there is none.
    pub cost_note: Option<String>,
}

impl Gateway {
    /// Makes the call. `live` hears it speak. Whoever waits for the answer can have it before
    /// the call is settled.
    pub async fn serve(&self, order: &Order, live: Option<Live<'_>>) -> Outcome {
        match self.admit(order).await {
            Ok(entry) => self.ask(order, entry, live).await,
            Err(error) => Outcome::refused(error),
        }
    }

    /// Reserves what the call can cost. Whoever is admitted must [`Gateway::ask`].
    pub async fn admit(&self, order: &Order) -> Result<Entry, GatewayError> {
        let started_ms = self.clock.now_ms();
        let route = self.routes.find(&order.request.model);
        if route.is_empty() {
            let model = order.request.model.clone();
            return Err(GatewayError::UnknownModel(model));
        }
        let holder = order.key_id.as_ref().unwrap_or(&order.user_id);
        if !self.shield.passes(holder).await {
            return Err(GatewayError::Flood);
        }
        let route = own_keys::apply(&*self.own_keys, &order.user_id, route).await?;
        let bounds = self.bounds(order, &route, started_ms);
        let admitted = self.reserve(order, &route, bounds).await?;
        Ok(Entry {
            started_ms,
            route,
            bounds,
            admitted,
        })
    }

    /// Makes a call that is admitted.
    pub async fn ask(&self, order: &Order, entry: Entry, live: Option<Live<'_>>) -> Outcome {
        let request = within(&order.request, &entry.admitted);
        let (models, route) = (&self.models, &entry.route);
        let called = match live {
            None => models.complete(&request, route, self.limits).await,
            Some(Live { stop, on_delta }) => {
                let stream = models.stream(&request, route, self.limits, stop, on_delta);
                stream.await
            }
        };
        let (events, cost_note) = self.book(order, &entry, &called.attempts);
        outcome(called.result, events, cost_note)
    }

    /// What the books have of an admitted call that was made elsewhere. For
    /// [`Gateway::settle`], and to be written.
    pub fn made_elsewhere(
        &self,
        order: &Order,
        entry: &Entry,
        attempts: &[Attempt],
    ) -> (Vec<UsageEvent>, Actual) {
        let (events, _) = self.book(order, entry, attempts);
        let actual = books::actual(&events);
        (events, actual)
    }

    fn book(
        &self,
        order: &Order,
        entry: &Entry,
        attempts: &[Attempt],
    ) -> (Vec<UsageEvent>, Option<String>) {
        let books = Books {
            prices: &self.prices,
            order,
            bounds: entry.bounds,
            elapsed_ms: self.clock.now_ms() - entry.started_ms,
        };
        let (events, cost_note) = books.events(attempts);
        if let Some(points) = &self.points {
            let told = events.iter().map(DataPoint::from);
            told.for_each(|point| points.write(&point));
        }
        (events, cost_note)
    }

    /// After so long a call has ended, or whoever made it is no more.
    pub fn lasts_ms(&self) -> i64 {
        let ms = self.limits.total_ms.saturating_add(SETTLING_MS);
        i64::try_from(ms).unwrap_or(i64::MAX)
    }

    fn bounds(&self, order: &Order, route: &[Target], at_ms: i64) -> Bounds {
        let input_tokens = input_bytes(&order.request);
        let output_tokens = output_tokens(&order.request);
        let tier = order.request.service_tier.as_deref();
        let bound = |target: &Target| {
            let key = PriceKey {
                provider: &target.provider.name,
                model: &target.model,
                tier: tier.filter(|tier| *tier != "auto"),
                at_ms,
            };
            let bound = self.prices.upper_bound(key, input_tokens, output_tokens);
            bound.ok()
        };
        // One of them is billed, whichever it is.
        let bounds: Option<Vec<i64>> = route.iter().map(bound).collect();
        Bounds {
            input_tokens,
            output_tokens,
            nanos: bounds
                .filter(|_| is_bounded(&order.request))
                .and_then(|bounds| bounds.into_iter().max()),
        }
    }

    async fn reserve(
        &self,
        order: &Order,
        route: &[Target],
        bounds: Bounds,
    ) -> Result<Admitted, GatewayError> {
        // As it is asked, not as the caller spells it.
        let first = route.first();
        let model = first.map_or(&order.request.model, |first| &first.model);
        let nonce = ids::plain(&*self.clock, &*self.models.entropy);
        let nonce = nonce.map_err(|error| UserLedgerError::Unavailable(error.to_string()))?;
        let request = Request {
            request_id: order.id.clone(),
            key_id: order.key_id.clone(),
            family: family_of(model).to_owned(),
            input_tokens: typical_input_tokens(&order.request),
            max_output_tokens: bounds.output_tokens,
            bound_nanos: bounds.nanos,
            clamp: None,
            ttl_ms: self.lasts_ms(),
            sent: true,
            nonce,
            booking: Some(Booking {
                user_id: order.user_id.clone(),
                session_id: order.session_id.clone(),
                case_id: order.case_id.clone(),
                provider: first.map_or_else(String::new, |first| first.provider.name.clone()),
                model: model.clone(),
                service_tier: order.request.service_tier.clone(),
            }),
        };
        match self.ledger.admit(&order.user_id, &request).await {
            Ok(Admission::Admitted(admitted)) if !admitted.replayed => Ok(admitted),
            Ok(Admission::Admitted(admitted)) => Err(in_hand(admitted)),
            Ok(Admission::Refused(refused)) => Err(GatewayError::Refused(Box::new(refused))),
            Err(error) => {
                let fields = json!({ "call": order.id, "cause": error.to_string() });
                self.log.record(Level::Error, "call_not_admitted", fields);
                if matches!(error, UserLedgerError::Unavailable(_)) {
                    self.withdraw(&order.user_id, request);
                }
                Err(GatewayError::Ledger(error))
            }
        }
    }

    /// It may be admitted, unheard: the call is not made, so what it holds is free again soon.
    fn withdraw(&self, user_id: &str, request: Request) {
        let (ledger, clock) = (Rc::clone(&self.ledger), Rc::clone(&self.clock));
        let (log, user_id) = (Rc::clone(&self.log), user_id.to_owned());
        self.background.spawn(Box::pin(async move {
            for wait_ms in WITHDRAWN_AFTER_MS {
                clock.sleep(wait_ms).await;
                if ledger.withdraw(&user_id, &request).await.is_ok() {
                    return;
                }
            }
            let fields = json!({ "call": request.request_id });
            log.record(Level::Warn, "admission_not_withdrawn", fields);
        }));
    }

    /// Ends the reservation. A settlement that is lost leaves it to end by itself, at its
    /// bound.
    pub async fn settle(&self, order: &Order, actual: Option<Actual>) {
        let Some(actual) = actual else {
            return;
        };
        let (user, id) = (&order.user_id, &order.id);
        if let Err(error) = self.ledger.settle(user, id, actual).await {
            let fields = json!({ "call": id, "charge": actual, "cause": error.to_string() });
            self.log.record(Level::Error, "call_not_settled", fields);
        }
    }
}

/// Whoever was admitted under this id before has made the call, or makes it now.
fn in_hand(admitted: Admitted) -> GatewayError {
    GatewayError::Refused(Box::new(Refused {
        reason: crate::budget::Reason::Finished,
        retry_after_ms: None,
        limit: 1,
        remaining: 0,
        needed: 1,
        standing: admitted.standing,
    }))
}

/// The request, with the limit that was reserved for where a budget depends on it.
fn within(request: &ModelRequest, admitted: &Admitted) -> ModelRequest {
    let mut budgets = admitted.standing.budgets.iter();
    let capped = budgets.any(|budget| budget.caps.hard.is_some());
    if request.max_tokens.is_none() && !capped {
        return request.clone();
    }
    let choices = u64::from(request.choices());
    let one = u32::try_from(admitted.max_output_tokens / choices).unwrap_or(u32::MAX);
    ModelRequest {
        max_tokens: Some(one),
        ..request.clone()
    }
}

fn outcome(
    result: Result<ModelAnswer, ModelError>,
    events: Vec<UsageEvent>,
    cost_note: Option<String>,
) -> Outcome {
    let actual = books::actual(&events);
    let cost = events.last().map(|last| last.cost.clone());
    let served = result.map(|answer| Served {
        answer,
        cost: cost.unwrap_or(EventCost::Unpriced),
        cost_note,
    });
    Outcome {
        result: served.map_err(GatewayError::Model),
        events,
        actual: Some(actual),
    }
}
