//! A failing database, a sweep in between, callers that go away.

use futures::FutureExt;

use super::*;

const LEVELS: [SecurityLevel; 3] = [
    SecurityLevel::Standard,
    SecurityLevel::Fortress,
    SecurityLevel::Verified,
];

fn evidenced(level: SecurityLevel) -> ExecuteInput {
    ExecuteInput {
        create_evidence: true,
        ..input(level)
    }
}

/// The execution has ended, or the sweep ends it at its deadline; evidence goes with
/// completion, and a reason with failure.
fn assert_settles(world: &World, told: &str) {
    world.db.heal();
    let rows = world.rows("SELECT * FROM secure_executions");
    assert!(rows.len() <= 1, "{told}");
    let executing = |row: &Row| row.text("status").unwrap() == "executing";
    for row in rows.iter().filter(|row| executing(row)) {
        let deadline_ms = row.timestamp("deadline_at").unwrap();
        assert!(deadline_ms > world.clock.now_ms(), "{told}");
        assert_eq!(world.sweep(), 0, "{told}");
        world.clock.pass(PAST_DEADLINE_MS);
        assert_eq!(world.sweep(), 1, "{told}");
    }
    let ended = world.rows(
        "SELECT e.id FROM secure_executions e LEFT JOIN evidence_records r ON r.execution_id = e.id \
         WHERE (e.status = 'completed' AND r.id = e.evidence_id) \
         OR (e.status = 'failed' AND r.id IS NULL AND e.error_message <> '')",
    );
    assert_eq!(ended.len(), rows.len(), "{told}");
    if rows.is_empty() {
        assert!(world.chatgpt.calls.borrow().is_empty(), "{told}");
        assert!(world.fortress.calls.borrow().is_empty(), "{told}");
    }
}

#[test]
fn a_database_that_fails_anywhere_leaves_no_execution_without_an_end() {
    for level in LEVELS {
        for fault in [Fault::Fails, Fault::FailsButPersists] {
            for from in 0..5 {
                for many in [1, 2, 99] {
                    let told = format!("{level:?}, {fault:?} from {from}, {many} times");
                    let world = World::new();
                    world.db.fail(fault, from, many);
                    let done = world.execute(&evidenced(level));
                    let calls = world.db.calls.get();
                    world.db.heal();
                    match done {
                        Ok(done) => {
                            assert_eq!(world.row().text("status").unwrap(), "completed", "{told}");
                            assert_eq!(
                                world.status(&done.execution_id).evidence_id,
                                done.evidence_id
                            );
                        }
                        Err(failed) => {
                            assert!(
                                failed.error.is_internal() && calls > from,
                                "{told}: {failed}"
                            );
                        }
                    }
                    assert_settles(&world, &told);
                }
            }
        }
    }
}

#[test]
fn one_lost_reply_at_the_end_costs_nothing() {
    for fault in [Fault::Fails, Fault::FailsButPersists] {
        let world = World::new();
        world.db.fail(fault, 1, 1);
        let done = world.execute(&evidenced(SecurityLevel::Verified)).unwrap();
        assert_eq!(world.status(&done.execution_id).status, "completed");
        assert_eq!(world.rows("SELECT * FROM evidence_records").len(), 1);
    }
}

#[test]
fn no_row_no_call() {
    for fault in [Fault::Fails, Fault::FailsButPersists] {
        let world = World::new();
        world.db.fail(fault, 0, 1);
        let failed = world.execute(&input(SecurityLevel::Verified)).unwrap_err();
        assert_eq!(
            (failed.error.code().as_str(), failed.execution_id),
            ("DATABASE_UNAVAILABLE", None)
        );
        assert!(
            world.chatgpt.calls.borrow().is_empty() && world.fortress.calls.borrow().is_empty()
        );
    }
}

#[test]
fn the_databases_words_are_not_kept_as_a_reason() {
    let world = World::new();
    // Both tries of the completion fail; the failure can be written.
    world.db.fail(Fault::Fails, 1, 2);
    let failed = world.execute(&input(SecurityLevel::Verified)).unwrap_err();
    let view = world.status(&failed.execution_id.unwrap());
    assert_eq!(view.status, "failed");
    assert_eq!(view.results.chatgpt_response.as_deref(), Some("Hi"));
    assert!(!view.error_message.unwrap().contains("secret words"));
}

#[test]
fn an_execution_ended_by_the_sweep_is_not_completed_later() {
    let world = World::new();
    let swept = "UPDATE secure_executions SET status = 'failed', cost_status = 'unpriced', \
                 error_message = 'interrupted: the worker ended before the execution did'";
    world.db.interpose(1, swept);
    let failed = world
        .execute(&evidenced(SecurityLevel::Verified))
        .unwrap_err();
    assert_eq!(failed.error.code(), "EXECUTION_INTERRUPTED");
    let view = world.status(&failed.execution_id.unwrap());
    assert_eq!(
        (view.status.as_str(), view.error_message),
        ("failed", Some(failed.error.to_string()))
    );
    // What came in late was paid for, and facts name it: it is on file, and not as verified.
    assert_eq!(view.results.fortress_output.as_deref(), Some("Hi"));
    assert_eq!(view.cost_usd.as_deref(), Some("0.0009"));
    assert_eq!(view.results.verification_status, Some(false));
    assert!(world.rows("SELECT * FROM evidence_records").is_empty());
}

#[test]
fn who_asks_after_an_interrupted_execution_hears_so_at_once() {
    let world = World::answering(vec![Step::Hang], vec![]);
    let question = input(SecurityLevel::Standard);
    let asker = world.asker();
    let mut running = Box::pin(world.service.execute(&asker, &question));
    while world.chatgpt.calls.borrow().is_empty() {
        assert!((&mut running).now_or_never().is_none());
    }
    drop(running);
    let id = world.row().text("id").unwrap();
    assert_eq!(world.status(&id).status, "executing");
    world.clock.pass(PAST_DEADLINE_MS);
    let view = world.status(&id);
    assert_eq!(view.status, "failed");
    assert!(view.error_message.unwrap().starts_with("interrupted"));
    assert_eq!(world.row().text("cost_status").unwrap(), "unpriced");
}

#[test]
fn a_caller_that_goes_away_at_any_point_leaves_rows_that_settle() {
    for level in LEVELS {
        let mut dropped = 0;
        for polls in 0.. {
            let world = World::new();
            for peer in [&world.chatgpt, &world.fortress] {
                peer.pauses.set(true);
            }
            world.db.pause_every_call();
            let (question, asker) = (evidenced(level), world.asker());
            let mut running = Box::pin(world.service.execute(&asker, &question));
            let ready = (0..polls).any(|_| (&mut running).now_or_never().is_some());
            drop(running);
            world.db.resume();
            assert_settles(&world, &format!("{level:?} dropped after {polls} polls"));
            if ready {
                break;
            }
            dropped += 1;
        }
        assert!(dropped >= 5, "{level:?}: {dropped}");
    }
}
