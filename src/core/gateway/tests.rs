use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;

use async_trait::async_trait;
use serde_json::{from_value, json};

use super::{Gateway, GatewayError, Live, Order, Outcome, OwnKeys, Routes};
use crate::analytics::EventCost;
use crate::budget::{
    Account, Actual, Admission, BudgetError, Caps, CapsChange, Charge, Limits, Period, Request,
    Settled, Shield, SqlStore, State, UserLedger, UserLedgerError,
};
use crate::llm::scripted::{
    JumpClock, Piece, START_MS, ScriptedHttp, Step, answer_json, client, pieces, provider, reply,
    stream_text,
};
use crate::llm::{self, Delta, Dialect, Stop, Target};
use crate::ports::{Clock, Database, HttpError, Log};
use crate::secret::Secret;
use crate::sql::{Row, SqliteDatabase, Statement};
use crate::testing::{BundledZones, FakeLog, block_on};
use crate::usage::PriceTable;

/// One user's account, in this process.
pub(crate) struct LocalLedger {
    store: SqlStore<SqliteDatabase>,
    clock: JumpClock,
    pub down: Cell<bool>,
}

impl LocalLedger {
    pub fn new(clock: &JumpClock) -> Self {
        Self {
            store: SqlStore::open(SqliteDatabase::empty()).unwrap(),
            clock: clock.clone(),
            down: Cell::default(),
        }
    }

