use std::panic::RefUnwindSafe;

use chitty_core::ports::Clock;
use chitty_core::witness::server::Answer;
use chitty_core::witness::sql_store::SqlWitnessStore;
use chitty_core::witness::store::{Fork, SeenHead, WitnessStore};
use chitty_edge::clock::SystemClock;
use chitty_edge::object_sql::ObjectSql;
use serde::{Deserialize, Serialize};
use worker::{DurableObject, Env, Method, Request, Response, Result, State, durable_object};

use crate::config;

/// What the object answers to a `GET`.
#[derive(Serialize, Deserialize)]
pub struct SeenLog {
    pub head: Option<SeenHead>,
    pub forks: Vec<Fork>,
}

/// The one owner of what the witness saw of a log, named by its origin. Between the look at
/// the old size and the new head nothing is awaited, so no other request comes between.
#[durable_object]
pub struct WitnessedLog {
    state: State,
    env: Env,
}

// It keeps nothing in memory.
impl RefUnwindSafe for WitnessedLog {}

impl DurableObject for WitnessedLog {
    fn new(state: State, env: Env) -> Self {
        Self { state, env }
    }

    async fn fetch(&self, mut request: Request) -> Result<Response> {
        match request.method() {
            Method::Get => {
                let store = self.store()?;
                let seen = SeenLog {
                    head: store.head().map_err(fault)?,
                    forks: store.forks().map_err(fault)?,
                };
                Response::from_json(&seen)
            }
            Method::Post => {
                let body = request.text().await?;
                let answer = self.add(&body)?;
                Ok(Response::ok(answer.body)?.with_status(answer.status))
            }
            _ => Response::error("GET, or POST a checkpoint", 405),
        }
    }
}

impl WitnessedLog {
    fn add(&self, body: &str) -> Result<Answer> {
        let witness = config::witness(&self.env).map_err(fault)?;
        let now_ms = u64::try_from(SystemClock.now_ms()).map_err(fault)?;
        Ok(match witness.admit(body) {
            Ok(request) => witness.add(&mut self.store()?, &request, now_ms),
            Err(answer) => answer,
        })
    }

    fn store(&self) -> Result<SqlWitnessStore<ObjectSql>> {
        SqlWitnessStore::open(ObjectSql::new(&self.state)?).map_err(fault)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the form map_err wants")]
fn fault(error: impl ToString) -> worker::Error {
    worker::Error::RustError(error.to_string())
}
