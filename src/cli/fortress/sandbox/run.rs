//! One run, from the server's side.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use chitty_core::fortress::SandboxPolicy;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use tokio::sync::Notify;
use tokio::time;

use super::bounds::{Bound, exceeded};
use super::init::Orders;
use super::report::{MAX_LINE_BYTES, Report};
use super::running::Running;
use super::watch::{self, Watch};
use super::{Sandbox, command};

const WATCH_EVERY: Duration = Duration::from_millis(25);
/// A killed sandbox is gone within this, however many processes it has.
const DEATH: Duration = Duration::from_secs(10);

/// What is to be run.
#[derive(Debug, Clone, Copy)]
pub struct Task<'a> {
    pub command: &'a [String],
    pub limits: &'a SandboxPolicy,
    /// The trusted input directory of this run.
    pub input: &'a Path,
    /// Where the model's proxy listens.
    pub socket: &'a Path,
    pub model: &'a str,
    /// Of its caller's; the policy holds beside it.
    pub time_left: Option<Duration>,
    /// Told once the watch has seen its processes.
    pub seen: Option<&'a Notify>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error("the run exceeded a bound of its sandbox: {0}")]
    Bound(Bound),
    #[error("the agent ended with status {0}")]
    Exited(i32),
    #[error("the agent was killed by signal {0}")]
    Killed(i32),
    #[error("the agent could not be started: {0}")]
    NotStarted(String),
    #[error("the agent left no answer in /output/output.txt: {0}")]
    NoAnswer(String),
    #[error("the agent's answer is not UTF-8 text")]
    NotText,
    #[error("the sandbox ended without a report: {0}")]
    Lost(String),
}

/// How a run ended, and what the agent wrote to its standard output and error.
pub struct Ended {
    pub result: Result<String, Failure>,
    pub diagnostics: Vec<u8>,
}

impl Sandbox {
    /// Runs the task to its end. When this returns, no process of it is left.
    pub async fn run(&self, task: &Task<'_>) -> Ended {
        let max_answer_bytes = self.policy.max_output_bytes;
        let orders = serde_json::json!(Orders {
            limits: task.limits.clone(),
            max_answer_bytes,
        });
        let mut child = match self.start(task, &orders.to_string()) {
            Ok(child) => child,
            Err(error) => return lost(&format!("bubblewrap could not be started: {error}")),
        };
        let (out, err) = (child.stdout.take(), child.stderr.take());
        let (Some(mut out), Some(mut err), Some(pid)) = (out, err, child.id()) else {
            return lost("it has no streams");
        };
        let (mut report, mut diagnostics) = (Vec::new(), Vec::new());
        let (timeout, over) = self.time(task);
        let bound = tokio::select! {
            biased;
            bound = watched(pid, task) => Some(bound),
            () = time::sleep(timeout) => Some(over),
            bound = streams(
                (&mut out, &mut report, max_answer_bytes),
                (&mut err, &mut diagnostics, task.limits.max_diagnostic_bytes),
            ) => bound,
        };
        if bound.is_some() {
            end(&mut child, pid);
        }
        if !buried(&mut child, &self.running, pid).await {
            return lost("its processes do not die");
        }
        let result = match bound {
            Some(bound) => Err(Failure::Bound(bound)),
            None => verdict(&report, task.limits, max_answer_bytes),
        };
        Ended {
            result,
            diagnostics,
        }
    }

    /// How long it may take, and the bound that it exceeds else.
    fn time(&self, task: &Task<'_>) -> (Duration, Bound) {
        let ms = self.policy.timeout_ms;
        let timeout = Duration::from_millis(ms);
        match task.time_left.filter(|&left| left < timeout) {
            None => (timeout, Bound::Time { ms }),
            Some(left) => {
                let ms = u64::try_from(left.as_millis()).unwrap_or(ms);
                (left, Bound::Deadline { ms })
            }
        }
    }

    /// From the main thread: the sandbox dies with the thread that started it.
    fn start(&self, task: &Task<'_>, orders: &str) -> std::io::Result<Child> {
        let child = Command::new(&self.bwrap)
            .args(command::line(self, task, orders))
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        self.running.add(child.id());
        Ok(child)
    }
}

