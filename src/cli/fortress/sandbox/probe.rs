//! Whether the sandbox holds, asked from inside it: the same sandbox, with [`run`] as the agent.
//! A server does not start before each finding is good.

use std::fs;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit};
use serde::{Deserialize, Serialize};

use super::RELAY_PORT;
use super::command::INPUT;

/// How many properties are looked at.
pub const FINDINGS: usize = 16;
const PATIENCE: Duration = Duration::from_secs(2);
const LOOK_AGAIN: Duration = Duration::from_millis(5);
/// The server makes it once its watch has seen the sandbox.
pub const SEEN: &str = "seen";
/// What no agent may see, wherever the server stands.
const SECRET: [&str; 5] = ["/etc/shadow", "/root", "/home", "/sys/kernel", "/etc/ssh"];
/// All that the environment may hold.
const VARIABLES: [&str; 10] = [
    "PATH",
    "HOME",
    "TMPDIR",
    "LANG",
    "PWD",
    "OPENAI_BASE_URL",
    "OPENAI_API_KEY",
    "FORTRESS_INPUT",
    "FORTRESS_OUTPUT",
    "FORTRESS_MODEL",
];

/// What the server knows that must not be reachable.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Outside {
    pub server: SocketAddr,
    pub folders: Vec<PathBuf>,
}

/// One property of the sandbox.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Finding {
    pub what: String,
    pub holds: bool,
}

pub fn run(outside: &str) -> ExitCode {
    let Ok(outside) = serde_json::from_str::<Outside>(outside) else {
        return ExitCode::FAILURE;
    };
    let findings = serde_json::json!(look(&outside)).to_string();
    match fs::write("/output/output.txt", findings) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn look(outside: &Outside) -> Vec<Finding> {
    let checks: [(&str, bool); FINDINGS] = [
        ("it has no network interface but loopback", only_loopback()),
        ("the server's own port cannot be reached", !reaches(outside)),
        ("nothing can be sent to the internet", !sends()),
        ("the model's proxy can be reached", asks_proxy()),
        ("files of the host cannot be seen", sees_none(outside)),
        ("its root is read-only", !writes("/probe")),
        ("programs are read-only", !writes("/usr/probe")),
        ("the input is read-only", !writes("/input/probe")),
        ("it sees no process but its own", few_processes()),
        (
            "it has no capability",
            status_is("self", "CapEff:", "0000000000000000"),
        ),
        (
            "it cannot gain privileges",
            status_is("self", "NoNewPrivs:", "1"),
        ),
        (
            "system calls are filtered, those of its first process too",
            ["self", "1"]
                .into_iter()
                .all(|pid| status_is(pid, "Seccomp:", "2")),
        ),
        ("its first process is closed to it", !enters_init()),
        (
            "its environment is clean, and no file is left open",
            is_clean(),
        ),
        ("its limits are set", limits_are_set()),
        ("it is watched from outside", is_watched()),
    ];
    checks
        .into_iter()
        .map(|(what, holds)| Finding {
            what: what.to_owned(),
            holds,
        })
        .collect()
}

fn only_loopback() -> bool {
    let listed = fs::read_to_string("/proc/net/dev").unwrap_or_default();
    let mut names = listed
        .lines()
        .skip(2)
        .filter_map(|line| line.split_once(':'));
    !listed.is_empty() && names.all(|(name, _)| name.trim() == "lo")
}

fn reaches(outside: &Outside) -> bool {
    TcpStream::connect_timeout(&outside.server, PATIENCE).is_ok()
}

/// To an address for documentation (RFC 5737), which is nobody's.
fn sends() -> bool {
    let nobody = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 9);
    let datagram = UdpSocket::bind("0.0.0.0:0").and_then(|socket| socket.send_to(b"x", nobody));
    datagram.is_ok() || TcpStream::connect_timeout(&nobody, PATIENCE).is_ok()
}

/// It answers, with a refusal, what is no call to a model.
fn asks_proxy() -> bool {
    let proxy = SocketAddr::from((Ipv4Addr::LOCALHOST, RELAY_PORT));
    let asked = TcpStream::connect_timeout(&proxy, PATIENCE).and_then(|mut stream| {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(b"GET /probe HTTP/1.1\r\nhost: model\r\nconnection: close\r\n\r\n")?;
        let mut answer = [0; 12];
        stream.read_exact(&mut answer)?;
        Ok(answer)
    });
    asked.is_ok_and(|answer| &answer == b"HTTP/1.1 403")
}

fn sees_none(outside: &Outside) -> bool {
    let secret = SECRET.iter().map(Path::new);
    let mut paths = secret.chain(outside.folders.iter().map(PathBuf::as_path));
    paths.all(|path| fs::symlink_metadata(path).is_err())
}

fn writes(path: &str) -> bool {
    fs::write(path, "x").is_ok()
}

/// init and this one.
fn few_processes() -> bool {
    let is_pid = |name: &str| name.bytes().all(|byte| byte.is_ascii_digit());
    let pids = fs::read_dir("/proc").map(|entries| {
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        names.filter(|name| is_pid(name)).count()
    });
    pids.is_ok_and(|count| count == 2)
}

/// Whoever writes to its memory makes it do anything.
fn enters_init() -> bool {
    let mut writing = fs::OpenOptions::new();
    let opened = writing.write(true).open("/proc/1/mem");
    opened.is_ok() || fs::read_dir("/proc/1/fd").is_ok()
}

fn status_is(pid: &str, name: &str, value: &str) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let found = status.lines().find_map(|line| line.strip_prefix(name));
    found.is_some_and(|found| found.trim() == value)
}

/// Of open files, the three streams and the one that lists them.
fn is_clean() -> bool {
    let named =
        |name: std::ffi::OsString| name.to_str().is_some_and(|name| VARIABLES.contains(&name));
    let open = fs::read_dir("/proc/self/fd").map(Iterator::count);
    std::env::vars_os().all(|(name, _)| named(name)) && open.is_ok_and(|count| count == 4)
}

fn limits_are_set() -> bool {
    let limited = |resource| getrlimit(resource).is_ok_and(|(_, hard)| hard != RLIM_INFINITY);
    [
        Resource::RLIMIT_NPROC,
        Resource::RLIMIT_DATA,
        Resource::RLIMIT_CPU,
        Resource::RLIMIT_CORE,
    ]
    .into_iter()
    .all(limited)
}

fn is_watched() -> bool {
    let seen = Path::new(INPUT).join(SEEN);
    let end = Instant::now() + PATIENCE;
    while !seen.exists() && Instant::now() < end {
        sleep(LOOK_AGAIN);
    }
    seen.exists()
}
