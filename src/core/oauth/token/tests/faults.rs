//! Every call of the database lost, and the worker killed at every await.

use super::shaky::{Fault, killed_after};
use super::*;

/// Polls that are more than any request takes.
const MOST_POLLS: u32 = 64;
/// Calls of the database, likewise.
const MOST_CALLS: u32 = 16;

fn whole(world: &World) {
    let codes = world.count("oauth_authorization_codes WHERE redeemed_at IS NOT NULL");
    let tokens = world.count("oauth_refresh_tokens");
    let started = world.count("oauth_grants WHERE last_used_at IS NOT NULL");
    assert_eq!((codes, tokens), (started, started), "half done");
}

#[test]
fn a_lost_call_leaves_a_code_whole_and_usable() {
    for fault in [Fault::Before, Fault::After] {
        let mut lost = 0;
        for earlier in 0..MOST_CALLS {
            let world = World::new();
            let code = world.code();
            world.database.fail_after(earlier, fault);
            let first = world.post(&client("client-1"), &code_form(&code));
            world.database.plan.take();
            whole(&world);
            if let Err(error) = first {
                lost += 1;
                assert_eq!(error.status, 503);
                let again = world.post(&client("client-1"), &code_form(&code));
                assert!(again.is_ok(), "{fault:?} at {earlier}");
            }
        }
        assert!(lost > 0);
    }
}

#[test]
fn a_worker_killed_at_any_await_leaves_a_code_unused_or_redeemed() {
    let (mut unused, mut redeemed) = (0, 0);
    for polls in 0..MOST_POLLS {
        let world = World::new();
        let code = world.code();
        let task = world.exchange(client("client-1"), encoded(&code_form(&code)));
        if killed_after(task, polls).is_some() {
            break;
        }
        whole(&world);
        let again = world.post(&client("client-1"), &code_form(&code));
        if again.is_ok() {
            unused += 1;
        } else {
            redeemed += 1;
            assert_eq!(world.revoke_reason().as_deref(), Some("code_replayed"));
        }
    }
    assert!(unused > 2, "{unused}");
    assert_eq!(redeemed, 1, "only with the answer on its way");
}

#[test]
fn a_lost_call_or_a_killed_worker_logs_nobody_out() {
    let try_all = |kill: bool, fault: Fault| {
        for step in 0..MOST_POLLS {
            let world = World::new();
            let first = world.first_refresh();
            let task = world.exchange(client("client-1"), encoded(&refresh_form(&first)));
            if kill {
                killed_after(task, step);
            } else {
                world.database.fail_after(step, fault);
                let _lost_or_not = block_on(task);
                world.database.plan.take();
            }
            let next = world.refresh(&first).unwrap();
            assert_eq!(world.count("oauth_refresh_tokens"), 2);
            world.clock.advance(DAY);
            assert!(world.refresh(&next).is_ok(), "{step}");
        }
    };
    try_all(true, Fault::Before);
    try_all(false, Fault::Before);
    try_all(false, Fault::After);
}

#[test]
fn a_code_that_cannot_be_stored_is_not_given_out() {
    let world = World::new();
    world.database.fail_after(0, Fault::Before);
    let code = NewCode {
        redirect_uri: REDIRECT,
        code_challenge: None,
        nonce: None,
    };
    let error = block_on(world.server.grant_code(new_grant("ann"), code)).unwrap_err();
    assert_eq!((error.status, error.code), (503, "temporarily_unavailable"));
    assert_eq!(world.count("oauth_grants"), 0);
}
