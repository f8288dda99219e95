//! Sandboxes that are not dead yet.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::prctl::set_child_subreaper;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use super::watch;

const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// Pids of the `bwrap` processes that are waited for elsewhere.
///
/// `bwrap` may be dead before the first process of its sandbox, which dies last of all in its
/// namespace; so this program adopts orphans, and once it has buried them nothing of the sandbox
/// is left.
#[derive(Debug, Default)]
pub struct Running(Mutex<BTreeSet<i32>>);

impl Running {
    /// # Errors
    /// The kernel does not let this program adopt orphans.
    pub fn adopting() -> nix::Result<Self> {
        set_child_subreaper(true)?;
        Ok(Self::default())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<i32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn add(&self, pid: Option<u32>) {
        self.lock()
            .extend(pid.and_then(|pid| i32::try_from(pid).ok()));
    }

    pub fn remove(&self, pid: u32) {
        self.lock()
            .retain(|&other| i64::from(other) != i64::from(pid));
    }

    /// Until no orphan is left.
    pub async fn reap(&self) {
        while self.has_orphans() {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// True as well while it cannot be seen.
    fn has_orphans(&self) -> bool {
        let Ok(mut orphans) = watch::children(std::process::id()) else {
            return true;
        };
        let known = self.lock();
        orphans.retain(|pid| !known.contains(pid));
        orphans
            .into_iter()
            .any(|pid| !is_buried(Pid::from_raw(pid)))
    }
}

fn is_buried(pid: Pid) -> bool {
    let _dead = kill(pid, Signal::SIGKILL);
    let status = waitpid(pid, Some(WaitPidFlag::WNOHANG));
    !matches!(status, Ok(WaitStatus::StillAlive) | Err(Errno::EINTR))
}