/// Ends with the bound that is exceeded, or never.
async fn watched(pid: u32, task: &Task<'_>) -> Bound {
    let mut ticks = time::interval(WATCH_EVERY);
    ticks.set_missed_tick_behavior(time::MissedTickBehavior::Delay);
    let mut watch = Watch::of(pid);
    loop {
        ticks.tick().await;
        let bound = match watch.look() {
            Ok(None) => None,
            Ok(Some(usage)) => {
                if let Some(seen) = task.seen {
                    seen.notify_one();
                }
                exceeded(&usage, task.limits)
            }
            Err(errno) => Some(Bound::Unseen(errno)),
        };
        if let Some(bound) = bound {
            return bound;
        }
    }
}

type Stream<'a, R> = (&'a mut R, &'a mut Vec<u8>, usize);

/// Reads both to their end, or to the bound that one exceeds.
async fn streams(
    (out, report, max_answer_bytes): Stream<'_, impl AsyncRead + Unpin>,
    (err, diagnostics, max_diagnostic_bytes): Stream<'_, impl AsyncRead + Unpin>,
) -> Option<Bound> {
    let answer = async {
        let fits = read(out, report, max_answer_bytes + MAX_LINE_BYTES).await;
        let bytes = max_answer_bytes;
        if fits {
            Ok(())
        } else {
            Err(Bound::Answer { bytes })
        }
    };
    let noise = async {
        let fits = read(err, diagnostics, max_diagnostic_bytes).await;
        let bytes = max_diagnostic_bytes;
        if fits {
            Ok(())
        } else {
            Err(Bound::Diagnostics { bytes })
        }
    };
    tokio::try_join!(answer, noise).err()
}

/// False if there is more than the limit. What cannot be read is at its end.
async fn read(from: &mut (impl AsyncRead + Unpin), into: &mut Vec<u8>, limit: usize) -> bool {
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    let _ended = from.take(most).read_to_end(into).await;
    let fits = into.len() <= limit;
    into.truncate(limit);
    fits
}

/// With its first process every process of a pid namespace dies. That one dies with bubblewrap
/// too, which is all that can be reached where its children cannot be listed.
fn end(child: &mut Child, bwrap: u32) {
    for pid in watch::children(bwrap).unwrap_or_default() {
        // It may have ended by itself.
        let _gone = kill(Pid::from_raw(pid), Signal::SIGKILL);
    }
    // The wait for it tells whether it helped.
    let _sent = child.start_kill();
}

/// Waits for the end of all processes, forces it if need be, and says whether it came.
async fn buried(child: &mut Child, running: &Running, pid: u32) -> bool {
    if time::timeout(DEATH, child.wait()).await.is_err() {
        end(child, pid);
    }
    let ended = time::timeout(DEATH, child.wait()).await.is_ok();
    running.remove(pid);
    ended && time::timeout(DEATH, running.reap()).await.is_ok()
}

fn verdict(
    report: &[u8],
    limits: &SandboxPolicy,
    max_answer_bytes: usize,
) -> Result<String, Failure> {
    let Some((report, answer)) = Report::parse(report) else {
        return Err(Failure::Lost(
            "what it said is in the diagnostics".to_owned(),
        ));
    };
    match report {
        Report::Answer { .. } => {
            let text = std::str::from_utf8(answer).map_err(|_| Failure::NotText)?;
            Ok(text.to_owned())
        }
        Report::Exited { code } => Err(Failure::Exited(code)),
        Report::Killed { signal } => Err(Failure::Killed(signal)),
        Report::NotStarted { cause } => Err(Failure::NotStarted(cause)),
        Report::NoAnswer { cause } => Err(Failure::NoAnswer(cause)),
        Report::DiskFull => Err(Failure::Bound(Bound::Disk {
            bytes: limits.max_disk_bytes,
        })),
        Report::AnswerTooLong => Err(Failure::Bound(Bound::Answer {
            bytes: max_answer_bytes,
        })),
    }
}

fn lost(cause: &str) -> Ended {
    Ended {
        result: Err(Failure::Lost(cause.to_owned())),
        diagnostics: Vec::new(),
    }
}
