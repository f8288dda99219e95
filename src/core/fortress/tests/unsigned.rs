//! Rows of runs that are not what the fortress signed: nobody has them logged.

use super::*;

const FORGED: &str = "INSERT INTO fortress_jobs (id, user_id, label, idempotency_key, request_id, \
    sealed_prompt, prompt_hash, policy, model_requested, created_at, updated_at, status, \
    started_at, completed_at, sealed_output, output_hash, output_file, manifest, signature, \
    key_fingerprint, model_answered, cost_status) VALUES ('JOB-forged', 'ann', 'l', 'k', 'r', \
    's', '0000000000000000000000000000000000000000000000000000000000000000', '{}', 'gpt-4', \
    1, 1, 'completed', 1, 1, 'x', \
    '0000000000000000000000000000000000000000000000000000000000000000', 'JOB-forged.txt', \
    'never signed', 'no signature', 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA', 'gpt-4', 'none')";

#[test]
fn a_row_that_no_key_signed_is_not_logged_as_a_run() {
    let world = World::new(vec![]);
    world.rows(FORGED);
    let error = world.sweep().unwrap_err();
    assert_eq!((error.code(), world.log.size()), ("RUN_NOT_AS_SIGNED", 0));
    let told = world.told.0.borrow();
    assert!(told.iter().any(|(_, event, fields)| {
        event == "run_not_logged" && fields["job"] == json!("JOB-forged")
    }));
}

/// Two runs that are signed and not logged yet.
fn unlogged() -> World {
    let world = World::new(vec![hi(), reply(200, &answer_json("Lo"))]);
    for number in 0..2 {
        *world.log.faults.borrow_mut() = [LogFault::RequestLost; 3].into();
        let question = ExecuteInput {
            prompt: format!("Question {number}"),
            evidence_id: Some(format!("E-{number}")),
            ..input()
        };
        world.execute(&question).unwrap_err();
        world.clock.pass(1);
    }
    world.log.faults.borrow_mut().clear();
    world
}

#[test]
fn a_row_that_was_changed_before_it_was_logged_is_not_logged_and_keeps_no_other_out() {
    let first = "(SELECT id FROM fortress_jobs WHERE evidence_id = 'E-0')";
    let of = |column: &str, other: &str| {
        format!(
            "UPDATE fortress_jobs SET {column} = (SELECT {column} FROM fortress_jobs \
             WHERE evidence_id = '{other}') WHERE id = {first}"
        )
    };
    for change in [
        of("manifest", "E-1"),
        of("signature", "E-1"),
        of("sealed_output", "E-1"),
        of("prompt_hash", "E-1"),
        format!("UPDATE fortress_jobs SET user_id = 'bob' WHERE id = {first}"),
        format!("UPDATE fortress_jobs SET evidence_id = 'E-2' WHERE id = {first}"),
        format!("UPDATE fortress_jobs SET id = 'JOB-other' WHERE id = {first}"),
        format!(
            "UPDATE fortress_jobs SET key_fingerprint = upper(hex(zeroblob(20))) WHERE id = {first}"
        ),
        format!("UPDATE fortress_jobs SET output_file = 'other.txt' WHERE id = {first}"),
    ] {
        let world = unlogged();
        world
            .clock
            .run(world.db.inner.run(Statement::new(change.clone())))
            .unwrap();
        assert_eq!(
            world.sweep().unwrap_err().code(),
            "RUN_NOT_AS_SIGNED",
            "{change}"
        );
        assert_eq!(world.log.size(), 1, "{change}");
        assert_eq!(world.log.fact(0).0.execution_id.as_deref(), Some("E-1"));
    }
    let world = unlogged();
    assert_eq!((world.sweep().unwrap(), world.log.size()), (2, 2));
}

#[test]
fn who_asks_again_for_a_run_that_nobody_signed_does_not_have_it_logged() {
    let world = unlogged();
    world.rows("UPDATE fortress_jobs SET signature = 'none'");
    let question = ExecuteInput {
        prompt: "Question 0".to_owned(),
        evidence_id: Some("E-0".to_owned()),
        ..input()
    };
    let error = world.execute(&question).unwrap_err();
    assert_eq!((error.code(), world.log.size()), ("RUN_NOT_AS_SIGNED", 0));
}

#[test]
fn what_is_due_is_logged_together_with_the_first_key() {
    let world = unlogged();
    let due = || world.clock.run(world.service.log_due());
    let logged = due().unwrap();
    assert_eq!((logged.keys, logged.runs, world.log.size()), (0, 2, 3));
    let (fact, _) = world.log.fact(0);
    assert_eq!(fact.predicate, "first_key");
    assert_eq!(fact.subject, format!("fortress:key:{}", world.own_key()));
    assert_eq!((due().unwrap().runs, world.log.size()), (0, 3));
}

#[test]
fn any_number_of_rows_that_nobody_signed_keeps_no_run_out() {
    let world = unlogged();
    world.rows(FORGED);
    world.rows(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 250) \
         INSERT INTO fortress_jobs (id, user_id, label, idempotency_key, request_id, \
         sealed_prompt, prompt_hash, policy, model_requested, created_at, updated_at, status, \
         started_at, completed_at, sealed_output, output_hash, output_file, manifest, signature, \
         key_fingerprint, model_answered, cost_status) SELECT 'JOB-' || i, user_id, label, \
         'k-' || i, request_id, sealed_prompt, prompt_hash, policy, model_requested, created_at, \
         updated_at, status, started_at, completed_at, sealed_output, output_hash, output_file, \
         manifest, signature, key_fingerprint, model_answered, cost_status FROM fortress_jobs, n \
         WHERE id = 'JOB-forged'",
    );
    for _ in 0..3 {
        assert_eq!(world.sweep().unwrap_err().code(), "RUN_NOT_AS_SIGNED");
        world.clock.pass(60_000);
    }
    assert_eq!(world.log.size(), 2);
}
