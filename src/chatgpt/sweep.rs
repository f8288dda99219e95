//! Each hour: provider keys whose time is over are erased, and those that an older encryption
//! key sealed are sealed again; answers kept for an Idempotency-Key are deleted after their day;
//! messages without an owner get one.
//! Each night the roll-ups of usage are made anew.

use std::rc::Rc;

use chitty_core::analytics::{is_nightly, rebuild_recent};
use chitty_core::door::delete_expired;
use chitty_core::ports::{Level, Log};
use chitty_core::services::Platform;
use chitty_core::time::to_rfc3339;
use chitty_core::vault::Vault;
use chitty_edge::background::ScheduleWait;
use chitty_edge::log::ConsoleLog;
use chitty_edge::platform::{Fault, Worker, loaded};
use serde_json::json;
use worker::{Env, ScheduleContext};

use crate::domain::ChatGpt;

pub async fn run(env: &Env, context: ScheduleContext) {
    if let Err(fault) = try_run(env, context).await {
        let log = ConsoleLog {
            level: Level::Error,
            service: ChatGpt::NAME,
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
    let worker = loaded::<ChatGpt>(crate::kept(), env)?;
    let background = Rc::new(ScheduleWait(context));
    let isolate = worker.isolate();
    let platform = isolate.platform(env, background, ChatGpt::NAME, "sweep")?;
    let chat = worker.domain(env, &platform)?;
    // One that fails does not keep the others from being done.
    let chores: [(&str, Result<(), Fault>); 5] = [
        ("ended_keys", ended_keys(&chat.vault, &platform).await),
        ("resealing", resealing(&chat.vault, &platform).await),
        ("idempotent_calls", idempotent_calls(&platform).await),
        (
            "owners",
            chat.library.name_owners().await.map_err(Fault::from),
        ),
        ("rollups", rollups(&platform).await),
    ];
    for (chore, outcome) in chores {
        if let Err(fault) = outcome {
            let fields = json!({ "chore": chore, "cause": fault.to_string() });
            platform.log.record(Level::Error, "sweep_failed", fields);
        }
    }
    Ok(())
}

async fn ended_keys(vault: &Vault, platform: &Platform) -> Result<(), Fault> {
    let erased = vault.erase_ended().await?;
    if erased > 0 {
        let fields = json!({ "erased": erased });
        platform
            .log
            .record(Level::Info, "provider_keys_erased", fields);
    }
    Ok(())
}

async fn resealing(vault: &Vault, platform: &Platform) -> Result<(), Fault> {
    let done = vault.reseal().await?;
    if done.resealed > 0 || done.remaining > 0 {
        let level = if done.undecryptable > 0 {
            Level::Warn
        } else {
            Level::Info
        };
        let fields = json!({
            "resealed": done.resealed, "remaining": done.remaining,
            "undecryptable": done.undecryptable,
        });
        platform.log.record(level, "provider_keys_resealed", fields);
    }
    Ok(())
}

async fn idempotent_calls(platform: &Platform) -> Result<(), Fault> {
    let expired = delete_expired(platform.clock.now_ms());
    platform.database.run(expired).await?;
    Ok(())
}

/// Sums that were not what their events say are a fault to look into.
async fn rollups(platform: &Platform) -> Result<(), Fault> {
    if !is_nightly(platform.clock.now_ms()) {
        return Ok(());
    }
    let done = rebuild_recent(&*platform.database, &*platform.clock).await?;
    let level = if done.hours_corrected > 0 {
        Level::Warn
    } else {
        Level::Info
    };
    let fields = json!({
        "hours": done.hours, "hours_corrected": done.hours_corrected,
        "next": to_rfc3339(done.next_ms),
    });
    platform.log.record(level, "rollups_rebuilt", fields);
    Ok(())
}
