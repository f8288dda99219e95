//! Agents that mean harm: contained, the reason names the bound, the server goes on, nothing is
//! left.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};

use super::world::{API_KEY, MODEL_KEY, World};

/// Far more than any of them takes, also on a machine that is busy, and less than the client's patience.
pub const QUICK: [&str; 2] = ["--time-secs", "60"];

/// After whatever happened: no process, no file but what is kept of each run, and the next
/// run goes well.
pub fn assert_unharmed(world: &World) {
    assert_eq!(
        (world.sandboxed(), world.children()),
        (Vec::new(), String::new())
    );
    let expected = |file: &&String| {
        let known = [
            "inputs/",
            "outputs/JOB-",
            "diagnostics/JOB-",
            "fortress.sqlite",
        ];
        !known.iter().any(|start| file.starts_with(start))
    };
    assert_eq!(world.files().iter().find(expected), None);
    let output = world.good("echo fine > /output/output.txt");
    assert_eq!(output["output"], "fine\n");
}

pub fn assert_bound(options: &[&str], script: &str, reason: &str) {
    let world = World::start(options);
    let said = world.bad(script);
    assert!(said.contains("BOUND_EXCEEDED"), "{said}");
    assert!(said.contains(reason), "{said}");
    assert_unharmed(&world);
}

#[test]
fn forks_without_end() {
    let script = "perl -e 'while (1) { fork() }'";
    assert_bound(&QUICK, script, "processes: more than 64 at once");
    // A shell gives up when it cannot fork, and all may be over before the watch looks.
    let world = World::start(&QUICK);
    let said = world.bad("b() { b | b & }; b; sleep 1");
    let known = [
        "processes: more than 64",
        "ended with status 2",
        "left no answer",
    ];
    assert!(known.iter().any(|reason| said.contains(reason)), "{said}");
    assert_unharmed(&world);
}

#[test]
fn threads_of_a_shell_are_counted_too() {
    let script = "i=0; while [ $i -lt 40 ]; do sleep 60 & i=$((i+1)); done; wait";
    assert_bound(
        &["--processes", "10", "--time-secs", "20"],
        script,
        "processes: more than 10",
    );
}

#[test]
fn fills_the_disk() {
    let options = ["--disk-mib", "1", "--time-secs", "20"];
    for folder in ["/output", "/tmp"] {
        let script = format!("yes > {folder}/yes; sleep 60");
        assert_bound(
            &options,
            &script,
            "disk: the output or scratch directory is full",
        );
        let script = format!("yes > {folder}/yes; exit 0");
        assert_bound(
            &options,
            &script,
            "disk: the output or scratch directory is full",
        );
    }
}

#[test]
fn makes_files_without_end() {
    let script = "perl -e 'for (1..1e9) { open F, \">\", \"/tmp/$_\" }'";
    assert_bound(
        &["--files", "1000", "--time-secs", "20"],
        script,
        "files: more than 1000",
    );
}

#[test]
fn takes_all_memory() {
    let options = ["--memory-mib", "64", "--time-secs", "20"];
    let alone = "perl -e 'push @a, \"a\" x (1 << 20) while 1'";
    let together = "for i in 1 2 3 4; do perl -e '$a = \"a\" x (24 << 20); sleep 60' & done; wait";
    for script in [alone, together] {
        assert_bound(&options, script, "memory: the run used more than");
    }
    // Not even asked for at once, which no watch would see in time.
    let world = World::start(&options);
    let said = world.bad("perl -e '$a = \"a\" x (1 << 33)'");
    assert!(said.contains("AGENT_FAILED"), "{said}");
    assert_unharmed(&world);
}

#[test]
fn burns_the_processor() {
    let options = ["--cpu-secs", "1", "--time-secs", "60"];
    let together = "for i in 1 2 3; do perl -e '1 while 1' & done; wait";
    // The kernel adds a child's time to its parent's only if that waits for it.
    let unwaited = "perl -e '$SIG{CHLD} = q(IGNORE); \
                    while (1) { if (!fork) { 1 while (times)[0] < 0.3; exit } wait }'";
    for script in [together, unwaited] {
        assert_bound(&options, script, "cpu: the run used more than 1 s");
    }
}

