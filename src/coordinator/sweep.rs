//! Each minute: what a worker left behind when it ended is brought to an end. Executions and
//! runs past their deadline fail with the reason; the fortress logs signed runs that are not logged.
//! Signing keys are replaced in time, and what has expired is deleted. Rows that have become final are put on record, and
//! audits that are due are made.
//! The log's newest checkpoint is anchored, if the log itself could not say that it has grown.

use std::rc::Rc;

use chitty_core::audit::{FortressSignatures, Recorder, finish_erasures, record_due};
use chitty_core::auth::{Principal, PrincipalKind, Scopes};
use chitty_core::execution::{Asker, Executions};
use chitty_core::fortress::Jobs;
use chitty_core::oauth;
use chitty_core::ports::{Level, Log};
use chitty_core::resealing::reseal_slice;
use chitty_core::services::Platform;
use chitty_core::signing_keys::KeyPorts;
use chitty_edge::background::ScheduleWait;
use chitty_edge::bindings::{anchors, ledger};
use chitty_edge::log::ConsoleLog;
use chitty_edge::platform::{Fault, Worker, loaded};
use serde_json::json;
use worker::{Env, ScheduleContext};

use crate::domain::Coordinator;

/// On whose behalf standing audits read, and the fortress is asked.
const AUDITOR: &str = "chittyos-auditor";
/// Of a minute; what is left goes on with the next.
const AUDITS_MS: i64 = 30_000;

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
    let isolate = worker.isolate();
    let platform = isolate.platform(env, background, Coordinator::NAME, "sweep")?;
    // One that fails does not keep the others from being done.
    let chores: [(&str, Result<(), Fault>); 9] = [
        ("interrupted", interrupted(&platform).await),
        ("unlogged", logged(&worker, env, &platform).await),
        ("resealing", resealing(&platform).await),
        ("signing_keys", signing_keys(&platform).await),
        ("identity", identity(&worker, &platform).await),
        ("erasures", erasures(&worker, env, &platform).await),
        ("records", records(env, &platform).await),
        ("audits", audits(&worker, env, &platform).await),
        ("anchors", anchored(env).await),
    ];
    for (chore, outcome) in chores {
        if let Err(fault) = outcome {
            let fields = json!({ "chore": chore, "cause": fault.to_string() });
            platform.log.record(Level::Error, "sweep_failed", fields);
        }
    }
    Ok(())
}

async fn interrupted(platform: &Platform) -> Result<(), Fault> {
    let database = &platform.database;
    let now_ms = platform.clock.now_ms();
    let executions = Executions::new(Rc::clone(database));
    let executions = executions.fail_interrupted(now_ms).await?;
    let runs = Jobs::new(Rc::clone(database));
    let runs = runs.fail_interrupted(now_ms).await?;
    if executions + runs > 0 {
        let fields = json!({ "executions": executions, "runs": runs });
        platform.log.record(Level::Warn, "swept", fields);
    }
    Ok(())
}

/// The fortress logs what it signed and nobody could log.
async fn logged(worker: &Coordinator, env: &Env, platform: &Platform) -> Result<(), Fault> {
    let desk = worker.domain(env, platform)?;
    let principal = own_principal();
    let logged = desk.service.workers.log_due(&asker(&principal)).await?;
    if logged.keys + logged.runs > 0 {
        let fields = json!({ "keys": logged.keys, "runs": logged.runs });
        platform.log.record(Level::Warn, "logged_late", fields);
    }
    Ok(())
}

/// Sealed texts of older encryption keys, a slice of them.
async fn resealing(platform: &Platform) -> Result<(), Fault> {
    let now_ms = platform.clock.now_ms();
    let (database, sealer) = (&*platform.database, &platform.sealer);
    let told = reseal_slice(database, sealer, &*platform.entropy, now_ms).await?;
    if told.resealed > 0 || told.unopened > 0 {
        let level = if told.unopened > 0 {
            Level::Warn
        } else {
            Level::Info
        };
        let fields = json!({
            "resealed": told.resealed, "unopened": told.unopened,
            "columns_done": told.done, "columns": told.columns,
        });
        platform.log.record(level, "resealed", fields);
    }
    Ok(())
}

/// Erasures whose worker ended are finished.
async fn erasures(worker: &Coordinator, env: &Env, platform: &Platform) -> Result<(), Fault> {
    let desk = worker.domain(env, platform)?;
    let finished = finish_erasures(&desk.eraser()).await?;
    if finished > 0 {
        let fields = json!({ "erasures": finished });
        platform
            .log
            .record(Level::Warn, "erasures_finished", fields);
    }
    Ok(())
}

/// Rows that have become final are put on record in the log.
async fn records(env: &Env, platform: &Platform) -> Result<(), Fault> {
    let recorder = Recorder {
        db: &*platform.database,
        ledger: &*ledger(env)?,
        sealer: &platform.sealer,
        clock: &*platform.clock,
    };
    let done = record_due(&recorder).await?;
    if done.refused + done.unreadable > 0 {
        let fields = json!({ "refused": done.refused, "unreadable": done.unreadable });
        platform.log.record(Level::Error, "record_refused", fields);
    }
    Ok(())
}

fn own_principal() -> Principal {
    Principal {
        user_id: AUDITOR.to_owned(),
        name: AUDITOR.to_owned(),
        kind: PrincipalKind::Service,
        scopes: Scopes::default(),
        token_id: AUDITOR.to_owned(),
        client_id: None,
    }
}

fn asker(principal: &Principal) -> Asker<'_> {
    Asker {
        principal,
        owner: AUDITOR,
        request_id: "sweep",
    }
}

/// Standing audits that are due, and what is left of others.
async fn audits(worker: &Coordinator, env: &Env, platform: &Platform) -> Result<(), Fault> {
    let desk = worker.domain(env, platform)?;
    let principal = own_principal();
    let asker = asker(&principal);
    let signatures = FortressSignatures {
        workers: &desk.service.workers,
        asker: &asker,
    };
    let until_ms = platform.clock.now_ms() + AUDITS_MS;
    desk.audits().run_due(&signatures, until_ms).await?;
    Ok(())
}

async fn anchored(env: &Env) -> Result<(), Fault> {
    Ok(anchors(env)?.grown().await?)
}

async fn signing_keys(platform: &Platform) -> Result<(), Fault> {
    let ports = KeyPorts {
        database: &*platform.database,
        clock: &*platform.clock,
        entropy: &*platform.entropy,
        sealer: &platform.sealer,
        log: &*platform.log,
    };
    platform.keys.rotate(&ports).await?;
    Ok(())
}

/// What has expired is deleted, and many refusals are told of.
async fn identity(worker: &Coordinator, platform: &Platform) -> Result<(), Fault> {
    let now_ms = platform.clock.now_ms();
    oauth::expire(&*platform.database, now_ms).await?;
    let audit = &platform.authenticator.audit;
    audit.expire(worker.audit_retention_days, now_ms).await?;
    audit.authentication_alert(now_ms).await?;
    Ok(())
}
