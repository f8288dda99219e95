//! Runs inside their user's limits and budgets, and on the books.

use super::*;
use crate::budget::{Limits, Spending};

/// Far more than any run here can cost.
const ENOUGH: i64 = 1_000_000_000;

fn spending(world: &World) -> Spending {
    world.account.state().standing.budgets[0].spending
}

#[test]
fn what_a_run_cost_is_the_same_in_the_job_the_account_and_the_books() {
    let world = World::new(vec![hi()]);
    world.account.cap(ENOUGH);
    world.rows(
        "INSERT INTO secure_executions (id, user_id, prompt, prompt_hash, security_level, \
         execution_method, case_id, created_at, updated_at) VALUES ('E-1', 'ann', 'sealed', \
         '0123456789012345678901234567890123456789012345678901234567890123', 'fortress', \
         'sandboxed', 'case-7', 1, 1)",
    );
    let run = world.execute(&input()).unwrap();
    assert_eq!(run.cost_nanos, Some(HI_NANOS));
    assert_eq!(world.job().int("cost_nanos").unwrap(), HI_NANOS);
    let spent = Spending {
        spent: HI_NANOS,
        ..Spending::default()
    };
    assert_eq!(spending(&world), spent);
    let events = world.rows("SELECT * FROM usage_events");
    assert_eq!(events.len(), 1);
    let text = |column: &str| events[0].text(column).unwrap();
    assert_eq!(text("request_id"), run.job_id);
    assert_eq!(
        (text("user_id"), text("key_id")),
        ("ann".into(), "key-1".into())
    );
    assert_eq!(
        (text("case_id"), text("outcome")),
        ("case-7".into(), "ok".into())
    );
    assert_eq!(events[0].int("cost_nanos").unwrap(), HI_NANOS);
    let counted = world.rows("SELECT SUM(attempts) AS n FROM usage_rollups WHERE span = 4");
    assert_eq!(counted[0].int("n").unwrap(), 3, "by key, session and case");
}

#[test]
fn a_run_that_is_asked_for_again_is_reserved_and_counted_once() {
    let world = World::new(vec![hi()]);
    world.account.cap(ENOUGH);
    let first = world.execute(&input()).unwrap();
    let again = world.execute(&input()).unwrap();
    assert_eq!((first.job_id, world.asked()), (again.job_id, 1));
    assert_eq!(spending(&world).spent, HI_NANOS);
    assert_eq!(world.rows("SELECT * FROM usage_events").len(), 1);
}

#[test]
fn a_run_that_the_budget_has_no_room_for_fails_and_says_so() {
    let world = World::new(vec![hi()]);
    world.account.cap(HI_NANOS);
    let refused = world.execute(&input()).unwrap_err();
    assert_eq!(refused.code(), "BUDGET_EXCEEDED");
    assert!(refused.to_string().contains("budget"), "{refused}");
    let job = world.job();
    assert_eq!(world.status(), "failed");
    assert_eq!(job.text("error_message").unwrap(), refused.to_string());
    assert_eq!(job.text("cost_status").unwrap(), "none");
    assert_eq!((world.asked(), spending(&world)), (0, Spending::default()));
    assert!(world.rows("SELECT * FROM usage_events").is_empty());
    let again = world.execute(&input()).unwrap_err();
    assert_eq!(again.code(), "RUN_FAILED");
    assert!(again.to_string().contains(&refused.to_string()));
}

#[test]
fn a_run_beyond_the_limits_is_refused() {
    let world = World::new(vec![hi()]);
    let limits = Limits {
        requests_per_minute: Some(1),
        ..Limits::default()
    };
    world
        .account
        .verbs(|account, now| account.set_limits(None, limits, now))
        .unwrap();
    world.execute(&input()).unwrap();
    let other = ExecuteInput {
        evidence_id: None,
        ..input()
    };
    assert_eq!(world.execute(&other).unwrap_err().code(), "RATE_LIMITED");
    assert_eq!(world.asked(), 1);
}

#[test]
fn without_the_account_no_model_is_asked() {
    let world = World::new(vec![hi()]);
    world.account.down.set(true);
    let error = world.execute(&input()).unwrap_err();
    assert_eq!(error.code(), "BUDGET_UNAVAILABLE");
    assert_eq!((world.status().as_str(), world.asked()), ("failed", 0));
}

#[test]
fn an_answer_that_cannot_be_used_is_paid_for_and_on_the_books() {
    let world = World::new(vec![reply(200, "{")]);
    world.account.cap(ENOUGH);
    world.execute(&input()).unwrap_err();
    let Spending {
        spent,
        estimated,
        reserved,
    } = spending(&world);
    assert_eq!((spent, estimated, reserved), (MOST_NANOS, MOST_NANOS, 0));
    let events = world.rows("SELECT * FROM usage_events");
    assert_eq!(events[0].int("cost_nanos").unwrap(), spent);
    assert_eq!(events[0].text("cost_status").unwrap(), "estimated");
    assert_eq!(world.job().int("cost_nanos").unwrap(), spent);
}

#[test]
fn what_was_spent_is_on_the_books_though_the_job_cannot_be_written() {
    let world = World::new(vec![hi()]);
    world.account.cap(ENOUGH);
    // The job is open; neither its end nor its failure can be written, the books can.
    world.db.fail(Fault::Fails, 1, 3);
    world.execute(&input()).unwrap_err();
    world.db.heal();
    assert_eq!(spending(&world).spent, HI_NANOS);
    assert_eq!(world.rows("SELECT * FROM usage_events").len(), 1);
    assert!(world.told.0.borrow().is_empty());
}
