use std::cell::{Cell, OnceCell};
use std::panic::RefUnwindSafe;

use chitty_core::analytics::record_cut_off;
use chitty_core::budget::{Account, Limits, Served, SqlStore, serve};
use chitty_core::ports::{Clock, Database, Level, Log};
use chitty_edge::clock::SystemClock;
use chitty_edge::config::{Reader, limits};
use chitty_edge::database::D1;
use chitty_edge::log::ConsoleLog;
use chitty_edge::object_sql::ObjectSql;
use chitty_edge::platform::Fault;
use chitty_edge::zones::SystemZones;
use serde_json::json;
use worker::{DurableObject, Env, Method, Request, Response, Result, State, durable_object};

const MAX_COMMAND: usize = 65_536;
/// When a sweep that failed is tried again.
const RETRY_MS: i64 = 60_000;
/// Calls put on the books in one transaction.
const REPORTED_AT_ONCE: u32 = 25;

/// The one owner of a user's limits and money, named by the user's id. Its alarm ends
/// reservations that nobody settled, tells the books of them and forgets what is old.
#[durable_object]
pub struct UserLedger {
    state: State,
    env: Env,
    /// Of users who have none of their own.
    defaults: Limits,
    store: OnceCell<SqlStore<ObjectSql>>,
    /// When the alarm is known to ring.
    alarm_ms: Cell<Option<i64>>,
}

// What a verb that panicked has left in memory is forgotten by the next one.
impl RefUnwindSafe for UserLedger {}

impl DurableObject for UserLedger {
    fn new(state: State, env: Env) -> Self {
        Self {
            state,
            // The worker itself does not start with limits that cannot be read.
            defaults: limits(&mut Reader::new(&env)),
            env,
            store: OnceCell::new(),
            alarm_ms: Cell::new(None),
        }
    }

    async fn fetch(&self, mut request: Request) -> Result<Response> {
        if request.method() != Method::Post {
            return Response::error("POST a command of an account", 405);
        }
        let body = request.bytes().await?;
        if body.len() > MAX_COMMAND {
            return Response::error("the command is too large", 413);
        }
        let now_ms = SystemClock.now_ms();
        let served = self.with_account(|account| serve(account, &body, now_ms))?;
        // What was decided stands: every admission ends what is over, with or without an alarm.
        if let Err(error) = self.ring_by(&served, now_ms).await {
            let fields = json!({ "cause": error.to_string() });
            console().record(Level::Error, "budget_alarm_not_set", fields);
            self.alarm_ms.set(None);
        }
        if served.status >= 500 {
            console().record(
                Level::Error,
                "budget_failed",
                json!({ "cause": served.body }),
            );
        }
        Ok(Response::ok(served.body)?.with_status(served.status))
    }

    async fn alarm(&self) -> Result<Response> {
        let now_ms = SystemClock.now_ms();
        self.sweep(now_ms)?;
        let reported = self.report().await;
        // Again: calls may have been admitted while that was under way.
        let due_ms = self.sweep(now_ms)?;
        let next_ms = match reported {
            Ok(()) => due_ms,
            Err(error) => {
                let fields = json!({ "cause": error.to_string() });
                console().record(Level::Error, "cut_off_calls_not_reported", fields);
                let retry_ms = now_ms + RETRY_MS;
                Some(due_ms.map_or(retry_ms, |due_ms| due_ms.min(retry_ms)))
            }
        };
        self.alarm_ms.set(next_ms);
        if let Some(next_ms) = next_ms {
            self.set_alarm(next_ms, SystemClock.now_ms()).await?;
        }
        Response::ok("")
    }
}

impl UserLedger {
    /// Nothing is awaited in `work`, so no other request comes between.
    fn with_account<T>(&self, work: impl FnOnce(&Account<'_>) -> T) -> Result<T> {
        if self.store.get().is_none() {
            let opened = SqlStore::open(ObjectSql::new(&self.state)?);
            let opened = opened.map_err(|e| worker::Error::RustError(e.to_string()))?;
            // Fails only if it is open already.
            let _open = self.store.set(opened);
        }
        let closed = || worker::Error::RustError("the account is not open".to_owned());
        let store = self.store.get().ok_or_else(closed)?;
        Ok(work(&Account {
            store,
            zones: &SystemZones,
            defaults: &self.defaults,
        }))
    }

    /// Ends what is over. When something is due next, or this is to be tried again.
    fn sweep(&self, now_ms: i64) -> Result<Option<i64>> {
        let swept = self.with_account(|account| account.sweep(now_ms))?;
        Ok(swept.unwrap_or_else(|error| {
            let fields = json!({ "cause": error.to_string() });
            console().record(Level::Error, "budget_sweep_failed", fields);
            Some(now_ms + RETRY_MS)
        }))
    }

    /// Puts calls on the books that nobody settled. What the books have is repeated if this
    /// does not come to note it, which changes nothing there.
    async fn report(&self) -> std::result::Result<(), Fault> {
        loop {
            let events = self.with_account(|account| account.unreported(REPORTED_AT_ONCE))??;
            if events.is_empty() {
                return Ok(());
            }
            let books = D1::new(self.env.d1("DB")?);
            let statements = events.iter().flat_map(record_cut_off).collect();
            books.batch(statements).await?;
            self.with_account(|account| account.reported(&events))??;
        }
    }

    /// Sets the alarm for a new reservation's end unless it rings before. One that was set
    /// before a restart may be put off by that much; every admission sweeps as well.
    async fn ring_by(&self, served: &Served, now_ms: i64) -> Result<()> {
        let due_ms = served
            .due_ms
            .filter(|due| self.alarm_ms.get().is_none_or(|rings| *due < rings));
        let Some(due_ms) = due_ms else {
            return Ok(());
        };
        self.alarm_ms.set(Some(due_ms));
        self.set_alarm(due_ms, now_ms).await
    }

    async fn set_alarm(&self, at_ms: i64, now_ms: i64) -> Result<()> {
        let wait_ms = at_ms.saturating_sub(now_ms).max(0);
        self.state.storage().set_alarm(wait_ms).await
    }
}

fn console() -> ConsoleLog {
    ConsoleLog {
        level: Level::Info,
        service: "user_ledger",
        request_id: String::new(),
    }
}
