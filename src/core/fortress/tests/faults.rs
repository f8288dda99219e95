//! A failing database, a failing log, a sweep in between, callers that go away.

use futures::FutureExt;

use super::*;

const PAST_DEADLINE_MS: i64 = 90_001;

/// However it ended, the job is ended by the sweep or completed by asking again, the model
/// was asked at most once, and the log has the run once if it completed.
fn assert_settles(world: &World, told: &str) {
    world.db.heal();
    world.log.faults.borrow_mut().clear();
    let jobs = world.rows("SELECT id FROM fortress_jobs");
    assert!(jobs.len() <= 1, "{told}");
    world.clock.pass(PAST_DEADLINE_MS);
    world.sweep().unwrap();
    if jobs.is_empty() {
        assert_eq!((world.asked(), world.log.size()), (0, 0), "{told}");
        return;
    }
    let status = world.status();
    assert!(
        ["completed", "failed"].contains(&status.as_str()),
        "{told}: {status}"
    );
    let logged = u64::from(status == "completed");
    assert_eq!(world.log.size(), logged, "{told}");
    assert_eq!(
        world.job().opt_text("assertion_id").unwrap().is_some(),
        logged == 1,
        "{told}"
    );
    let again = world.execute(&input());
    assert_eq!(again.is_ok(), logged == 1, "{told}");
    assert!(world.asked() <= 1, "{told}");
    assert_eq!(world.log.size(), logged, "{told}");
}

#[test]
fn a_database_that_fails_anywhere_leaves_no_job_without_an_end() {
    let quiet = World::new(vec![hi()]);
    quiet.execute(&input()).unwrap();
    let calls = quiet.db.calls.get();
    assert!(calls >= 3);
    for fault in [Fault::Fails, Fault::FailsButPersists] {
        for from in 0..calls {
            for many in [1, 2, 99] {
                let told = format!("{fault:?} from {from}, {many} times");
                let world = World::new(vec![hi()]);
                world.db.fail(fault, from, many);
                match world.execute(&input()) {
                    Ok(run) => assert_eq!((run.output.as_str(), world.log.size()), ("Hi", 1)),
                    Err(error) => assert!(error.is_internal(), "{told}: {error}"),
                }
                assert_settles(&world, &told);
            }
        }
    }
}

#[test]
fn one_lost_reply_after_the_model_answered_costs_nothing() {
    for fault in [Fault::Fails, Fault::FailsButPersists] {
        for from in [1, 2] {
            let world = World::new(vec![hi()]);
            world.db.fail(fault, from, 1);
            let run = world.execute(&input()).unwrap();
            assert_eq!(run.output, "Hi");
        }
    }
}

#[test]
fn the_databases_words_are_not_kept_as_a_reason() {
    let world = World::new(vec![hi()]);
    world.db.fail(Fault::Fails, 1, 2);
    world.execute(&input()).unwrap_err();
    let job = world.job();
    assert_eq!(job.text("status").unwrap(), "failed");
    assert_eq!(job.int("cost_nanos").unwrap(), HI_NANOS);
    assert!(!format!("{job:?}").contains("secret words"));
}

#[test]
fn a_log_that_is_down_is_told_and_made_up_for_once() {
    let world = World::new(vec![hi()]);
    *world.log.faults.borrow_mut() = [LogFault::ReplyLost; 3].into();
    let error = world.execute(&input()).unwrap_err();
    assert_eq!(
        (error.code(), error.is_internal()),
        ("CHAIN_UNAVAILABLE", false)
    );
    assert!(
        error.to_string().contains("signed but not logged yet"),
        "{error}"
    );
    let job = world.job();
    assert_eq!(job.text("status").unwrap(), "completed");
    assert_eq!(job.opt_text("assertion_id").unwrap(), None);
    let run = world.execute(&input()).unwrap();
    assert_eq!((world.asked(), world.log.size()), (1, 1));
    assert_eq!(world.job().text("assertion_id").unwrap(), run.assertion_id);
}

#[test]
fn what_nobody_asks_for_again_is_logged_by_the_sweep() {
    let world = World::new(vec![hi(), hi()]);
    *world.log.faults.borrow_mut() = [LogFault::RequestLost; 6].into();
    for evidence_id in [None, Some("E-2".to_owned())] {
        let question = ExecuteInput {
            evidence_id,
            ..input()
        };
        world.execute(&question).unwrap_err();
    }
    assert_eq!(world.sweep().unwrap(), 2);
    assert_eq!(world.log.size(), 2);
    assert_eq!(world.sweep().unwrap(), 0);
    let facts = world.rows("SELECT * FROM fortress_jobs WHERE assertion_id IS NOT NULL");
    assert_eq!((facts.len(), world.log.size()), (2, 2));
}

/// Runs that are signed, oldest first, while the log is down.
fn unlogged(world: &World, runs: usize) {
    for number in 0..runs {
        *world.log.faults.borrow_mut() = [LogFault::RequestLost; 9].into();
        let evidence_id = Some(format!("E-{number}"));
        let question = ExecuteInput {
            evidence_id,
            ..input()
        };
        world.execute(&question).unwrap_err();
        world.clock.pass(1);
    }
    world.log.faults.borrow_mut().clear();
}

#[test]
fn a_job_that_the_log_refuses_keeps_no_other_out() {
    let world = World::new(vec![hi(), hi()]);
    unlogged(&world, 2);
    let refused = "{\"status\":409,\"code\":\"invalid_fact\",\"message\":\"no\"}";
    world.known();
    *world.log.faults.borrow_mut() = [LogFault::Answers(409, refused)].into();
    let error = world.sweep().unwrap_err();
    assert_eq!(error.code(), "CHAIN_REFUSED");
    assert_eq!(world.log.fact(0).0.execution_id.as_deref(), Some("E-1"));
    assert_eq!(world.log.size(), 1);
    assert_eq!((world.sweep().unwrap(), world.log.size()), (1, 2));
}