    pub fn verbs<T>(&self, verbs: impl FnOnce(&Account<'_>, i64) -> T) -> T {
        let defaults = Limits::standard();
        let account = Account {
            store: &self.store,
            zones: &BundledZones,
            defaults: &defaults,
        };
        verbs(&account, self.clock.now_ms())
    }

    pub fn cap(&self, hard: i64) {
        let caps = Caps {
            soft: None,
            hard: Some(hard),
        };
        self.verbs(|account, now| account.set_budget(None, Period::Day, caps, now))
            .unwrap();
    }

    pub fn state(&self) -> State {
        self.verbs(|account, now| account.state(None, now)).unwrap()
    }

    fn reached<T>(
        &self,
        verbs: impl FnOnce(&Account<'_>, i64) -> Result<T, BudgetError>,
    ) -> Result<T, UserLedgerError> {
        if self.down.get() {
            return Err(UserLedgerError::Unavailable("down".to_owned()));
        }
        self.verbs(verbs).map_err(|error| UserLedgerError::Refused {
            code: error.code().to_owned(),
            message: error.to_string(),
        })
    }
}

#[async_trait(?Send)]
impl UserLedger for LocalLedger {
    async fn admit(&self, _user: &str, request: &Request) -> Result<Admission, UserLedgerError> {
        self.reached(|account, now| account.admit(request, now))
    }

    async fn sent(&self, _user: &str, id: &str) -> Result<(), UserLedgerError> {
        self.reached(|account, now| account.sent(id, now))
    }

    async fn settle(
        &self,
        _user: &str,
        id: &str,
        actual: Actual,
    ) -> Result<Settled, UserLedgerError> {
        self.reached(|account, now| account.settle(id, actual, now))
    }

    async fn set_budget(
        &self,
        _user: &str,
        key: Option<&str>,
        period: Period,
        caps: CapsChange,
    ) -> Result<(), UserLedgerError> {
        self.reached(|account, now| account.set_budget(key, period, caps, now))
    }

    async fn set_limits(
        &self,
        _user: &str,
        key: Option<&str>,
        limits: Limits,
    ) -> Result<(), UserLedgerError> {
        self.reached(|account, now| account.set_limits(key, limits, now))
    }

    async fn set_zone(&self, _user: &str, zone: &str) -> Result<(), UserLedgerError> {
        self.reached(|account, now| account.set_zone(zone, now))
    }

    async fn state(&self, _user: &str, key: Option<&str>) -> Result<State, UserLedgerError> {
        self.reached(|account, now| account.state(key, now))
    }
}

/// Lets everybody pass.
struct Open;

#[async_trait(?Send)]
impl Shield for Open {
    async fn passes(&self, _key_id: &str) -> bool {
        true
    }
}

/// What a user has deposited.
struct OwnKey(Option<Result<&'static str, &'static str>>);

#[async_trait(?Send)]
impl OwnKeys for OwnKey {
    async fn key(&self, _user_id: &str, _provider: &str) -> Result<Option<Secret>, String> {
        let key = self.0.transpose().map_err(str::to_owned)?;
        Ok(key.map(Secret::new))
    }
}

/// One that asks `http`, keeps accounts of its own and writes its books to `database`.
pub(crate) fn over(
    clock: &JumpClock,
    http: &Rc<ScriptedHttp>,
    database: &Rc<dyn Database>,
    log: &Rc<dyn Log>,
) -> (Gateway, Rc<LocalLedger>) {
    let ledger = Rc::new(LocalLedger::new(clock));
    let gateway = Gateway {
        models: Rc::new(client(clock, http)),
        routes: Rc::new(Routes {
            providers: vec![
                provider(Dialect::ChatCompletions),
                provider(Dialect::AnthropicMessages),
            ],
            fallbacks: BTreeMap::new(),
        }),
        prices: Rc::new(PriceTable::built_in().unwrap()),
        shield: Rc::new(Open),
        own_keys: Rc::new(OwnKey(None)),
        ledger: Rc::clone(&ledger) as Rc<dyn UserLedger>,
        database: Rc::clone(database),
        clock: Rc::new(clock.clone()),
        log: Rc::clone(log),
        limits: llm::Limits::default(),
    };
    (gateway, ledger)
}

struct World {
    clock: JumpClock,
    http: Rc<ScriptedHttp>,
    ledger: Rc<LocalLedger>,
    database: Rc<SqliteDatabase>,
    log: Rc<FakeLog>,
    gateway: Gateway,
}

impl World {
    fn new(steps: Vec<Step>) -> Self {
        Self::with_fallbacks(steps, &[])
    }

    fn with_fallbacks(steps: Vec<Step>, after_gpt_4: &[&str]) -> Self {
        let clock = JumpClock::at(START_MS);
        let http = ScriptedHttp::new(&clock, steps);
        let database = Rc::new(SqliteDatabase::with_schema());
        let log = Rc::new(FakeLog::default());
        let (db, told) = (Rc::clone(&database) as _, Rc::clone(&log) as _);
        let (mut gateway, ledger) = over(&clock, &http, &db, &told);
        let fallbacks = after_gpt_4
            .iter()
            .map(|model| (*model).to_owned())
            .collect();
        gateway.routes = Rc::new(Routes {
            providers: gateway.routes.providers.clone(),
            fallbacks: BTreeMap::from([("gpt-4".to_owned(), fallbacks)]),
        });
        Self {
            clock,
            http,
            ledger,
            database,
            log,
            gateway,
        }
    }

    /// Made, settled and on the books.
    fn call(&self, order: &Order) -> Outcome {
        self.clock.run(async {
            let outcome = self.gateway.serve(order, None).await;
            self.close(order, &outcome).await;
            outcome
        })
    }

    fn stream(&self, order: &Order, stop: &Stop) -> (Outcome, String) {
        let mut text = String::new();
        let outcome = self.clock.run(async {
            let mut on_delta = |delta: &Delta| text.push_str(delta.said().unwrap_or_default());
            let live = Live {
                stop,
                on_delta: &mut on_delta,
            };
            let outcome = self.gateway.serve(order, Some(live)).await;
            self.close(order, &outcome).await;
            outcome
        });
        (outcome, text)
    }

    async fn close(&self, order: &Order, outcome: &Outcome) {
        self.gateway.settle(order, outcome.actual).await;
        self.gateway.record(&outcome.events).await;
    }

    fn spent(&self) -> (i64, i64) {
        let budget = self.ledger.state().standing.budgets.remove(0);
        (budget.spending.spent, budget.spending.reserved)
    }

    fn booked(&self) -> Vec<(String, Option<i64>, String)> {
        let sql = "SELECT model, cost_nanos, cost_status FROM usage_events ORDER BY id";
        let outcome = block_on(self.database.run(Statement::new(sql))).unwrap();
        let row = |row: &Row| {
            let nanos = row.opt_int("cost_nanos").unwrap();
            (
                row.text("model").unwrap(),
                nanos,
                row.text("cost_status").unwrap(),
            )
        };
        outcome.rows.iter().map(row).collect()
    }
}

fn order(id: &str) -> Order {
    Order {
        id: id.to_owned(),
        user_id: "u-1".to_owned(),
        key_id: Some("k-1".to_owned()),
        session_id: None,
        case_id: None,
        request: from_value(json!({
            "model": "gpt-4", "max_tokens": 100,
            "messages": [{"role": "user", "content": "What is a tort?"}],
        }))
        .unwrap(),
    }
}

/// 9 tokens at $30 and 3 at $60 a million.
const COST: i64 = 9 * 30_000 + 3 * 60_000;
/// 47 bytes of prompt and 100 tokens of answer at the same prices.
const BOUND: i64 = 47 * 30_000 + 100 * 60_000;

#[test]
fn a_call_is_reserved_settled_to_the_nano_dollar_and_on_the_books() {
    let world = World::new(vec![reply(200, &answer_json("A wrong."))]);
    world.ledger.cap(1_000_000_000);
    let served = world.call(&order("c-1")).result.unwrap();
    assert_eq!(served.answer.choice.text, "A wrong.");
    assert_eq!(served.cost.nanos(), Some(COST));
    let reserved = served.standing.budgets[0].spending.reserved;
    assert_eq!(reserved, BOUND);
    assert_eq!(world.spent(), (COST, 0));
    let row = ("gpt-4-0613".to_owned(), Some(COST), "priced".to_owned());
    assert_eq!(world.booked(), [row]);
    assert_eq!(world.http.body(0)["max_tokens"], 100);
}

#[test]
fn what_the_budget_cannot_pay_for_is_never_sent() {
    let world = World::new(vec![reply(200, &answer_json("x"))]);
    world.ledger.cap(BOUND + COST);
    world.call(&order("c-1")).result.unwrap();
    // Just enough is left for another.
    world.ledger.cap(BOUND + COST - 1);
    let error = world.call(&order("c-2")).result.unwrap_err();
    assert_eq!(error.code(), "BUDGET_EXCEEDED");
    assert!(!error.may_have_billed());
    assert!(error.to_string().contains("the budget of $"), "{error}");
    assert_eq!(world.http.seen.borrow().len(), 1);
    assert_eq!(world.booked().len(), 1);
}

#[test]
fn a_model_without_a_price_is_refused_where_a_budget_applies_and_only_there() {
    let mut unknown = order("c-1");
    unknown.request.model = "house-model".to_owned();
    let world = World::new(vec![reply(
        200,
        &answer_json("x").replace("gpt-4-0613", "house-model"),
    )]);
    let served = world.call(&unknown).result.unwrap();
    assert_eq!(served.cost, EventCost::Unpriced);
    assert_eq!(world.booked()[0].2, "unpriced");
    world.ledger.cap(1_000_000_000);
    unknown.id = "c-2".to_owned();
    let error = world.call(&unknown).result.unwrap_err();
    assert_eq!(error.code(), "MODEL_UNPRICED");
}

#[test]
fn without_the_ledger_nothing_is_sent() {
    let world = World::new(vec![]);
    world.ledger.down.set(true);
    let error = world.call(&order("c-1")).result.unwrap_err();
    assert_eq!(error.code(), "BUDGET_UNAVAILABLE");
    assert!(world.http.seen.borrow().is_empty());
    assert_eq!(world.log.0.borrow()[0].1, "call_not_admitted");
}

#[test]
fn the_same_id_is_the_same_call_and_is_made_once() {
    let world = World::new(vec![reply(200, &answer_json("x"))]);
    world.ledger.cap(1_000_000_000);
    world.call(&order("c-1")).result.unwrap();
    let error = world.call(&order("c-1")).result.unwrap_err();
    assert_eq!(error.code(), "CALL_FINISHED");
    assert_eq!(world.spent(), (COST, 0));
}

#[test]
fn a_refusal_by_the_provider_costs_nothing() {
    let world = World::new(vec![reply(
        400,
        r#"{"error":{"message":"bad","type":"invalid_request_error"}}"#,
    )]);
    world.ledger.cap(1_000_000_000);
    let error = world.call(&order("c-1")).result.unwrap_err();
    assert_eq!(error.code(), "MODEL_INVALID_REQUEST");
    assert_eq!(world.spent(), (0, 0));
    assert_eq!(world.booked()[0].2, "none");
}

#[test]
fn an_answer_that_breaks_off_is_charged_as_an_estimate_that_never_exceeds_its_bound() {
    let broken = vec![
        Piece::Bytes(stream_text().as_bytes()[..120].to_vec()),
        Piece::Break(HttpError::Interrupted("reset".into())),
    ];
    let world = World::new(vec![pieces(200, broken)]);
    world.ledger.cap(1_000_000_000);
    let (outcome, _) = world.stream(&order("c-1"), &Stop::default());
    assert!(outcome.result.is_err());
    let (spent, reserved) = world.spent();
    assert_eq!(reserved, 0);
    assert!((1..=BOUND).contains(&spent), "{spent}");
    assert!(matches!(
        outcome.actual.unwrap().charge,
        Charge::Estimated(_)
    ));
    let booked = world.booked();
    assert_eq!(
        (booked[0].1, booked[0].2.as_str()),
        (Some(spent), "estimated")
    );
}

#[test]
fn a_stream_whose_client_leaves_is_read_to_its_usage_and_charged_exactly() {
    let world = World::new(vec![pieces(
        200,
        vec![Piece::Bytes(stream_text().into_bytes())],
    )]);
    world.ledger.cap(1_000_000_000);
    let stop = Stop::default();
    stop.client_left();
    let (outcome, _) = world.stream(&order("c-1"), &stop);
    assert!(matches!(outcome.actual.unwrap().charge, Charge::Exact(_)));
    assert_eq!(world.booked()[0].2, "priced");
}

#[test]
fn a_fallback_answers_where_the_first_model_is_overloaded_and_each_attempt_is_booked() {
    let overloaded = r#"{"error":{"message":"slow down","type":"rate_limit_exceeded"}}"#;
    let busy = || reply(429, overloaded);
    let steps = vec![
        busy(),
        busy(),
        busy(),
        reply(200, &answer_json("from the other")),
    ];
    let world = World::with_fallbacks(steps, &["gpt-4o-mini"]);
    world.ledger.cap(1_000_000_000);
    let outcome = world.call(&order("c-1"));
    assert_eq!(outcome.result.unwrap().answer.choice.text, "from the other");
    assert_eq!(world.http.body(3)["model"], "gpt-4o-mini");
    let statuses: Vec<_> = world.booked().into_iter().map(|row| row.2).collect();
    assert_eq!(statuses, ["none", "none", "none", "priced"]);
    let last = outcome.events.last().unwrap();
    assert_eq!((last.attempt, last.overhead_ms.is_some()), (4, true));
}

#[test]
fn models_go_to_whoever_serves_them() {
    let world = World::new(vec![]);
    let routes = &world.gateway.routes;
    let served = |model: &str| -> Vec<String> {
        let route = routes.find(model);
        let name = |target: &Target| format!("{}:{}", target.provider.name, target.model);
        route.iter().map(name).collect()
    };
    assert_eq!(served("gpt-4o"), ["openai:gpt-4o"]);
    assert_eq!(served("claude-haiku-4-5"), ["anthropic:claude-haiku-4-5"]);
    assert_eq!(served("anthropic/claude-x"), ["anthropic:claude-x"]);
    assert_eq!(served("meta/llama"), ["openai:meta/llama"]);
    let nobody = Routes::default();
    assert!(nobody.find("gpt-4o").is_empty());
}

#[test]
fn faults_of_the_ledger_at_settling_leave_the_bound_reserved() {
    let world = World::new(vec![reply(200, &answer_json("x"))]);
    world.ledger.cap(1_000_000_000);
    let order = order("c-1");
    world.clock.run(async {
        let outcome = world.gateway.serve(&order, None).await;
        world.ledger.down.set(true);
        world.close(&order, &outcome).await;
    });
    world.ledger.down.set(false);
    assert_eq!(world.spent(), (0, BOUND));
    let lines = world.log.0.borrow();
    assert_eq!(lines[0].1, "call_not_settled");
    // In the end it counts as spent, since it was.
    world.clock.pass(3_600_000);
    let swept = world.ledger.verbs(|account, now| {
        let at = now;
        account.sweep(at)
    });
    swept.unwrap();
    assert_eq!(world.spent(), (BOUND, 0));
    assert!(matches!(outcome_of(&world), GatewayError::Refused(_)));
}

/// Of the same call again.
fn outcome_of(world: &World) -> GatewayError {
    world.call(&order("c-1")).result.unwrap_err()
}

#[test]
fn who_has_a_key_of_their_own_pays_with_it() {
    let mut world = World::new(vec![reply(200, &answer_json("x"))]);
    world.gateway.own_keys = Rc::new(OwnKey(Some(Ok("sk-of-the-user"))));
    world.call(&order("c-1")).result.unwrap();
    let sent = world.http.seen.borrow();
    let authorization = sent[0]
        .headers
        .iter()
        .find(|(name, _)| *name == "authorization");
    assert_eq!(authorization.unwrap().1, "Bearer sk-of-the-user");
}

#[test]
fn a_key_that_cannot_be_opened_is_not_replaced_by_another_ones() {
    let mut world = World::new(vec![]);
    world.gateway.own_keys = Rc::new(OwnKey(Some(Err("sealed under a lost key"))));
    let error = world.call(&order("c-1")).result.unwrap_err();
    assert_eq!(error.code(), "OWN_KEY_UNUSABLE");
    assert!(world.http.seen.borrow().is_empty());
}

#[test]
fn a_limit_that_the_caller_did_not_set_is_sent_only_where_a_budget_needs_it() {
    let world = World::new(vec![reply(200, &answer_json("x")); 2]);
    let mut open = order("c-1");
    open.request.max_tokens = None;
    world.call(&open).result.unwrap();
    assert!(world.http.body(0).get("max_tokens").is_none());
    world.ledger.cap(1_000_000_000_000);
    open.id = "c-2".to_owned();
    world.call(&open).result.unwrap();
    assert_eq!(world.http.body(1)["max_tokens"], 4_096);
}

#[test]
fn a_plain_answer_that_breaks_off_is_charged_as_long_as_it_was_allowed_to_be() {
    let begun = answer_json("x").as_bytes()[..60].to_vec();
    let broken = vec![
        Piece::Bytes(begun),
        Piece::Break(HttpError::Interrupted("reset".into())),
    ];
    let world = World::new(vec![pieces(200, broken)]);
    world.ledger.cap(1_000_000_000);
    world.call(&order("c-1")).result.unwrap_err();
    assert_eq!(world.spent(), (BOUND, 0));
}