#[test]
fn sleeps_for_ever_and_ignores_every_signal_it_can() {
    let deaf = "trap '' TERM INT HUP QUIT USR1 USR2; sleep 3600 & sleep 3600; sleep 3600";
    for script in ["sleep 3600", deaf, "kill -STOP $$"] {
        assert_bound(
            &["--time-secs", "1"],
            script,
            "time: the run took longer than 1000 ms",
        );
    }
}

#[test]
fn writes_without_end() {
    for script in ["yes", "yes >&2", "cat /dev/urandom"] {
        assert_bound(&QUICK, script, "diagnostics: more than 262144 bytes");
    }
    let long = "yes | head -c 300000 > /output/output.txt";
    assert_bound(&QUICK, long, "answer: longer than 262144 bytes");
}

#[test]
fn plays_tricks_in_the_output_directory() {
    let world = World::start(&QUICK);
    for script in [
        "true",
        "ln -s /etc/ld.so.cache /output/output.txt",
        "ln -s /input/content.txt /output/output.txt",
        "ln -s /proc/1/environ /output/output.txt",
        "ln -s output.txt /output/output.txt",
        "mkdir /output/output.txt",
        "mkfifo /output/output.txt",
        "ln /input/content.txt /output/output.txt; true",
        "mv /output /tmp/elsewhere; rm -rf /output; ln -s /input /output; true",
        "echo x > /output/output.txt; chmod 0 /output/output.txt",
        "printf '\\377\\376' > /output/output.txt",
    ] {
        let said = world.bad(script);
        assert!(said.contains("NO_ANSWER"), "{script}: {said}");
    }
    assert_unharmed(&world);
}

#[test]
fn leaves_daemons_behind() {
    let world = World::start(&QUICK);
    let daemon = "perl -MPOSIX -e 'fork and exit; setsid(); fork and exit; $SIG{TERM} = q(IGNORE); sleep 3600'";
    let output = world.good(&format!(
        "{daemon}; (sleep 3600 &); echo done > /output/output.txt"
    ));
    assert_eq!(output["output"], "done\n");
    assert_unharmed(&world);
}

#[test]
fn kills_what_it_can() {
    let world = World::start(&QUICK);
    let server = world.pid();
    let said = world.bad("kill -9 $$");
    assert!(said.contains("AGENT_FAILED"), "{said}");
    // The first process of a namespace takes no signal from inside.
    let script = format!(
        "for signal in KILL STOP SEGV TERM; do kill -$signal 1 && echo $signal; done > /output/output.txt; \
         kill -9 {server} 2>/tmp/e && echo server >> /output/output.txt; \
         sleep 60 & kill -9 -1; echo end >> /output/output.txt"
    );
    assert_eq!(
        world.good(&script)["output"],
        "KILL\nSTOP\nSEGV\nTERM\nend\n"
    );
    assert_unharmed(&world);
}

#[test]
fn reads_what_is_secret() {
    let world = World::start(&QUICK);
    let data = world.folder.display();
    let script = format!(
        "{{ cat /etc/shadow /etc/passwd; env; cat /proc/*/environ; cat /proc/*/cmdline; ls -R /root /home {data} /etc; \
         cat {data}/key.asc; ls /proc/1/fd /proc/1/root/proc; cat /proc/1/mem /proc/1/maps; ls -a /; mount; dmesg; }} \
         > /tmp/all 2>&1; tr -d '\\0' < /tmp/all > /output/output.txt"
    );
    let output = world.good(&script)["output"].as_str().unwrap().to_owned();
    for secret in [
        "root:",
        API_KEY,
        MODEL_KEY,
        "PGP PRIVATE",
        "FORTRESS_API_KEY",
        "fortress.sqlite",
    ] {
        assert!(!output.contains(secret), "{secret} in {output}");
    }
    for seen in [
        "OPENAI_API_KEY=the-server-has-it",
        "/proc/1/fd': Permission denied",
    ] {
        assert!(output.contains(seen), "{seen} is not in {output}");
    }
    assert_unharmed(&world);
}

