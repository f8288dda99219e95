use std::cell::OnceCell;
use std::panic::RefUnwindSafe;
use std::rc::Rc;
use std::time::Duration;

use async_trait::async_trait;
use chitty_core::chain::keys::SignerKey;
use chitty_core::chain::sql_store::SqlLogStore;
use chitty_core::ledger::{Alarm, Log, LogPorts, serve};
use chitty_core::ports::{Level, Log as _};
use chitty_edge::background::ObjectWait;
use chitty_edge::bindings::anchors;
use chitty_edge::bucket::R2;
use chitty_edge::clock::SystemClock;
use chitty_edge::config::{ChainSettings, ConfigError, Reader};
use chitty_edge::database::D1;
use chitty_edge::entropy::SystemEntropy;
use chitty_edge::log::ConsoleLog;
use chitty_edge::object_sql::ObjectSql;
use chitty_edge::platform::Fault;
use serde_json::json;
use worker::{DurableObject, Env, Method, Request, Response, Result, State, durable_object};

/// How long an append waits for its row, far within the time its caller waits.
const ROW_WAIT_MS: u64 = 2_000;
const MAX_COMMAND: usize = 8 * 1024 * 1024;

type Store = SqlLogStore<ObjectSql>;

/// The one writer of the log. Its SQLite holds the tree and the facts; R2 has what is published;
/// D1 gets a row of each fact for queries.
#[durable_object]
pub struct ChainSequencer {
    state: Rc<State>,
    env: Env,
    log: OnceCell<Rc<Log<Store>>>,
}

// A panic leaves the log closed, and a closed one is opened from storage again.
impl RefUnwindSafe for ChainSequencer {}

impl DurableObject for ChainSequencer {
    fn new(state: State, env: Env) -> Self {
        Self {
            state: Rc::new(state),
            env,
            log: OnceCell::new(),
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
        let served = serve(self.log()?, &body).await;
        Ok(Response::ok(served.body)?.with_status(served.status))
    }

    async fn alarm(&self) -> Result<Response> {
        if let Some(again_ms) = self.log()?.tend().await {
            let alarm = ObjectAlarm(Rc::clone(&self.state));
            alarm.set(again_ms).await.map_err(worker::Error::from)?;
        }
        // Every round has set the alarm, so it has grown. What is not heard now is heard with
        // the cron.
        if let Err(cause) = self.tell_anchors().await {
            let fields = json!({ "cause": cause.to_string() });
            console().record(Level::Warn, "anchors_not_told", fields);
        }
        Response::ok("")
    }
}

impl ChainSequencer {
    async fn tell_anchors(&self) -> std::result::Result<(), Fault> {
        Ok(anchors(&self.env)?.grown().await?)
    }

    fn log(&self) -> Result<&Rc<Log<Store>>> {
        if let Some(log) = self.log.get() {
            return Ok(log);
        }
        let settings = settings(&self.env).map_err(|e| worker::Error::from(e.to_string()))?;
        let (state, env) = (Rc::clone(&self.state), self.env.clone());
        let log = Log::new(LogPorts {
            open: Box::new(move || open(&state, &env)),
            files: Rc::new(R2::new(self.env.bucket("LOG_TILES")?)),
            rows: Rc::new(D1::new(self.env.d1("DB")?).with_timeout_ms(ROW_WAIT_MS)),
            alarm: Rc::new(ObjectAlarm(Rc::clone(&self.state))),
            clock: Rc::new(SystemClock),
            entropy: Rc::new(SystemEntropy),
            background: Rc::new(ObjectWait(Rc::clone(&self.state))),
            log: Rc::new(console()),
            round_ms: settings.round_ms,
        });
        Ok(self.log.get_or_init(|| log))
    }
}

fn settings(env: &Env) -> std::result::Result<ChainSettings, ConfigError> {
    let mut reader = Reader::new(env);
    let settings = ChainSettings::read(&mut reader);
    reader.finish(settings)
}

fn open(state: &State, env: &Env) -> std::result::Result<(Store, SignerKey), String> {
    let settings = settings(env).map_err(|error| error.to_string())?;
    let key = SignerKey::from_secret_text(settings.signing_key.expose());
    let key = key.map_err(|error| error.to_string())?;
    let sql = ObjectSql::new(state).map_err(|error| error.to_string())?;
    let store = SqlLogStore::open(sql).map_err(|error| error.to_string())?;
    Ok((store, key))
}

/// The object's alarm.
struct ObjectAlarm(Rc<State>);

#[async_trait(?Send)]
impl Alarm for ObjectAlarm {
    async fn set(&self, ms: u64) -> std::result::Result<(), String> {
        let set = self.0.storage().set_alarm(Duration::from_millis(ms)).await;
        set.map_err(|error| error.to_string())
    }
}

fn console() -> ConsoleLog {
    ConsoleLog {
        level: Level::Info,
        service: "chain",
        request_id: String::new(),
    }
}
