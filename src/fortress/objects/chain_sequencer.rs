use std::cell::RefCell;
use std::panic::RefUnwindSafe;

use chitty_core::chain::fact::Salt;
use chitty_core::chain::keys::SignerKey;
use chitty_core::chain::sequencer::Sequencer;
use chitty_core::ledger::{Served, project, serve};
use chitty_core::ports::{Clock, Entropy, Level, Log};
use chitty_edge::clock::SystemClock;
use chitty_edge::config::{ChainSettings, Reader};
use chitty_edge::database::D1;
use chitty_edge::entropy::SystemEntropy;
use chitty_edge::log::ConsoleLog;
use chitty_edge::log_store::SqlLogStore;
use serde_json::json;
use worker::{DurableObject, Env, Method, Request, Response, Result, State, durable_object};

/// Rows written for queries in one go.
const BATCH: u64 = 40;
/// When rows that could not be written are tried again.
const RETRY_MS: i64 = 5_000;
const MAX_COMMAND: usize = 262_144;

/// The one writer of the log. Its SQLite holds the tree and the facts; D1 gets a row of each
/// fact for queries, now or, if D1 does not answer, by the alarm.
#[durable_object]
pub struct ChainSequencer {
    state: State,
    env: Env,
    log: RefCell<Option<Sequencer<SqlLogStore>>>,
}

// A panic leaves the cell released or empty, and an empty one is opened from storage again.
impl RefUnwindSafe for ChainSequencer {}

impl DurableObject for ChainSequencer {
    fn new(state: State, env: Env) -> Self {
        Self {
            state,
            env,
            log: RefCell::new(None),
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
        if served.appended {
            self.state.storage().set_alarm(RETRY_MS).await?;
            self.write_rows().await;
        }
        Ok(Response::ok(served.body)?.with_status(served.status))
    }

    async fn alarm(&self) -> Result<Response> {
        if !self.write_rows().await {
            self.state.storage().set_alarm(RETRY_MS).await?;
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

    /// Writes the rows that are due. False if some are left.
    async fn write_rows(&self) -> bool {
        match self.try_write_rows().await {
            Ok(done) => done,
            Err(cause) => {
                let fields = json!({ "cause": cause });
                console().record(Level::Warn, "fact_rows_late", fields);
                false
            }
        }
    }

    async fn try_write_rows(&self) -> std::result::Result<bool, String> {
        let store = SqlLogStore::open(self.state.storage().sql()).map_err(|e| e.to_string())?;
        let due = store.unprojected(BATCH).map_err(|e| e.to_string())?;
        let Some(last) = due.last() else {
            return Ok(true);
        };
        let database = D1::new(self.env.d1("DB").map_err(|e| e.to_string())?);
        project(&database, &due).await.map_err(|e| e.to_string())?;
        store.mark_projected(last.index).map_err(|e| e.to_string())?;
        Ok((due.len() as u64) < BATCH)
    }
}

fn console() -> ConsoleLog {
    ConsoleLog {
        level: Level::Info,
        service: "chain",
        request_id: String::new(),
    }
}
