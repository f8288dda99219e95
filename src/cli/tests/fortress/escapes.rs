//! Ways around the bounds and the watch.

use std::path::Path;

use super::hostile::{QUICK, assert_bound, assert_unharmed};
use super::world::{World, until};

#[test]
fn takes_over_the_first_process() {
    let world = World::start(&QUICK);
    let script = r#"{
        perl -e 'print open(F, "+<", "/proc/1/mem") ? "written" : "shut: $!", "\n"'
        grep Seccomp: /proc/1/status
        ls /proc | grep -c '^[0-9]*$'
        tr '\0' '\n' < /proc/1/cmdline | head -n 3
    } > /tmp/said; cp /tmp/said /output/output.txt"#;
    let output = world.good(script)["output"].as_str().unwrap().to_owned();
    let lines: Vec<&str> = output.lines().collect();
    assert_eq!(lines[..2], ["shut: Permission denied", "Seccomp:\t2"]);
    // init, the shell, ls and grep: none of bubblewrap's, whose command line tells of the host.
    assert_eq!(lines[2..], ["4", "/chitty", "fortress", "sandbox-init"]);
    assert_unharmed(&world);
}

#[test]
fn hides_memory_and_files_from_the_watch() {
    let world = World::start(&QUICK);
    let (shared, private) = (
        libc::MAP_SHARED | libc::MAP_ANONYMOUS,
        libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
    );
    // One with files of its own.
    let thread = libc::CLONE_VM | libc::CLONE_SIGHAND | libc::CLONE_THREAD;
    let script = format!(
        "map() {{ perl -e 'print syscall({}, 0, 4096, 3, shift() + 0, -1, 0) == -1 ? \"shut\\n\" : \"mapped\\n\"' $1; }}; \
         {{ map {shared}; map {private}; \
         perl -e 'print syscall({}, 900, 900, 2), syscall({}, {thread}, 0, 0, 0, 0), \"\n\"'; ls /dev | tr '\\n' ' '; }} > /tmp/said; cp /tmp/said /output/output.txt",
        libc::SYS_mmap,
        libc::SYS_close_range,
        libc::SYS_clone
    );
    let devices = "fd full null random stderr stdin stdout urandom ";
    assert_eq!(
        world.good(&script)["output"],
        format!("shut\nmapped\n-1-1\n{devices}")
    );
    assert_unharmed(&world);
}

#[test]
fn fills_sockets() {
    let script = "perl -MSocket -e 'fork; fork; \
                  for (1 .. 200) { socketpair(my $a, my $b, AF_UNIX, SOCK_STREAM, 0) or last; push @all, $a, $b } sleep 60'";
    assert_bound(&QUICK, script, "open files: more than 1024 at once");
}

#[test]
fn fills_connections() {
    let script = r"perl -MSocket -e '
        socket(my $door, AF_INET, SOCK_STREAM, 0); bind($door, sockaddr_in(7000, INADDR_LOOPBACK)); listen($door, 99);
        for (1 .. 30) {
            socket(my $s, AF_INET, SOCK_STREAM, 0); connect($s, sockaddr_in(7000, INADDR_LOOPBACK));
            push @all, $s; accept(my $other, $door); push @all, $other;
        } sleep 60'";
    assert_bound(
        &QUICK,
        script,
        "connections: more than 40 ends of TCP at once",
    );
}

#[test]
fn wants_to_stay_when_memory_ends() {
    let script = "echo 0 > /proc/self/oom_score_adj; sleep 60";
    assert_bound(
        &QUICK,
        script,
        "oom_score_adj: a process would not go first",
    );
}

#[test]
fn wants_its_core_to_be_dumped() {
    let world = World::start(&QUICK);
    let set = |call: i64, arguments: &str| {
        format!(
            "perl -e 'my $none = pack(\"QQ\", 0, 0); $! = 0; syscall({call}, {arguments}); print $!+0, \"\n\"'; "
        )
    };
    let core = libc::RLIMIT_CORE;
    let script = format!(
        "{{ {} {} {} grep core /proc/self/limits; }} > /output/output.txt",
        set(libc::SYS_prlimit64, &format!("0, {core}, $none, 0")),
        set(libc::SYS_setrlimit, &format!("{core}, $none")),
        set(libc::SYS_prlimit64, &format!("0, {core}, 0, $none")),
    );
    let output = world.good(&script)["output"].as_str().unwrap().to_owned();
    let words: Vec<&str> = output.split_whitespace().collect();
    let refused = libc::ENOSYS.to_string();
    assert_eq!(words[..3], [&refused, &refused, "0"], "{output}");
    assert_eq!(
        words[3..],
        ["Max", "core", "file", "size", "1", "1", "bytes"]
    );
    assert_unharmed(&world);
}

#[test]
fn hides_the_process_that_takes_memory() {
    let unreadable = r#"perl -e '$0 = "\xff\xfe"; push @a, "a" x (1 << 20) while 1'"#.to_owned();
    // The first thread, whose status is the process's, ends.
    let headless = format!(
        "perl -Mthreads -e 'threads->create(sub {{ push @a, \"a\" x (1 << 20) while 1 }}); syscall({}, 0)'",
        libc::SYS_exit
    );
    let options = ["--memory-mib", "64", "--time-secs", "20"];
    for script in [unreadable, headless] {
        assert_bound(&options, &script, "memory: the run used more than");
    }
}

/// Open files of the server, as `prlimit` sets them from outside.
fn limit_files(world: &World, limit: &str) {
    let pid = world.pid().to_string();
    let mut prlimit = world.as_its_user(Path::new("/usr/bin/prlimit"));
    prlimit.args(["--pid", &pid, &format!("--nofile={limit}:")]);
    assert!(prlimit.status().unwrap().success());
}

#[test]
fn a_watch_that_cannot_see_ends_the_run() {
    let world = World::start(&QUICK);
    let id = world.ingest("sleep 3600");
    std::thread::scope(|scope| {
        let run = scope.spawn(|| world.run(&id));
        let is_sleeping = |line: &String| line.starts_with("sleep 3600");
        until("the agent runs", || {
            world.sandboxed().iter().any(is_sleeping)
        });
        limit_files(&world, "3");
        until("the agent is dead", || world.sandboxed().is_empty());
        limit_files(&world, "1024");
        let (status, body) = run.join().unwrap();
        let said = body["error"]["message"].as_str().unwrap();
        assert_eq!(status, 422);
        assert!(said.contains("the run could not be watched"), "{said}");
    });
    assert_unharmed(&world);
}
