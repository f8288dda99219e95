use std::panic::RefUnwindSafe;
use std::rc::Rc;
use std::time::Duration;

use chitty_core::anchoring::{AnchorStore, Keeper, Ports, Vouchers, serve};
use chitty_core::ports::{Clock, Level, Log};
use chitty_edge::bindings::ledger;
use chitty_edge::bucket::R2;
use chitty_edge::clock::SystemClock;
use chitty_edge::config::{Reader, vouchers};
use chitty_edge::entropy::SystemEntropy;
use chitty_edge::http::FetchHttp;
use chitty_edge::log::ConsoleLog;
use chitty_edge::object_sql::ObjectSql;
use serde_json::json;
use worker::{DurableObject, Env, Method, Request, Response, Result, State, durable_object};

/// When a grown log is anchored, in milliseconds, if it is not too soon after the last time.
const SOON_MS: u64 = 1_000;
/// When the storage or the log did not answer.
const RETRY_MS: u64 = 15_000;
const MAX_COMMAND: usize = 1024;

/// What witnesses and time stamping authorities vouch for of the log. Apart from the log's own
/// object, which never waits for strangers; the alarm asks them.
#[durable_object]
pub struct ChainAnchors {
    state: State,
    env: Env,
}

// It keeps nothing in memory.
impl RefUnwindSafe for ChainAnchors {}

impl DurableObject for ChainAnchors {
    fn new(state: State, env: Env) -> Self {
        Self { state, env }
    }

    async fn fetch(&self, mut request: Request) -> Result<Response> {
        if request.method() != Method::Post {
            return Response::error("POST a command of the anchors", 405);
        }
        let body = request.bytes().await?;
        if body.len() > MAX_COMMAND {
            return Response::error("the command is too large", 413);
        }
        let answered = serve(&self.store()?, &self.vouchers()?, &body);
        if answered.due {
            self.come_in(SOON_MS).await?;
        }
        Ok(Response::ok(answered.body)?.with_status(answered.status))
    }

    async fn alarm(&self) -> Result<Response> {
        match self.keeper()?.tend().await {
            Ok(None) => (),
            Ok(Some(ms)) => self.come_in(ms.max(SOON_MS)).await?,
            Err(cause) => {
                console().record(Level::Error, "not_anchored", json!({ "cause": cause }));
                self.come_in(RETRY_MS).await?;
            }
        }
        Response::ok("")
    }
}

impl ChainAnchors {
    /// Sets the alarm, unless it rings before.
    async fn come_in(&self, ms: u64) -> Result<()> {
        let storage = self.state.storage();
        let set = storage.get_alarm().await?;
        let at_ms = SystemClock.now_ms().saturating_add_unsigned(ms);
        if set.is_none_or(|set| set > at_ms) {
            storage.set_alarm(Duration::from_millis(ms)).await?;
        }
        Ok(())
    }

    fn keeper(&self) -> Result<Keeper<ObjectSql>> {
        Ok(Keeper {
            store: self.store()?,
            vouchers: self.vouchers()?,
            ports: Ports {
                ledger: ledger(&self.env).map_err(fault)?,
                http: Rc::new(FetchHttp),
                files: Rc::new(R2::new(self.env.bucket("LOG_TILES")?)),
                clock: Rc::new(SystemClock),
                entropy: Rc::new(SystemEntropy),
                log: Rc::new(console()),
            },
        })
    }

    fn store(&self) -> Result<AnchorStore<ObjectSql>> {
        AnchorStore::open(ObjectSql::new(&self.state)?).map_err(fault)
    }

    fn vouchers(&self) -> Result<Vouchers> {
        let mut reader = Reader::new(&self.env);
        let vouchers = vouchers(&mut reader);
        reader.finish(vouchers).map_err(fault)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the form map_err wants")]
fn fault(error: impl ToString) -> worker::Error {
    worker::Error::RustError(error.to_string())
}

fn console() -> ConsoleLog {
    ConsoleLog {
        level: Level::Info,
        service: "anchors",
        request_id: String::new(),
    }
}
