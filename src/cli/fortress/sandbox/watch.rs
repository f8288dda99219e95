//! What a run uses, seen from outside through `/proc/<pid>/root`: the processes in it cannot
//! change what is counted.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::statvfs::statvfs;

use super::bounds::{FIRST_TO_GO, Usage};
use super::command::{MODEL_SOCKET, OUTPUT, SCRATCH};
use super::cpu::Cpu;

/// [`super::init`], seen from inside.
const OWN: u64 = 1;
/// `USER_HZ`, the same on every Linux that Rust runs on.
const TICKS_PER_SEC: u64 = 100;

/// Children of a process's first thread; of bubblewrap: the first process of the sandbox. None
/// if the process is gone.
///
/// # Errors
/// It cannot be seen.
pub fn children(pid: u32) -> io::Result<Vec<i32>> {
    let path = format!("/proc/{pid}/task/{pid}/children");
    let listed = unless_gone(fs::read_to_string(path))?.unwrap_or_default();
    let pids = listed.split_ascii_whitespace();
    Ok(pids.filter_map(|pid| pid.parse().ok()).collect())
}

/// What has ended is no error.
fn unless_gone<T>(found: io::Result<T>) -> io::Result<Option<T>> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(error) => match errno(&error) {
            Errno::ENOENT | Errno::ESRCH => Ok(None),
            _ => Err(error),
        },
    }
}

fn errno(error: &io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
}

/// Of one run.
#[derive(Debug)]
pub struct Watch {
    bwrap: u32,
    is_set_up: bool,
    cpu: Cpu,
}

impl Watch {
    pub fn of(bwrap: u32) -> Self {
        Self {
            bwrap,
            is_set_up: false,
            cpu: Cpu::default(),
        }
    }

    /// None while the sandbox is not set up, or is gone.
    ///
    /// # Errors
    /// It is there, or may be, and cannot be seen.
    pub fn look(&mut self) -> Result<Option<Usage>, Errno> {
        self.usage().map_err(|error| errno(&error))
    }

    fn usage(&mut self) -> io::Result<Option<Usage>> {
        let Some(pid) = children(self.bwrap)?.into_iter().next() else {
            return Ok(None);
        };
        let first = PathBuf::from(format!("/proc/{pid}"));
        let usage = self.usage_under(&first.join("root"));
        self.is_set_up |= usage.is_ok();
        let Err(error) = usage else {
            return usage.map(Some);
        };
        // With it the kernel kills all others.
        let status = unless_gone(text(&first.join("status")))?;
        let is_ending = status.is_none_or(|status| !has_memory(&status));
        let is_coming = !self.is_set_up && errno(&error) == Errno::ENOENT;
        if is_ending || is_coming {
            return Ok(None);
        }
        Err(error)
    }

    fn usage_under(&mut self, root: &Path) -> io::Result<Usage> {
        // Until bubblewrap has changed it, its root is ours, with all our processes.
        fs::symlink_metadata(root.join(MODEL_SOCKET.trim_start_matches('/')))?;
        let processes = processes(&root.join("proc"))?;
        let mut usage = Usage {
            cpu_secs: self.cpu.after(&processes) / TICKS_PER_SEC,
            tcp_ends: tcp_ends(&root.join("proc/1/net"))?,
            ..Usage::default()
        };
        for process in &processes {
            usage.memory_bytes += process.memory_bytes;
            usage.processes += process.threads;
            usage.open_files += process.open_files;
            usage.is_spared |= process.is_spared;
        }
        for folder in [SCRATCH, OUTPUT] {
            let (files, is_full) = space(&root.join(folder.trim_start_matches('/')))?;
            usage.files += files;
            usage.disk_is_full |= is_full;
        }
        Ok(usage)
    }
}

fn space(folder: &Path) -> nix::Result<(u64, bool)> {
    let space = statvfs(folder)?;
    let files = space.files().saturating_sub(space.files_free());
    Ok((files, space.blocks_free() == 0))
}

/// Of the whole network namespace: also those that no process holds any more, or that are on
/// their way from one to another.
fn tcp_ends(net: &Path) -> io::Result<u64> {
    let v4 = text(&net.join("sockstat"))?;
    // There is none where IPv6 is switched off.
    let v6 = unless_gone(text(&net.join("sockstat6")))?.unwrap_or_default();
    Ok(number(&v4, "TCP: inuse") + number(&v6, "TCP6: inuse"))
}

fn processes(folder: &Path) -> io::Result<Vec<Process>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) {
            found.extend(unless_gone(Process::read(pid, &entry.path()))?);
        }
    }
    Ok(found)
}

#[derive(Debug, Default, PartialEq, Eq)]
pub struct Process {
    pub pid: u64,
    /// In ticks since the machine started.
    pub started: u64,
    pub own_ticks: u64,
    /// Of children that it waited for.
    pub waited_ticks: u64,
    pub threads: u64,
    pub open_files: u64,
    pub memory_bytes: u64,
    pub is_spared: bool,
}

