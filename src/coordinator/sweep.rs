//! Each minute: what a worker left behind when it ended is brought to an end. Executions and
//! runs past their deadline fail with the reason; signed runs that are not logged are logged.

use std::rc::Rc;

use chitty_core::execution::Executions;
use chitty_core::fortress::{Jobs, log_unlogged};
use chitty_core::ports::{Level, Log};
use chitty_core::services::Platform;
use chitty_edge::background::ScheduleWait;
use chitty_edge::bindings::ledger;
use chitty_edge::log::ConsoleLog;
use chitty_edge::platform::{Fault, Worker, loaded};
use serde_json::json;
use worker::{Env, ScheduleContext};

use crate::domain::Coordinator;

pub async fn run(env: &Env, context: ScheduleContext) {
    if let Err(fault) = try_run(env, context).await {
        let log = ConsoleLog {
            level: Level::Error,
            service: Coordinator::NAME,
            request_id: String::new(),
        };
        log.record(
            Level::Error,
            "sweep_failed",
            json!({ "cause": fault.to_string() }),
        );
    }
}

async fn try_run(env: &Env, context: ScheduleContext) -> Result<(), Fault> {
    let worker = loaded::<Coordinator>(crate::kept(), env)?;
    let background = Rc::new(ScheduleWait(context));
    let Platform {
        database,
        clock,
        log,
        ..
    } = worker
        .isolate()
        .platform(env, background, Coordinator::NAME, "sweep")?;
    let now_ms = clock.now_ms();
    let executions = Executions::new(Rc::clone(&database))
        .fail_interrupted(now_ms)
        .await?;
    let runs = Jobs::new(Rc::clone(&database))
        .fail_interrupted(now_ms)
        .await?;
    let logged = log_unlogged(&database, &*ledger(env)?, now_ms).await?;
    if executions + runs > 0 || logged > 0 {
        let fields = json!({ "executions": executions, "runs": runs, "logged": logged });
        log.record(Level::Warn, "swept", fields);
    }
    Ok(())
}
