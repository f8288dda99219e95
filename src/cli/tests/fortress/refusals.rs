//! A server that cannot keep its promises does not start.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use super::world::{Started, World};

fn refused(world: &World, dropping: bool) -> String {
    match world.launch(dropping) {
        Started::Refused(said) => said,
        Started::Serving(mut server, _) => {
            server.kill().unwrap();
            server.wait().unwrap();
            panic!("it serves");
        }
    }
}

/// A `bwrap` that leaves out some of its arguments, first on PATH.
fn with_bwrap(world: &mut World, script: &str) {
    let folder: PathBuf = world.folder.join("bin");
    fs::create_dir(&folder).unwrap();
    let program = folder.join("bwrap");
    fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    world.set("PATH", &format!("{}:/usr/bin:/bin", folder.display()));
}

fn without(option: &str) -> String {
    format!(
        "for word; do shift; [ \"$word\" = {option} ] || set -- \"$@\" \"$word\"; done; \
         exec /usr/bin/bwrap \"$@\""
    )
}

#[test]
fn as_root() {
    if nix::unistd::geteuid().is_root() {
        let said = refused(&World::prepare(&[]), false);
        assert!(said.contains("does not run as root"), "{said}");
    }
}

#[test]
fn without_bubblewrap() {
    let mut world = World::prepare(&[]);
    world.set("PATH", "/nowhere");
    let said = refused(&world, true);
    assert!(said.contains("bubblewrap is needed"), "{said}");
}

#[test]
fn with_a_sandbox_that_does_not_hold() {
    for (left_out, reasons) in [
        ("--unshare-net", ["network interface", "network interface"]),
        // bubblewrap itself sees that.
        ("--unshare-pid", ["requires --unshare-pid"; 2]),
        // Then pid 1 is bubblewrap's, which an agent can write to.
        ("--as-pid-1", ["not the first process", "oom_score_adj"]),
        (
            "--disable-userns",
            ["user namespace", "user namespaces are not disabled"],
        ),
    ] {
        let mut world = World::prepare(&[]);
        with_bwrap(&mut world, &without(left_out));
        let said = refused(&world, true);
        let names = |reason: &str| said.contains(reason);
        assert!(reasons.into_iter().any(names), "{left_out}: {said}");
        assert!(said.contains("refuses to run agents"), "{said}");
    }
}

#[test]
fn with_a_sandbox_that_its_watch_does_not_see() {
    let mut world = World::prepare(&[]);
    // Its sandbox is no child of what was started.
    with_bwrap(&mut world, "/usr/bin/bwrap \"$@\" & wait $!");
    let said = refused(&world, true);
    assert!(
        said.contains("not so in the sandbox: it is watched from outside."),
        "{said}"
    );
}

#[test]
fn with_a_sandbox_that_cannot_be_made() {
    let mut world = World::prepare(&[]);
    with_bwrap(
        &mut world,
        "echo 'No permissions to create a new namespace' >&2; exit 1",
    );
    let said = refused(&world, true);
    assert!(said.contains("No permissions to create"), "{said}");
    assert!(said.contains("user namespaces are forbidden"), "{said}");
}

#[test]
fn with_settings_that_are_wrong() {
    type Case = (
        &'static [&'static str],
        &'static [(&'static str, &'static str)],
        &'static str,
    );
    let cases: [Case; 7] = [
        (
            &[],
            &[("FORTRESS_API_KEY", "")],
            "FORTRESS_API_KEY is not set",
        ),
        (&[], &[("FORTRESS_API_KEY", "short")], "openssl rand"),
        (
            &[],
            &[("PGP_PRIVATE_KEY_FILE", "/nowhere")],
            "PGP_PRIVATE_KEY_FILE",
        ),
        (
            &[],
            &[("PGP_PRIVATE_KEY_FILE", ""), ("PGP_PRIVATE_KEY", "junk")],
            "PGP_PRIVATE_KEY",
        ),
        (
            &["--model-url", "http://127.0.0.1:1/v1"],
            &[],
            "--model-url",
        ),
        (&["--bind", "/"], &[], "--bind"),
        (&["--", "sh"], &[], "whole path"),
    ];
    for (options, settings, reason) in cases {
        let mut world = World::prepare(options);
        for (name, value) in settings {
            world.set(name, value);
        }
        let said = refused(&world, true);
        assert!(said.contains(reason), "{reason}: {said}");
        assert!(!said.contains("PRIVATE KEY BLOCK"), "{said}");
    }
}