#[test]
fn opens_sockets() {
    let world = World::start(&QUICK);
    let name = format!("chitty-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let _listening = UnixListener::bind_addr(&address).unwrap();
    let port = world.address.port();
    let script = format!(
        r#"perl -MSocket -e '
        sub told {{ print "$_[0] ", ($_[1] ? "open" : "shut"), "\n" }}
        my $s;
        sub tcp {{ socket($s, AF_INET, SOCK_STREAM, 0) && connect($s, sockaddr_in($_[1], inet_aton($_[0]))) }}
        told("server", tcp("127.0.0.1", {port}));
        told("internet", tcp("192.0.2.1", 80));
        told("udp", socket($s, AF_INET, SOCK_DGRAM, 0) && send($s, "x", 0, sockaddr_in(53, inet_aton("192.0.2.1"))));
        told("abstract", socket($s, AF_UNIX, SOCK_STREAM, 0) && connect($s, pack("Sx", AF_UNIX) . "{name}"));
        told("raw", socket($s, AF_INET, SOCK_RAW, 1));
        told("netlink", socket($s, 16, SOCK_DGRAM, 0));
        told("packet", socket($s, 17, SOCK_DGRAM, 0));
        told("vsock", socket($s, 40, SOCK_STREAM, 0));
        told("alg", socket($s, 38, SOCK_STREAM, 0));
        told("mptcp", socket($s, AF_INET, SOCK_STREAM, 262));
        told("udplite", socket($s, AF_INET, SOCK_DGRAM, 136));
        told("named", socket($s, AF_INET, SOCK_STREAM, 6) && socket($s, AF_INET, SOCK_DGRAM | 02000000, 17));
        sub sets {{ socket($s, $_[0], SOCK_DGRAM, 0) && setsockopt($s, SOL_SOCKET, $_[1], 1 << 22) }}
        told("receives", sets(AF_INET, SO_RCVBUF));
        told("sends", sets(AF_UNIX, SO_SNDBUF));
        told("reuses", sets(AF_INET, SO_REUSEADDR));
        told("own", socket($s, AF_INET, SOCK_STREAM, 0) && bind($s, sockaddr_in(0, INADDR_LOOPBACK)) && listen($s, 1));
        told("relay", tcp("127.0.0.1", 8080));
        ' > /output/output.txt"#
    );
    let output = world.good(&script)["output"].as_str().unwrap().to_owned();
    let open: Vec<&str> = output
        .lines()
        .filter(|line| line.ends_with(" open"))
        .collect();
    assert_eq!(
        open,
        ["named open", "reuses open", "own open", "relay open"]
    );
    assert_eq!(output.lines().count(), 17);
    assert_unharmed(&world);
}

#[test]
fn calls_the_kernel() {
    let world = World::start(&QUICK);
    let calls = [
        libc::SYS_ptrace,
        libc::SYS_process_vm_readv,
        libc::SYS_unshare,
        libc::SYS_setns,
        libc::SYS_mount,
        libc::SYS_chroot,
        libc::SYS_bpf,
        libc::SYS_perf_event_open,
        libc::SYS_userfaultfd,
        libc::SYS_io_uring_setup,
        libc::SYS_keyctl,
        libc::SYS_memfd_create,
        libc::SYS_vmsplice,
        libc::SYS_shmget,
        libc::SYS_clone3,
        libc::SYS_open_by_handle_at,
        libc::SYS_reboot,
        // The same ones as x32 has them.
        0x4000_0000 | libc::SYS_getpid,
    ];
    let listed = calls.map(|call| call.to_string()).join(",");
    let script = format!(
        "perl -e 'for ({listed}) {{ $! = 0; syscall($_, 0, 0, 0, 0, 0); print $!+0, \"\\n\" }}' > /output/output.txt; \
         perl -e 'print syscall({}, 0x10000000 | 17, 0, 0, 0, 0), \"\\n\"' >> /output/output.txt",
        libc::SYS_clone
    );
    let output = world.good(&script)["output"].as_str().unwrap().to_owned();
    let mut expected = format!("{}\n", libc::ENOSYS).repeat(calls.len());
    expected.push_str("-1\n");
    assert_eq!(output, expected);
    assert_unharmed(&world);
}

#[test]
fn writes_where_it_may_not() {
    let world = World::start(&QUICK);
    let script = "for folder in / /usr /usr/bin /input /dev /dev/shm /proc/sys/kernel /etc /bin; do \
                  { echo x > $folder/x; } 2>/dev/null && echo $folder; done > /output/output.txt; \
                  { echo x > /chitty; } 2>/dev/null && echo program >> /output/output.txt; \
                  { echo x >> /input/content.txt; } 2>/dev/null && echo input >> /output/output.txt; \
                  echo end >> /output/output.txt";
    assert_eq!(world.good(script)["output"], "end\n");
    assert_unharmed(&world);
}
