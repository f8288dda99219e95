//! The gateway over a scripted provider, with an account and books of its own.

mod charges;
mod recording;
mod routing;
mod unheard;

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
use crate::testing::{BundledZones, FakeBackground, FakeLog, block_on};
use crate::usage::PriceTable;

/// One user's account, in this process.
pub(crate) struct LocalLedger {
    store: SqlStore<SqliteDatabase>,
    clock: JumpClock,
    pub down: Cell<bool>,
    /// How many replies are lost on their way.
    pub unheard: Cell<u32>,
}

impl LocalLedger {
    pub fn new(clock: &JumpClock) -> Self {
        Self {
            store: SqlStore::open(SqliteDatabase::empty()).unwrap(),
            clock: clock.clone(),
            down: Cell::default(),
            unheard: Cell::default(),
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
        self.caps(None, Some(hard));
    }

    pub fn soft_cap(&self, soft: i64) {
        self.caps(Some(soft), None);
    }

    fn caps(&self, soft: Option<i64>, hard: Option<i64>) {
        let caps = Caps { soft, hard };
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
        let done = self.verbs(verbs);
        if let Some(left) = self.unheard.get().checked_sub(1) {
            self.unheard.set(left);
            return Err(UserLedgerError::Unavailable("unheard".to_owned()));
        }
        done.map_err(|error| UserLedgerError::Refused {
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

    async fn withdraw(&self, _user: &str, request: &Request) -> Result<(), UserLedgerError> {
        self.reached(|account, now| account.withdraw(request, now))
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
        points: None,
        database: Rc::clone(database),
        unwritten: Rc::default(),
        clock: Rc::new(clock.clone()),
        background: Rc::new(FakeBackground::default()),
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
        self.gateway.record(outcome.events.clone()).await;
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
