//! What a run uses, seen from outside through `/proc/<pid>/root`: the processes in it cannot
//! change what is counted.

use std::fs;
use std::path::{Path, PathBuf};

use nix::sys::statvfs::statvfs;

use super::bounds::Usage;
use super::command::{MODEL_SOCKET, OUTPUT, SCRATCH};

/// Pids inside: bubblewrap, and [`super::init`].
const OWN: [u64; 2] = [1, 2];
/// `USER_HZ`, the same on every Linux that Rust runs on.
const TICKS_PER_SEC: u64 = 100;

/// Children of a process's first thread; of bubblewrap: pid 1 of the sandbox.
pub fn children(pid: u32) -> Vec<i32> {
    let listed = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    let listed = listed.unwrap_or_default();
    listed
        .split_ascii_whitespace()
        .filter_map(|pid| pid.parse().ok())
        .collect()
}

/// None while the sandbox is not set up, or is gone.
pub fn look(bwrap: u32) -> Option<Usage> {
    let pid = children(bwrap).into_iter().next()?;
    let root = PathBuf::from(format!("/proc/{pid}/root"));
    // Until bubblewrap has changed it, its root is ours, with all our processes.
    fs::symlink_metadata(root.join(MODEL_SOCKET.trim_start_matches('/'))).ok()?;
    let mut usage = Usage::default();
    let mut ticks = 0;
    for entry in fs::read_dir(root.join("proc")).ok()?.flatten() {
        let name = entry.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        // It may have ended meanwhile.
        let Some(process) = Process::read(&entry.path()) else {
            continue;
        };
        ticks += process.ticks;
        usage.memory_bytes += process.memory_bytes;
        if !OWN.contains(&pid) {
            usage.processes += process.threads;
        }
    }
    usage.cpu_secs = ticks / TICKS_PER_SEC;
    for folder in [SCRATCH, OUTPUT] {
        let (files, is_full) = space(&root.join(folder.trim_start_matches('/')))?;
        usage.files += files;
        usage.disk_is_full |= is_full;
    }
    Some(usage)
}

fn space(folder: &Path) -> Option<(u64, bool)> {
    let space = statvfs(folder).ok()?;
    let files = space.files().saturating_sub(space.files_free());
    Some((files, space.blocks_free() == 0))
}

#[derive(Debug, PartialEq, Eq)]
struct Process {
    /// Of its own and of its children that ended.
    ticks: u64,
    threads: u64,
    memory_bytes: u64,
}

impl Process {
    fn read(folder: &Path) -> Option<Self> {
        let stat = fs::read_to_string(folder.join("stat")).ok()?;
        let status = fs::read_to_string(folder.join("status")).ok()?;
        let (ticks, threads) = counters(&stat)?;
        Some(Self {
            ticks,
            threads,
            memory_bytes: memory(&status),
        })
    }
}

/// proc(5), `/proc/pid/stat`: fields 14 to 17 are times, 20 the threads. The second field, the
/// name, may hold anything.
fn counters(stat: &str) -> Option<(u64, u64)> {
    let (_, rest) = stat.rsplit_once(") ")?;
    let field = |number: usize| -> Option<u64> {
        let text = rest.split(' ').nth(number.checked_sub(3)?)?;
        text.parse().ok()
    };
    let ticks = field(14)? + field(15)? + field(16)? + field(17)?;
    Some((ticks, field(20)?))
}

/// What files do not back: `RssAnon` and `RssShmem`. A process that has ended has none.
fn memory(status: &str) -> u64 {
    let kib = |name: &str| -> u64 {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let digits = line.and_then(|line| line.trim().strip_suffix(" kB"));
        digits.and_then(|digits| digits.parse().ok()).unwrap_or(0)
    };
    (kib("RssAnon:") + kib("RssShmem:")) * 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_read_past_any_name() {
        let fields: Vec<String> = (3..=52).map(|field: u64| field.to_string()).collect();
        for name in ["sh", ") R 1", "a b) c ((", ""] {
            let stat = format!("7 ({name}) {}", fields.join(" "));
            assert_eq!(counters(&stat), Some((14 + 15 + 16 + 17, 20)), "{name}");
        }
        assert_eq!(counters("7 (sh) R 1"), None);
        assert_eq!(counters(""), None);
    }

    #[test]
    fn memory_is_what_no_file_backs() {
        let status = "Name:\tx\nRssAnon:\t     120 kB\nRssFile:\t  9 kB\nRssShmem:\t  8 kB\n";
        assert_eq!(memory(status), 128 * 1024);
        assert_eq!(memory("Name:\tzombie\n"), 0);
    }
}
