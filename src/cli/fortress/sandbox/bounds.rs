use chitty_core::fortress::SandboxPolicy;
use nix::errno::Errno;

/// Open files of all processes together. Pipes and sockets keep what is in them in memory of the
/// kernel, up to some 200 KiB each.
pub const MAX_OPEN_FILES: u64 = 1_024;
/// Ends of TCP connections, 33 of the relay's at most among them. Each keeps what is in it in
/// memory of the kernel, up to what `tcp_rmem` and `tcp_wmem` allow, which is far more than a pipe
/// may.
pub const MAX_TCP_ENDS: u64 = 40;
/// `oom_score_adj` of an agent: if the machine runs out of memory, it goes first.
pub const FIRST_TO_GO: i64 = 1_000;

/// The bound that ended a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    Time {
        ms: u64,
    },
    /// The caller's time, which is shorter.
    Deadline {
        ms: u64,
    },
    Cpu {
        secs: u64,
    },
    Memory {
        bytes: u64,
    },
    Processes {
        limit: u64,
    },
    Disk {
        bytes: u64,
    },
    Files {
        limit: u64,
    },
    Diagnostics {
        bytes: usize,
    },
    Answer {
        bytes: usize,
    },
    OpenFiles,
    TcpEnds,
    Spared,
    /// It cannot be seen what the run uses, so no bound would hold.
    Unseen(Errno),
}

impl std::fmt::Display for Bound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Time { ms } => write!(f, "time: the run took longer than {ms} ms"),
            Self::Deadline { ms } => {
                write!(f, "time: the caller gave the run {ms} ms")
            }
            Self::Cpu { secs } => write!(f, "cpu: the run used more than {secs} s of processor"),
            Self::Memory { bytes } => {
                write!(f, "memory: the run used more than {bytes} bytes")
            }
            Self::Processes { limit } => {
                write!(f, "processes: more than {limit} at once")
            }
            Self::Disk { bytes } => write!(
                f,
                "disk: the output or scratch directory is full at {bytes} bytes"
            ),
            Self::Files { limit } => write!(f, "files: more than {limit} were made"),
            Self::Diagnostics { bytes } => write!(
                f,
                "diagnostics: more than {bytes} bytes on standard output and error"
            ),
            Self::Answer { bytes } => write!(f, "answer: longer than {bytes} bytes"),
            Self::OpenFiles => write!(f, "open files: more than {MAX_OPEN_FILES} at once"),
            Self::TcpEnds => write!(
                f,
                "connections: more than {MAX_TCP_ENDS} ends of TCP at once"
            ),
            Self::Spared => write!(
                f,
                "oom_score_adj: a process would not go first when memory ends"
            ),
            Self::Unseen(errno) => write!(f, "watch: the run could not be watched ({errno})"),
        }
    }
}

/// What the processes of a run use together at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    pub cpu_secs: u64,
    pub memory_bytes: u64,
    pub processes: u64,
    pub open_files: u64,
    pub tcp_ends: u64,
    /// Whether one of them took back that it goes first.
    pub is_spared: bool,
    pub files: u64,
    pub disk_is_full: bool,
}

/// The first bound that is exceeded.
pub fn exceeded(usage: &Usage, policy: &SandboxPolicy) -> Option<Bound> {
    let bounds = [
        (
            usage.processes > policy.max_processes,
            Bound::Processes {
                limit: policy.max_processes,
            },
        ),
        (
            usage.memory_bytes > policy.max_memory_bytes,
            Bound::Memory {
                bytes: policy.max_memory_bytes,
            },
        ),
        (usage.open_files > MAX_OPEN_FILES, Bound::OpenFiles),
        (usage.tcp_ends > MAX_TCP_ENDS, Bound::TcpEnds),
        (usage.is_spared, Bound::Spared),
        (
            usage.disk_is_full,
            Bound::Disk {
                bytes: policy.max_disk_bytes,
            },
        ),
        (
            usage.files > policy.max_files,
            Bound::Files {
                limit: policy.max_files,
            },
        ),
        (
            usage.cpu_secs > policy.max_cpu_secs,
            Bound::Cpu {
                secs: policy.max_cpu_secs,
            },
        ),
    ];
    bounds
        .into_iter()
        .find_map(|(is_over, bound)| is_over.then_some(bound))
}
