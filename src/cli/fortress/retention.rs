//! What is old goes: jobs with their inputs, outputs and diagnostics.

use std::fs;
use std::io;
use std::time::Duration;

use chitty_core::ports::Clock;
use serde_json::json;
use tokio::{task, time};

use super::error::ApiError;
use super::jobs::{Jobs, broken};
use super::log::log;
use super::system::System;

const EVERY: Duration = Duration::from_hours(1);
const DAY_MS: i64 = 86_400_000;

/// Removes what is older than that, now and every hour.
pub async fn keep(jobs: &Jobs, days: u32) {
    let mut hours = time::interval(EVERY);
    loop {
        hours.tick().await;
        let before_ms = System.now_ms() - i64::from(days) * DAY_MS;
        // What went wrong is in the log, and is tried again.
        if let Ok(removed @ 1..) = sweep(jobs, before_ms).await {
            log("info", "removed", &json!({ "jobs": removed }));
        }
    }
}

/// In steps, between which callers are answered.
async fn sweep(jobs: &Jobs, before_ms: i64) -> Result<usize, ApiError> {
    let mut removed = 0;
    loop {
        let old = jobs.store.expired(before_ms);
        let old = old.map_err(|error| broken("remove", &error))?;
        if old.is_empty() {
            return Ok(removed);
        }
        for id in &old {
            remove(jobs, id)?;
        }
        removed += old.len();
        task::yield_now().await;
    }
}

/// The files first: what breaks off here is done the next time.
fn remove(jobs: &Jobs, id: &str) -> Result<(), ApiError> {
    let folders = &jobs.folders;
    let output = |end: &str| folders.outputs.join(format!("{id}.{end}"));
    let files = [
        output("txt"),
        output("manifest.json"),
        output("manifest.json.asc"),
        folders.diagnostics.join(id),
    ];
    for file in files {
        unless_missing(fs::remove_file(file)).map_err(|error| broken("remove", &error))?;
    }
    let input = fs::remove_dir_all(folders.inputs.join(id));
    unless_missing(input).map_err(|error| broken("remove", &error))?;
    let removed = jobs.store.remove(id);
    removed.map_err(|error| broken("remove", &error))
}

fn unless_missing(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
