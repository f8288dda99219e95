//! Sandboxes that are not dead yet.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::prctl::set_child_subreaper;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use super::watch;

const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// Pids of the `bwrap` processes that are waited for elsewhere.
///
/// `bwrap` ends when it hears that the first process of its sandbox is about to. That one dies
/// last of all in its namespace, as an orphan; so this program adopts orphans, and once it has
/// buried them nothing of the sandbox is left.
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
        while self.orphans().into_iter().any(|pid| !is_buried(pid)) {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    fn orphans(&self) -> Vec<i32> {
        let known = self.lock();
        let mut children = watch::children(std::process::id());
        children.retain(|pid| !known.contains(pid));
        children
    }
}

fn is_buried(pid: i32) -> bool {
    let status = waitpid(Pid::from_raw(pid), Some(WaitPidFlag::WNOHANG));
    !matches!(status, Ok(WaitStatus::StillAlive) | Err(Errno::EINTR))
}
