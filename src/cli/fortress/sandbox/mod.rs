//! The sandbox of an agent: namespaces by bubblewrap, a filter of system calls, limits, and a
//! watch from outside.
//!
//! ```text
//! server ── bwrap ──▶ init (pid 1, this binary) ──▶ agent
//!   │ watch: /proc of the sandbox,   │ relay: 127.0.0.1:8080
//!   │ seen from outside              │
//!   └── model proxy on a Unix socket ◀
//! ```
//! Inside there is no network but the relay, no file of the host but `/usr` and what the
//! operator binds, all read-only, and no way to write but `/output` and `/tmp`, both in memory
//! and bounded. The answer is `/output/output.txt`, which [`init`] hands out by its standard
//! output once every other process is dead.

mod bounds;
mod command;
mod cpu;
pub mod init;
mod limits;
pub mod probe;
mod relay;
mod report;
mod run;
mod running;
mod seccomp;
mod syscalls;
mod watch;

use std::path::PathBuf;

use chitty_core::fortress::{Policy, SandboxPolicy};

pub use run::{Failure, Task};
pub use running::Running;

/// Where the agent finds the model, by plain HTTP.
pub const RELAY_PORT: u16 = 8080;

/// What is the same for all runs.
#[derive(Debug)]
pub struct Sandbox {
    pub bwrap: PathBuf,
    /// This program, which is `init` inside.
    pub this_program: PathBuf,
    /// Folders and files of the host to be seen inside, read-only, at the same place.
    pub binds: Vec<PathBuf>,
    pub policy: Policy,
    /// The policy's own, for the processes.
    pub limits: SandboxPolicy,
    pub running: Running,
}
