//! Limits that a process sets itself, for good, and that all it starts inherit.

use chitty_core::fortress::SandboxPolicy;
use nix::sys::resource::{Resource, setrlimit};

/// Threads of [`super::init`] and its relay, which count like the agent's.
const OWN_THREADS: u64 = 40;
const STACK_BYTES: u64 = 8 << 20;
const OPEN_FILES: u64 = 512;
const LOCKED_BYTES: u64 = 64 << 10;
/// Too little for any file, and what tells the kernel to pass no core on to a program either:
/// it does that at 0 (core(5), `do_coredump`).
const CORE_BYTES: u64 = 1;

/// They count from the moment they are set in the new user namespace: set before, the limit on
/// processes would count all of the server's own. They hold one by one what the watch bounds
/// together, and stand a little above it, so that it is the watch that tells which bound it was.
pub fn set(policy: &SandboxPolicy) -> nix::Result<()> {
    let limits = [
        (Resource::RLIMIT_NPROC, policy.max_processes + OWN_THREADS),
        (Resource::RLIMIT_DATA, policy.max_memory_bytes * 2),
        (Resource::RLIMIT_CPU, policy.max_cpu_secs + 2),
        (Resource::RLIMIT_STACK, STACK_BYTES),
        (Resource::RLIMIT_NOFILE, OPEN_FILES),
        (Resource::RLIMIT_MEMLOCK, LOCKED_BYTES),
        (Resource::RLIMIT_MSGQUEUE, 0),
        (Resource::RLIMIT_CORE, CORE_BYTES),
    ];
    limits
        .into_iter()
        .try_for_each(|(resource, limit)| setrlimit(resource, limit, limit))
}
