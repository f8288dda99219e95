//! What is old goes: jobs with all their files, facts; and at once what no run needs any more.

use std::time::Duration;

use chitty_core::ports::Clock;
use serde_json::json;
use tokio::{task, time};

use super::error::ApiError;
use super::jobs::{Jobs, broken};
use super::log::log;
use super::system::System;

const EVERY: Duration = Duration::from_mins(1);
const DAY_MS: i64 = 86_400_000;

/// Removes what is older than that, and inputs that came too late, now and every minute.
pub async fn keep(jobs: &Jobs, days: u32) {
    // What goes wrong is in the log, and is tried again.
    let _tried = strays(jobs);
    let mut minutes = time::interval(EVERY);
    loop {
        minutes.tick().await;
        let before_ms = System.now_ms() - i64::from(days) * DAY_MS;
        if let Ok(removed @ 1..) = sweep(jobs, before_ms).await {
            log("info", "removed", &json!({ "jobs": removed }));
        }
    }
}

/// Inputs of no job, left by a server that ended while it took them in.
fn strays(jobs: &Jobs) -> Result<(), ApiError> {
    let ids = jobs.folders.ids();
    for id in ids.map_err(|error| broken("remove", &error))? {
        if jobs.find(&id)?.is_none() {
            let removed = jobs.folders.remove_input(&id);
            removed.map_err(|error| broken("remove", &error))?;
        }
    }
    Ok(())
}

/// In steps, between which callers are answered.
async fn sweep(jobs: &Jobs, before_ms: i64) -> Result<usize, ApiError> {
    let facts = jobs.store.remove_facts(before_ms);
    facts.map_err(|error| broken("remove", &error))?;
    let mut removed = 0;
    loop {
        let old = jobs.store.expired(before_ms, System.now_ms());
        let old = old.map_err(|error| broken("remove", &error))?;
        if old.is_empty() {
            return Ok(removed);
        }
        for id in &old {
            // The files first: what breaks off here is done the next time.
            let files = jobs.folders.remove(id);
            files.map_err(|error| broken("remove", &error))?;
            let row = jobs.store.remove(id);
            row.map_err(|error| broken("remove", &error))?;
        }
        removed += old.len();
        task::yield_now().await;
    }
}
