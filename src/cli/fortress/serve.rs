//! `chitty fortress serve`: from configuration to a server that listens, or a reason why not.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use chitty_core::ports::Clock;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Semaphore;

use super::config::{Config, Serve};
use super::connections;
use super::folders::Folders;
use super::jobs::Jobs;
use super::log::log;
use super::model::Upstream;
use super::retention;
use super::routes::{Api, router};
use super::sandbox::{Running, Sandbox};
use super::store::Store;
use super::system::System;
use super::trial;
use super::under_way::UnderWay;

const MAX_CONNECTIONS: usize = 256;
/// What a connection may take beside a run: for the request, the turn, the end, the answer.
const BESIDE: Duration = Duration::from_mins(2);
/// A Unix socket's path has at most 107 bytes, and 20 of them are ours.
const MAX_DATA_BYTES: usize = 87;

/// Serves until it is told to stop.
pub fn run(options: Serve) -> ExitCode {
    // One thread: sandboxes die with the thread that started them.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(options.most_calls())
        .build();
    let served = match runtime {
        Ok(runtime) => runtime.block_on(serve(options)),
        Err(error) => Err(error.to_string()),
    };
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            log("error", "not_started", &json!({ "reason": reason }));
            eprintln!("error: {reason}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(options: Serve) -> Result<(), String> {
    if nix::unistd::geteuid().is_root() {
        return Err(
            "the server does not run as root, whose processes no limit counts: \
                    start it as a user of its own (systemd: User=, by hand: setpriv or runuser)"
                .to_owned(),
        );
    }
    let config = options.read()?;
    let _own = lock(&config.data)?;
    let keep_days = config.keep_days;
    let (listener, address) = listen(config.listen).await?;
    let data = config.data.clone();
    let api = Arc::new(prepare(config)?);
    trial::hold(&api.jobs, address, &data).await?;
    let interrupted = api.jobs.store.fail_interrupted(System.now_ms());
    let interrupted = interrupted.map_err(|error| error.to_string())?;
    let key = api.jobs.key.fingerprint();
    log(
        "info",
        "listening",
        &json!({ "address": address, "key": key, "interrupted_runs": interrupted }),
    );
    let router = router(Arc::clone(&api));
    let life = Duration::from_millis(api.jobs.sandbox.policy.timeout_ms) + BESIDE;
    tokio::select! {
        () = connections::serve(listener, router, MAX_CONNECTIONS, life) => {}
        () = retention::keep(&api.jobs, keep_days) => {}
        stopped = told_to_stop() => stopped?,
    }
    // Runs end with this program; the next start fails them too, if this cannot be written.
    let interrupted = api
        .jobs
        .store
        .fail_interrupted(System.now_ms())
        .unwrap_or(0);
    log(
        "info",
        "stopped",
        &json!({ "interrupted_runs": interrupted }),
    );
    Ok(())
}

/// Until it is dropped, however that comes about.
fn lock(data: &Path) -> Result<File, String> {
    let folder = File::open(data).map_err(|error| error.to_string())?;
    folder.try_lock().map_err(|error| {
        format!(
            "--data {}: another server uses it ({error})",
            data.display()
        )
    })?;
    Ok(folder)
}

async fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), String> {
    let bound = TcpListener::bind(address).await;
    let listener = bound.map_err(|error| format!("--listen {address}: {error}"))?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    Ok((listener, address))
}

fn prepare(config: Config) -> Result<Api, String> {
    if config.data.as_os_str().len() > MAX_DATA_BYTES {
        return Err(format!(
            "--data: a path of at most {MAX_DATA_BYTES} bytes is needed"
        ));
    }
    let text = |error: std::io::Error| error.to_string();
    let folders = Folders::under(&config.data).map_err(text)?;
    let store =
        Store::open(&config.data.join("fortress.sqlite")).map_err(|error| error.to_string())?;
    let sandbox = Sandbox {
        bwrap: bubblewrap()?,
        this_program: std::env::current_exe().map_err(text)?,
        binds: config.binds,
        limits: config.limits,
        policy: config.policy,
        running: Running::adopting().map_err(|error| error.to_string())?,
    };
    Ok(Api {
        api_key: config.api_key,
        jobs: Jobs {
            store,
            sandbox,
            upstream: Arc::new(Upstream::new(config.model_url, config.model_key)),
            key: config.key,
            model: config.model,
            folders,
            turns: Semaphore::new(config.concurrency),
            under_way: UnderWay::default(),
        },
    })
}

fn bubblewrap() -> Result<PathBuf, String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .map(|folder| folder.join("bwrap"))
        .find(|program| Path::is_file(program));
    found.ok_or_else(|| {
        "bubblewrap is needed for the sandbox and bwrap is not on PATH: install it \
         (Debian: apt-get install bubblewrap)"
            .to_owned()
    })
}

async fn told_to_stop() -> Result<(), String> {
    let on = |kind| signal(kind).map_err(|error| error.to_string());
    let (mut terminate, mut interrupt) =
        (on(SignalKind::terminate())?, on(SignalKind::interrupt())?);
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