impl Process {
    /// Threads and files of init are not the agent's, nor does it go first before it has an agent.
    fn read(pid: u64, folder: &Path) -> io::Result<Self> {
        let process = Self::parse(pid, &text(&folder.join("stat"))?);
        let process = process.ok_or(io::ErrorKind::InvalidData)?;
        let (memory_bytes, open_files) = held(folder, process.threads)?;
        let (threads, open_files, is_spared) = match pid {
            OWN => (0, 0, false),
            _ => (process.threads, open_files, is_spared(folder)?),
        };
        Ok(Self {
            threads,
            open_files,
            memory_bytes,
            is_spared,
            ..process
        })
    }

    /// proc(5), `/proc/pid/stat`: fields 14 to 17 are times, 20 the threads, 22 the start. The
    /// second field, the name, may hold anything.
    fn parse(pid: u64, stat: &str) -> Option<Self> {
        let (_, rest) = stat.rsplit_once(") ")?;
        let field = |number: usize| -> Option<u64> {
            let text = rest.split(' ').nth(number.checked_sub(3)?)?;
            text.parse().ok()
        };
        Some(Self {
            pid,
            started: field(22)?,
            own_ticks: field(14)? + field(15)?,
            waited_ticks: field(16)? + field(17)?,
            threads: field(20)?,
            ..Self::default()
        })
    }
}

fn is_spared(folder: &Path) -> io::Result<bool> {
    let score = text(&folder.join("oom_score_adj"))?;
    let score: i64 = score
        .trim()
        .parse()
        .map_err(|_| io::ErrorKind::InvalidData)?;
    Ok(score < FIRST_TO_GO)
}

/// A process names itself as it likes, in bytes that need not be text.
fn text(path: &Path) -> io::Result<String> {
    Ok(String::from_utf8_lossy(&fs::read(path)?).into_owned())
}

/// Memory and open files. The first thread may have ended before the others, which then hold
/// them. A process that ends has none.
fn held(folder: &Path, threads: u64) -> io::Result<(u64, u64)> {
    let mut found = held_by(folder)?;
    if found.is_none() && threads > 1 {
        for task in fs::read_dir(folder.join("task"))? {
            found = found.or(unless_gone(held_by(&task?.path()))?.flatten());
        }
    }
    Ok(found.unwrap_or_default())
}

/// None if the thread is ending: it has no memory any more, and its files cannot be listed.
fn held_by(task: &Path) -> io::Result<Option<(u64, u64)>> {
    let files = fs::read_dir(task.join("fd"));
    let status = text(&task.join("status"))?;
    if !has_memory(&status) {
        return Ok(None);
    }
    let files = match files {
        Ok(files) => u64::try_from(files.count()).unwrap_or(u64::MAX),
        // It asked not to be looked into. It has no more than it has room for.
        Err(error) if errno(&error) == Errno::EACCES => number(&status, "FDSize:"),
        Err(error) => return Err(error),
    };
    Ok(Some((memory(&status), files)))
}

/// Not so once it is ending.
fn has_memory(status: &str) -> bool {
    status.contains("\nRssAnon:")
}

/// What no file backs, in memory or swapped out, and the tables that map it.
fn memory(status: &str) -> u64 {
    let counted = [
        "RssAnon:",
        "RssShmem:",
        "VmSwap:",
        "VmPTE:",
        "HugetlbPages:",
    ];
    let kib: u64 = counted.iter().map(|name| number(status, name)).sum();
    kib * 1024
}

fn number(status: &str, name: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let digits = line.and_then(|line| line.split_ascii_whitespace().next());
    digits.and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_read_past_any_name() {
        let fields: Vec<String> = (3..=52).map(|field: u64| field.to_string()).collect();
        let expected = Process {
            pid: 7,
            started: 22,
            own_ticks: 14 + 15,
            waited_ticks: 16 + 17,
            threads: 20,
            ..Process::default()
        };
        for name in ["sh", ") R 1", "a b) c ((", ""] {
            let stat = format!("7 ({name}) {}", fields.join(" "));
            assert_eq!(Process::parse(7, &stat).as_ref(), Some(&expected), "{name}");
        }
        assert_eq!(Process::parse(7, "7 (sh) R 1"), None);
        assert_eq!(Process::parse(7, ""), None);
    }

    #[test]
    fn memory_is_what_no_file_backs() {
        let status = "Name:\tx\nRssAnon:\t     120 kB\nRssFile:\t  9 kB\nRssShmem:\t  8 kB\n\
                      VmPTE:\t  4 kB\nVmSwap:\t  16 kB\nHugetlbPages:\t 2048 kB\n";
        assert_eq!(memory(status), (128 + 20 + 2048) * 1024);
    }

    #[test]
    fn what_is_gone_is_told_from_what_cannot_be_seen() {
        let failed = |errno: Errno| unless_gone::<()>(Err(errno.into()));
        assert!(failed(Errno::ESRCH).is_ok_and(|found| found.is_none()));
        assert!(failed(Errno::ENOENT).is_ok_and(|found| found.is_none()));
        assert!(failed(Errno::EMFILE).is_err());
        // No process has this pid.
        assert_eq!(Watch::of(u32::MAX).look(), Ok(None));
    }
}
