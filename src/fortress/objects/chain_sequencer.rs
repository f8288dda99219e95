use std::cell::{Cell, RefCell};
use std::panic::RefUnwindSafe;

use chitty_core::chain::fact::Salt;
use chitty_core::chain::keys::SignerKey;
use chitty_core::chain::sequencer::Sequencer;
use chitty_core::chain::store::EntryRow;
use chitty_core::ledger::{Served, project, project_apart, serve};
use chitty_core::ports::{Clock, Entropy, Level, Log};
use chitty_core::sql::DatabaseError;
use chitty_edge::clock::SystemClock;
use chitty_edge::config::{ChainSettings, Reader};
use chitty_edge::database::D1;
use chitty_edge::entropy::SystemEntropy;
use chitty_edge::log::ConsoleLog;
use chitty_edge::log_store::{SqlLogStore, StoreError};
use serde_json::json;
use worker::{DurableObject, Env, Method, Request, Response, Result, State, durable_object};

/// Rows written for queries in one go.
const BATCH: u64 = 40;
/// When rows that could not be written are tried again.
const RETRY_MS: i64 = 5_000;
/// How long an append waits for its row, far within the time its caller waits.
const ROW_WAIT_MS: u64 = 2_000;
const MAX_COMMAND: usize = 262_144;

/// The one writer of the log. Its SQLite holds the tree and the facts; D1 gets a row of each
/// fact for queries, at once or, if D1 does not answer or does not take it, by the alarm.
#[durable_object]
pub struct ChainSequencer {
    state: State,
    env: Env,
    log: RefCell<Option<Sequencer<SqlLogStore>>>,
    /// D1 failed of late: appends wait for it no more until the alarm got through.
    late: Cell<bool>,
}

// A panic leaves the cell released or empty, and an empty one is opened from storage again.
impl RefUnwindSafe for ChainSequencer {}

impl DurableObject for ChainSequencer {
    fn new(state: State, env: Env) -> Self {
        Self {
            state,
            env,
            log: RefCell::new(None),
            late: Cell::new(false),
        }
    }

    async fn fetch(&self, mut request: Request) -> Result<Response> {
        if request.method() != Method::Post {
            return Response::error("POST a command of the log", 405);
        }
        let body = request.bytes().await?;
        if body.len() > MAX_COMMAND {
            return Response::error("the command is too large", 413);
        }
        let served = match self.serve(&body) {
            Ok(served) => served,
            Err(cause) => {
                console().record(Level::Error, "log_failed", json!({ "cause": cause }));
                return Response::error("the log could not be opened", 503);
            }
        };
        if served.logged {
            self.write_or_schedule().await?;
        }
        Ok(Response::ok(served.body)?.with_status(served.status))
    }

    async fn alarm(&self) -> Result<Response> {
        let outcome = self.write_due_rows().await;
        self.late.set(outcome.is_err());
        match outcome {
            Ok(true) => (),
            Ok(false) => self.state.storage().set_alarm(RETRY_MS).await?,
            Err(cause) => {
                say_late(&cause);
                self.state.storage().set_alarm(RETRY_MS).await?;
            }
        }
        Response::ok("")
    }
}

impl ChainSequencer {
    /// Answers a command. Nothing is awaited here, so no other request comes between.
    fn serve(&self, body: &[u8]) -> std::result::Result<Served, String> {
        let mut salt = [0; 32];
        SystemEntropy
            .fill(&mut salt)
            .map_err(|error| error.to_string())?;
        let now_ms = u64::try_from(SystemClock.now_ms()).map_err(|error| error.to_string())?;
        // Taken out while it works: whatever ends the work, what is left is a cell that opens
        // the log from storage again.
        let mut log = match self.log.take() {
            Some(log) => log,
            None => self.open()?,
        };
        let served = serve(&mut log, body, now_ms, &Salt::from_random_bytes(salt));
        if served.status < 500 {
            self.log.replace(Some(log));
        }
        Ok(served)
    }

    fn open(&self) -> std::result::Result<Sequencer<SqlLogStore>, String> {
        let mut reader = Reader::new(&self.env);
        let settings = ChainSettings::read(&mut reader);
        let settings = reader.finish(settings).map_err(|e| e.to_string())?;
        let key = settings.signing_key.expose();
        let key = SignerKey::from_secret_text(key).map_err(|e| e.to_string())?;
        let store = SqlLogStore::open(self.state.storage().sql()).map_err(|e| e.to_string())?;
        Sequencer::open(store, key).map_err(|error| error.to_string())
    }

    /// Writes the rows that are due if D1 is quick; the alarm is set for when it is not.
    async fn write_or_schedule(&self) -> Result<()> {
        let storage = self.state.storage();
        let store = SqlLogStore::opened(storage.sql());
        let due = store.unprojected(BATCH).map_err(fault)?;
        if due.is_empty() {
            return Ok(());
        }
        // One that is set stays: appends in a row must not put it off.
        if storage.get_alarm().await?.is_none() {
            storage.set_alarm(RETRY_MS).await?;
        }
        if self.late.get() {
            return Ok(());
        }
        let database = self.database()?.with_timeout_ms(ROW_WAIT_MS);
        match project(&database, &due).await {
            Ok(()) => mark(&store, &due).map_err(fault),
            Err(error) => {
                self.late.set(true);
                say_late(&error.to_string());
                Ok(())
            }
        }
    }

    /// Writes the rows that are due. False if some are left.
    async fn write_due_rows(&self) -> std::result::Result<bool, String> {
        let store = SqlLogStore::opened(self.state.storage().sql());
        let due = store.unprojected(BATCH).map_err(|e| e.to_string())?;
        let database = self.database().map_err(|e| e.to_string())?;
        match project(&database, &due).await {
            Err(DatabaseError::Constraint { .. }) => {
                let refused = project_apart(&database, &due).await;
                for row in refused.map_err(|e| e.to_string())? {
                    let fields = json!({ "leaf_index": row.index, "cause": row.cause.to_string() });
                    console().record(Level::Error, "fact_row_refused", fields);
                }
            }
            outcome => outcome.map_err(|e| e.to_string())?,
        }
        mark(&store, &due).map_err(|e| e.to_string())?;
        Ok((due.len() as u64) < BATCH)
    }

    fn database(&self) -> Result<D1> {
        Ok(D1::new(self.env.d1("DB")?))
    }
}

/// Notes that these rows are written, or never will be: the log itself has the facts.
fn mark(store: &SqlLogStore, rows: &[EntryRow]) -> std::result::Result<(), StoreError> {
    rows.last()
        .map_or(Ok(()), |last| store.mark_projected(last.index))
}

#[expect(clippy::needless_pass_by_value, reason = "the form map_err wants")]
fn fault(error: StoreError) -> worker::Error {
    worker::Error::RustError(error.to_string())
}

fn say_late(cause: &str) {
    console().record(Level::Warn, "fact_rows_late", json!({ "cause": cause }));
}

fn console() -> ConsoleLog {
    ConsoleLog {
        level: Level::Info,
        service: "chain",
        request_id: String::new(),
    }
}
