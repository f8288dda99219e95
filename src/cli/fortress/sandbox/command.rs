//! The command line of bubblewrap.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::run::Task;
use super::{RELAY_PORT, Sandbox};

pub const INPUT: &str = "/input";
pub const OUTPUT: &str = "/output";
pub const SCRATCH: &str = "/tmp";
pub const MODEL_SOCKET: &str = "/model.sock";
const INIT: &str = "/chitty";
/// Top folders that are links into `/usr` on most systems, and folders on others.
const SYSTEM: [&str; 5] = ["/bin", "/sbin", "/lib", "/lib32", "/lib64"];
/// Names and paths that the programs in `/usr` need, nothing that tells of this machine.
const SETTINGS: [&str; 3] = ["/etc/alternatives", "/etc/ld.so.cache", "/etc/mime.types"];
/// Not `/dev/zero`: what is mapped of it and shared is memory that no process's status counts.
const DEVICES: [&str; 4] = ["/dev/null", "/dev/full", "/dev/random", "/dev/urandom"];
const STREAMS: [(&str, &str); 4] = [
    ("/proc/self/fd", "/dev/fd"),
    ("/proc/self/fd/0", "/dev/stdin"),
    ("/proc/self/fd/1", "/dev/stdout"),
    ("/proc/self/fd/2", "/dev/stderr"),
];

struct Line(Vec<OsString>);

impl Line {
    fn add(&mut self, words: &[&str]) {
        self.0.extend(words.iter().map(OsString::from));
    }

    fn bind(&mut self, option: &str, from: &Path, to: &Path) {
        self.add(&[option]);
        self.0.extend([from.into(), to.into()]);
    }

    fn memory(&mut self, bytes: u64, at: &str) {
        self.add(&[
            "--size",
            &bytes.to_string(),
            "--perms",
            "0700",
            "--tmpfs",
            at,
        ]);
    }

    fn set(&mut self, name: &str, value: &str) {
        self.add(&["--setenv", name, value]);
    }
}

/// Arguments for `bwrap`, up to and with the agent's own.
pub fn line(sandbox: &Sandbox, task: &Task<'_>, orders: &str) -> Vec<OsString> {
    let mut line = Line(Vec::new());
    isolation(&mut line);
    system(&mut line);
    line.add(&["--proc", "/proc"]);
    devices(&mut line);
    let bytes = task.limits.max_disk_bytes;
    line.memory(bytes, SCRATCH);
    line.memory(bytes, OUTPUT);
    for path in &sandbox.binds {
        line.bind("--ro-bind", path, path);
    }
    line.bind("--ro-bind", task.input, Path::new(INPUT));
    line.bind("--ro-bind", task.socket, Path::new(MODEL_SOCKET));
    line.bind("--ro-bind", &sandbox.this_program, Path::new(INIT));
    line.add(&["--remount-ro", "/"]);
    environment(&mut line, task);
    line.add(&["--chdir", SCRATCH, "--", INIT]);
    line.add(&["fortress", "sandbox-init", orders, "--"]);
    line.0.extend(task.command.iter().map(OsString::from));
    line.0
}

fn isolation(line: &mut Line) {
    line.add(&["--unshare-user", "--unshare-pid", "--unshare-net"]);
    line.add(&["--unshare-ipc", "--unshare-uts", "--unshare-cgroup"]);
    line.add(&["--uid", "1000", "--gid", "1000", "--hostname", "fortress"]);
    line.add(&["--die-with-parent", "--new-session", "--cap-drop", "ALL"]);
    line.add(&["--disable-userns", "--assert-userns-disabled"]);
    // Else pid 1 is bubblewrap's own: of the agent's user, unfiltered, open to being written to.
    line.add(&["--as-pid-1"]);
}

fn devices(line: &mut Line) {
    for device in DEVICES {
        line.add(&["--dev-bind", device, device]);
    }
    for (stream, name) in STREAMS {
        line.add(&["--symlink", stream, name]);
    }
}

fn system(line: &mut Line) {
    line.add(&["--ro-bind", "/usr", "/usr"]);
    for folder in SYSTEM.map(PathBuf::from) {
        if let Ok(target) = std::fs::read_link(&folder) {
            line.bind("--symlink", &target, &folder);
        } else if folder.is_dir() {
            line.bind("--ro-bind", &folder, &folder);
        }
    }
    for path in SETTINGS.map(Path::new) {
        line.bind("--ro-bind-try", path, path);
    }
}

fn environment(line: &mut Line, task: &Task<'_>) {
    let base_url = format!("http://127.0.0.1:{RELAY_PORT}/v1");
    line.add(&["--clearenv"]);
    line.set("PATH", "/usr/local/bin:/usr/bin:/bin");
    line.set("HOME", SCRATCH);
    line.set("TMPDIR", SCRATCH);
    line.set("LANG", "C.UTF-8");
    line.set("OPENAI_BASE_URL", &base_url);
    // Clients want one. The key itself never comes in here.
    line.set("OPENAI_API_KEY", "the-server-has-it");
    line.set("FORTRESS_INPUT", INPUT);
    line.set("FORTRESS_OUTPUT", OUTPUT);
    line.set("FORTRESS_MODEL", task.model);
}