#[test]
fn many_jobs_that_are_not_as_signed_are_passed_over() {
    let world = World::new(vec![hi(); 22]);
    unlogged(&world, 22);
    world.rows("UPDATE fortress_jobs SET evidence_id = '' WHERE evidence_id <> 'E-21'");
    assert_eq!(world.sweep().unwrap_err().code(), "RUN_NOT_AS_SIGNED");
    assert_eq!(world.log.fact(0).0.execution_id.as_deref(), Some("E-21"));
    assert_eq!(world.log.size(), 1);
}

#[test]
fn a_run_ended_by_the_sweep_is_not_completed_by_a_late_answer() {
    let world = World::new(vec![hi()]);
    let swept = "UPDATE fortress_jobs SET status = 'failed', cost_status = 'unpriced', \
                 error_message = 'interrupted: the worker ended before the run did'";
    world.db.interpose(1, swept);
    let error = world.execute(&input()).unwrap_err();
    assert_eq!((error.code(), world.asked()), ("RUN_INTERRUPTED", 1));
    let job = world.job();
    assert_eq!(job.text("status").unwrap(), "failed");
    assert_eq!(job.text("error_message").unwrap(), error.to_string());
    // What it cost is known, late as it is.
    assert_eq!(job.opt_int("cost_nanos").unwrap(), Some(HI_NANOS));
    assert_eq!(job.text("cost_status").unwrap(), "priced");
    assert_eq!(job.opt_text("signature").unwrap(), None);
    assert_eq!(world.log.size(), 0);
}

/// Runs until the caller goes away at every point there is, and lets `then` go on from there.
fn leave_everywhere(then: impl Fn(&World, &str)) {
    let mut left = 0;
    for polls in 0.. {
        let world = World::new(vec![hi()]);
        world.account.cap(1_000_000_000);
        let question = input();
        let mut running = Box::pin(world.executing(ANN, &question));
        world.db.pause_every_call();
        let ready = (0..polls).any(|_| (&mut running).now_or_never().is_some());
        drop(running);
        world.db.resume();
        then(&world, &format!("left after {polls} polls"));
        if ready {
            break;
        }
        left += 1;
    }
    assert!(left >= 5, "{left}");
}

#[test]
fn a_worker_that_ends_with_its_caller_leaves_a_job_that_settles() {
    leave_everywhere(|world, told| {
        world.background.lose();
        assert_settles(world, told);
    });
}

#[test]
fn a_run_goes_on_without_its_caller_and_is_charged_what_it_cost() {
    leave_everywhere(|world, told| {
        world.clock.run(world.background.rest());
        let spending = world.account.state().standing.budgets[0].spending;
        let cost = i64::try_from(world.asked()).unwrap() * HI_NANOS;
        let charged = (spending.spent, spending.estimated, spending.reserved);
        assert_eq!(charged, (cost, 0, 0), "{told}");
        let priced = world.rows("SELECT * FROM usage_events WHERE cost_status = 'priced'");
        assert_eq!(priced.len(), world.asked(), "{told}");
        if world.asked() == 1 {
            assert_eq!(world.status(), "completed", "{told}");
        }
        assert_settles(world, told);
    });
}

#[test]
fn a_job_whose_worker_is_gone_is_ended_with_the_reason() {
    let world = World::new(vec![Step::Hang]);
    let question = input();
    let mut running = Box::pin(world.executing(ANN, &question));
    while world.asked() == 0 {
        assert!((&mut running).now_or_never().is_none());
    }
    drop(running);
    world.background.lose();
    assert_eq!(world.status(), "executing");
    let early = world.execute(&input()).unwrap_err();
    assert_eq!(early.code(), "RUN_IN_PROGRESS");
    world.clock.pass(PAST_DEADLINE_MS);
    world.sweep().unwrap();
    assert!(
        world
            .job()
            .text("error_message")
            .unwrap()
            .starts_with("interrupted")
    );
    assert_eq!(world.job().text("cost_status").unwrap(), "unpriced");
}

#[test]
fn the_sweep_ends_what_is_past_its_deadline_and_nothing_else() {
    let world = World::new(vec![Step::Hang, hi()]);
    let question = input();
    let mut running = Box::pin(world.executing(ANN, &question));
    while world.asked() == 0 {
        assert!((&mut running).now_or_never().is_none());
    }
    drop(running);
    world.background.lose();
    let done = ExecuteInput {
        evidence_id: Some("E-2".into()),
        ..input()
    };
    world.execute(&done).unwrap();
    world.clock.pass(PAST_DEADLINE_MS - 1);
    world.sweep().unwrap();
    let executing = world.rows("SELECT id FROM fortress_jobs WHERE status = 'executing'");
    assert_eq!(executing.len(), 1);
    world.clock.pass(1);
    world.sweep().unwrap();
    let rows = world.rows("SELECT status FROM fortress_jobs ORDER BY status");
    let statuses: Vec<_> = rows.iter().map(|row| row.text("status").unwrap()).collect();
    assert_eq!(statuses, ["completed", "failed"]);
}

#[test]
fn what_was_erased_before_it_was_logged_is_passed_over() {
    let world = World::new(vec![hi()]);
    world.execute(&input()).unwrap();
    // As the erasure of an execution leaves a run whose fact is not on file.
    world.rows("UPDATE fortress_jobs SET assertion_id = NULL, manifest = '', signature = ''");
    assert_eq!((world.sweep().unwrap(), world.log.size()), (0, 1));
}
