//! The first process of the sandbox. It gives up what it has, starts the agent, buries orphans,
//! and when the agent ends, kills what is left and hands out the answer.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::process::{Command, ExitCode, Stdio};

use chitty_core::fortress::SandboxPolicy;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl::set_dumpable;
use nix::sys::signal::{Signal, kill};
use nix::sys::statvfs::statvfs;
use nix::sys::wait::{WaitStatus, wait};
use nix::unistd::{Pid, close};
use serde::{Deserialize, Serialize};

use super::bounds::FIRST_TO_GO;
use super::command::{OUTPUT, SCRATCH};
use super::report::Report;
use super::{limits, relay, seccomp};

/// Elsewhere the end of a run would kill what is not its own. The first process of a namespace
/// takes no signal from inside, and all others die with it.
const OWN_PID: Pid = Pid::from_raw(1);
const ANSWER: &str = "/output/output.txt";

/// What the server orders.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Orders {
    pub limits: SandboxPolicy,
    pub max_answer_bytes: usize,
}

/// Runs the agent. The exit code says whether the report could be written; all else is in the
/// report.
pub fn run(orders: &str, agent: &[String]) -> ExitCode {
    let report = serde_json::from_str(orders)
        .map_err(|_| "the orders are unreadable".to_owned())
        .and_then(|orders: Orders| {
            confine(&orders)?;
            Ok(obey(&orders, agent))
        });
    let (report, answer) = report.unwrap_or_else(not_started);
    let mut out = io::stdout();
    let written = out
        .write_all(report.line().as_bytes())
        .and_then(|()| out.write_all(&answer))
        .and_then(|()| out.flush());
    ExitCode::from(u8::from(written.is_err()))
}

/// Gives up for good what the agent must not have. An agent cannot look into this process
/// either, though both have one user.
fn confine(orders: &Orders) -> Result<(), String> {
    if nix::unistd::getpid() != OWN_PID {
        return Err("this is not the first process of a pid namespace of its own".to_owned());
    }
    close_inherited().map_err(|error| format!("inherited files stay open: {error}"))?;
    // If the machine runs out of memory, the agent goes first.
    std::fs::write("/proc/self/oom_score_adj", FIRST_TO_GO.to_string())
        .map_err(|error| error.to_string())?;
    set_dumpable(false).map_err(|error| format!("init can be looked into: {error}"))?;
    limits::set(&orders.limits).map_err(|error| format!("limits cannot be set: {error}"))?;
    seccomp::apply().map_err(|error| error.to_string())?;
    die_with_server().map_err(|error| error.to_string())?;
    relay::start().map_err(|error| format!("the way to the model cannot be opened: {error}"))
}

/// bubblewrap dies with the server, once it has asked the kernel for that. A server that is
/// gone before leaves a pipe that nobody reads.
fn die_with_server() -> io::Result<()> {
    let watching = std::thread::Builder::new().spawn(|| {
        let out = io::stdout();
        // An error is told of whether one asks for it or not.
        let mut ends = [PollFd::new(out.as_fd(), PollFlags::empty())];
        while poll(&mut ends, PollTimeout::NONE) == Err(Errno::EINTR) {}
        std::process::exit(1);
    });
    watching.map(drop)
}

fn close_inherited() -> io::Result<()> {
    let open: Vec<i32> = std::fs::read_dir("/proc/self/fd")?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|&fd| fd > 2)
        .collect();
    for fd in open {
        // The one that listed them is closed already.
        let _closed = close(fd);
    }
    Ok(())
}

fn obey(orders: &Orders, agent: &[String]) -> (Report, Vec<u8>) {
    let end = start(agent).and_then(|agent| end_of(agent).map_err(|error| error.to_string()));
    // Whatever it left behind: everything but this process.
    let _none_left = kill(Pid::from_raw(-1), Signal::SIGKILL);
    while wait() != Err(Errno::ECHILD) {}
    match end {
        Err(cause) => not_started(cause),
        Ok(_) if is_full(OUTPUT) || is_full(SCRATCH) => (Report::DiskFull, Vec::new()),
        Ok(End::Exited(0)) => answer(orders.max_answer_bytes),
        Ok(End::Exited(code)) => (Report::Exited { code }, Vec::new()),
        Ok(End::Killed(signal)) => (Report::Killed { signal }, Vec::new()),
    }
}

fn not_started(cause: String) -> (Report, Vec<u8>) {
    (Report::NotStarted { cause }, Vec::new())
}

/// Its standard output and error are our standard error, which the server bounds. Ours is the
/// way to report.
fn start(agent: &[String]) -> Result<Pid, String> {
    let (program, arguments) = agent.split_first().ok_or("no command is given")?;
    let stream = || io::stderr().as_fd().try_clone_to_owned().map(Stdio::from);
    let started = stream().and_then(|out| {
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(out);
        command.stderr(stream()?).spawn()
    });
    let child = started.map_err(|error| error.to_string())?;
    i32::try_from(child.id())
        .map(Pid::from_raw)
        .map_err(|error| error.to_string())
}

enum End {
    Exited(i32),
    Killed(i32),
}

/// Waits for the agent, and meanwhile for the orphans that the first process of a namespace
/// inherits: so their processor time is counted, and none stays a zombie.
fn end_of(agent: Pid) -> nix::Result<End> {
    loop {
        match wait() {
            Ok(WaitStatus::Exited(pid, code)) if pid == agent => return Ok(End::Exited(code)),
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid == agent => {
                return Ok(End::Killed(signal as i32));
            }
            // Waited for, but it died by a real-time signal, for which nix has no name.
            Err(Errno::EINVAL) if kill(agent, None).is_err() => {
                return Ok(End::Killed(libc::SIGRTMIN()));
            }
            Ok(_) | Err(Errno::EINTR | Errno::EINVAL) => {}
            Err(error) => return Err(error),
        }
    }
}

fn is_full(folder: &str) -> bool {
    statvfs(folder).is_ok_and(|space| space.blocks_free() == 0)
}

fn answer(max_bytes: usize) -> (Report, Vec<u8>) {
    match read_answer(max_bytes) {
        Ok(answer) if answer.len() > max_bytes => (Report::AnswerTooLong, Vec::new()),
        Ok(answer) => {
            let bytes = answer.len();
            (Report::Answer { bytes }, answer)
        }
        Err(error) => {
            let cause = error.to_string();
            (Report::NoAnswer { cause }, Vec::new())
        }
    }
}

/// A plain file and nothing else: no link is followed, no pipe or device waited for.
fn read_answer(max_bytes: usize) -> io::Result<Vec<u8>> {
    let file: File = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(ANSWER)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no plain file"));
    }
    let limit = u64::try_from(max_bytes).unwrap_or(u64::MAX);
    let mut answer = Vec::new();
    file.take(limit.saturating_add(1))
        .read_to_end(&mut answer)?;
    Ok(answer)
}
