//! A server that is down, slow, restarted, or answers rubbish; and a worker that is interrupted.

use super::api::Trouble;
use super::*;
use crate::fortress::keys::FRESH_MS;

const BUSY: Trouble = Trouble::Says(503, r#"{"error":{"code":"BUSY","message":"wait"}}"#);
const UNDER_WAY: Trouble = Trouble::Says(
    409,
    r#"{"error":{"code":"RUN_IN_PROGRESS","message":"wait"}}"#,
);
const WRONG_KEY: Trouble =
    Trouble::Says(401, r#"{"error":{"code":"UNAUTHORIZED","message":"no"}}"#);
const TOO_LATE: Trouble = Trouble::Says(410, r#"{"error":{"code":"TOO_LATE","message":"no"}}"#);
const PROXY: Trouble = Trouble::Says(502, "<html>Bad gateway</html>");
const RUBBISH: Trouble = Trouble::Says(200, "[1, 2");

impl World {
    /// How many calls to the model are on the books.
    pub(super) fn events(&self) -> usize {
        self.rows("SELECT * FROM usage_events").len()
    }
}

#[test]
fn what_passes_is_asked_again_and_run_once() {
    let cases: [(&[(&'static str, Trouble)], usize); 4] = [
        (
            &[("/ingest", Trouble::Lost), ("/ingest", Trouble::Unheard)],
            5,
        ),
        (
            &[("/run", BUSY), ("/run", Trouble::Lost), ("/run", BUSY)],
            6,
        ),
        (
            &[
                ("/run", Trouble::Unheard),
                ("/run", UNDER_WAY),
                ("/run", PROXY),
            ],
            6,
        ),
        (&[("/output", Trouble::Lost), ("/output", PROXY)], 5),
    ];
    for (number, (troubles, requests)) in cases.into_iter().enumerate() {
        let (world, api) = over(|api| api.troubles.get_mut().extend(troubles.to_vec()));
        let done = world.execute(&input());
        assert_eq!(done.unwrap().output, ANSWER, "{number}");
        assert_eq!(
            (api.runs.get(), api.steps().len()),
            (1, requests),
            "{number}"
        );
        assert_eq!(world.events(), 3, "{number}");
    }
}

#[test]
fn what_does_not_pass_fails_the_run_in_time_and_costs_what_it_may_have() {
    let down = "FORTRESS_API_UNAVAILABLE";
    let refused = "FORTRESS_API_REFUSED";
    let cases = [
        ("/ingest", Trouble::Lost, down, 0),
        ("/ingest", Trouble::Hangs, down, 0),
        ("/ingest", WRONG_KEY, refused, 0),
        ("/ingest", PROXY, refused, 0),
        ("/ingest", RUBBISH, down, 0),
        ("/run", Trouble::Lost, down, 1),
        ("/run", Trouble::Hangs, down, 1),
        ("/run", UNDER_WAY, down, 1),
        ("/run", RUBBISH, down, 1),
        // The server says that it never began.
        ("/run", BUSY, down, 0),
        ("/run", WRONG_KEY, refused, 0),
        ("/ingest", TOO_LATE, refused, 0),
        ("/run", TOO_LATE, down, 0),
        ("/output", Trouble::Lost, down, 1),
        ("/output", WRONG_KEY, refused, 1),
        ("/output", RUBBISH, down, 1),
    ];
    for (number, (path, trouble, code, billed)) in cases.into_iter().enumerate() {
        let (world, _) = over(|api| api.always = Some((path, trouble)));
        world.account.cap(1_000_000_000);
        let error = world.execute(&input()).unwrap_err();
        assert_eq!(error.code(), code, "{number}: {error}");
        assert!(!error.to_string().contains("example.org"), "{error}");
        assert_eq!(world.events(), billed, "{number}");
        let job = world.job();
        assert_eq!(job.text("status").unwrap(), "failed", "{number}");
        let cost = job.text("cost_status").unwrap();
        assert_eq!(
            cost,
            if billed == 0 { "none" } else { "estimated" },
            "{number}"
        );
        let took_ms = world.service.clock.now_ms() - START_MS;
        assert!(took_ms <= 60_000, "{number}: {took_ms}");
        let standing = world.account.state().standing;
        assert_eq!(standing.budgets[0].spending.reserved, 0, "{number}");
    }
}

#[test]
fn a_refusal_after_a_run_that_may_have_begun_leaves_that_open() {
    let (world, _) = over(|api| {
        let troubles = [("/run", Trouble::Unheard), ("/run", WRONG_KEY)];
        api.troubles.get_mut().extend(troubles);
    });
    let error = world.execute(&input()).unwrap_err();
    assert_eq!((error.code(), world.events()), ("FORTRESS_API_REFUSED", 1));
}

#[test]
fn a_run_that_came_too_late_never_began_whatever_was_not_heard_before() {
    let (world, _) = over(|api| {
        let troubles = [("/run", Trouble::Lost), ("/run", TOO_LATE)];
        api.troubles.get_mut().extend(troubles);
    });
    let error = world.execute(&input()).unwrap_err();
    assert_eq!(
        (error.code(), world.events()),
        ("FORTRESS_API_UNAVAILABLE", 0)
    );
}

#[test]
fn the_server_is_told_when_the_worker_gives_up() {
    let (world, api) = over(|api| {
        let troubles = [("/ingest", Trouble::Lost), ("/run", Trouble::Lost)];
        api.troubles.get_mut().extend(troubles);
    });
    world.execute(&input()).unwrap();
    // In time for the worker to hear of it.
    let not_after_ms = &api.ingested.borrow()["not_after_ms"];
    assert_eq!(not_after_ms, &json!(START_MS + 55_000));
}

/// Input tokens of gpt-4.
const TOKEN_NANOS: i64 = 30_000;

#[test]
fn a_call_without_an_answer_costs_what_its_own_request_may() {
    const GIVEN_UP: &str = r#"{"error":{"code":"RUN_FAILED","message":"", "reason":"AGENT_FAILED: 3",
        "calls":[{"status":null,"request_bytes":900000,"started_ms":1,"total_ms":5},
                 {"status":null,"request_bytes":800000,"started_ms":1,"total_ms":5}]}}"#;
    let (world, _) = over(|api| api.always = Some(("/run", Trouble::Says(422, GIVEN_UP))));
    world.execute(&input()).unwrap_err();
    assert_eq!(world.events(), 2);
    let cost = world.job().int("cost_nanos").unwrap();
    let answers = 2 * 4_096 * 2 * TOKEN_NANOS;
    assert_eq!(cost, 1_700_000 * TOKEN_NANOS + answers);
}

#[test]
fn texts_of_any_length_do_not_keep_a_run_off_the_books() {
    let long = |reply: &mut Value| {
        for name in ["model", "request_id", "service_tier"] {
            reply["calls"][0][name] = json!("x".repeat(1_000_000));
        }
    };
    let (world, _) = over(|api| api.spoil = ("/output", long));
    world.execute(&input()).unwrap();
    let booked = world.rows("SELECT model FROM usage_events ORDER BY attempt");
    assert_eq!(booked.len(), 3);
    assert_eq!(booked[0].text("model").unwrap(), "x".repeat(256));

    let (world, _) = over(|api| {
        api.misrun = |run| run["model_answered"] = json!("x".repeat(1_000_000));
    });
    let error = world.execute(&input()).unwrap_err();
    assert_eq!(
        (error.code(), world.events()),
        ("FORTRESS_API_UNAVAILABLE", 3)
    );
}

#[test]
fn a_run_that_fails_in_its_sandbox_says_why_and_what_it_cost() {
    const SPENT: &str = r#"{"error":{"code":"RUN_FAILED","message":"", "reason":"BOUND_EXCEEDED: memory",
        "calls":[{"status":200,"model":"gpt-4","started_ms":1,"total_ms":-5,
                  "usage":{"prompt_tokens":9,"completion_tokens":3,"total_tokens":12}},
                 {"status":null,"started_ms":9223372036854775807,"total_ms":9223372036854775807}]}}"#;
    const RESTARTED: &str = r#"{"error":{"code":"RUN_FAILED","message":"","reason":"INTERRUPTED: it ended","calls":null}}"#;
    for (says, words, events, cost) in [
        (SPENT, "BOUND_EXCEEDED: memory", 2, "estimated"),
        (RESTARTED, "INTERRUPTED", 1, "estimated"),
    ] {
        let (world, _) = over(|api| api.always = Some(("/run", Trouble::Says(422, says))));
        let error = world.execute(&input()).unwrap_err();
        assert_eq!(error.code(), "RUN_FAILED");
        assert!(error.to_string().contains(words), "{error}");
        assert_eq!(world.events(), events);
        let job = world.job();
        assert_eq!(job.text("cost_status").unwrap(), cost);
        let booked = world.rows("SELECT SUM(cost_nanos) AS n FROM usage_events");
        assert_eq!(job.int("cost_nanos").unwrap(), booked[0].int("n").unwrap());
        assert!(job.int("cost_nanos").unwrap() >= HI_NANOS);
    }
}

#[test]
fn an_account_without_end_or_without_calls_is_rubbish() {
    let spoils: [fn(&mut Value); 2] = [
        |reply| {
            let call = calls()[0].clone();
            reply["calls"] = json!(vec![call; 51]);
        },
        |reply| drop(reply.as_object_mut().unwrap().remove("calls")),
    ];
    for spoil in spoils {
        let (world, _) = over(|api| api.spoil = ("/output", spoil));
        let error = world.execute(&input()).unwrap_err();
        assert_eq!(
            (error.code(), world.events()),
            ("FORTRESS_API_UNAVAILABLE", 1)
        );
    }
}

#[test]
fn whatever_statement_fails_nothing_is_run_twice() {
    for fault in [Fault::Fails, Fault::FailsButPersists] {
        for at in 0..12 {
            let (world, api) = over(|_| {});
            world.db.fail(fault, at, 1);
            let first = world.execute(&input());
            world.db.heal();
            let again = world.execute(&input());
            assert!(api.runs.get() <= 1, "{fault:?} {at}");
            if let (Ok(first), Ok(again)) = (&first, &again) {
                assert_eq!(first.job_id, again.job_id);
            }
            world.clock.pass(120_000);
            world.sweep().unwrap();
            assert_ne!(world.status(), "executing", "{fault:?} {at}");
        }
    }
}

#[test]
fn the_server_is_not_asked_for_what_the_budget_has_no_room_for() {
    let (world, api) = over(|_| {});
    world.account.cap(1);
    let error = world.execute(&input()).unwrap_err();
    assert_eq!(error.code(), "BUDGET_EXCEEDED", "{error}");
    assert!(api.steps().is_empty());
}

#[test]
fn health_tells_whether_it_answers() {
    let alive = |world: &World| {
        let api = world.service.api.clone().unwrap();
        world.clock.run(api.is_alive())
    };
    let (up, _) = over(|api| api.always = Some(("/", Trouble::Says(200, "{}"))));
    assert!(alive(&up));
    for trouble in [Trouble::Lost, Trouble::Hangs, PROXY] {
        let (down, _) = over(|api| api.always = Some(("/", trouble)));
        assert!(!alive(&down));
    }
}

#[test]
fn a_run_that_is_signed_is_kept_though_the_log_does_not_answer() {
    let (world, _) = over(|_| {});
    world.clock.pass(FRESH_MS);
    *world.log.faults.borrow_mut() = [LogFault::RequestLost; 50].into();
    let error = world.execute(&input()).unwrap_err();
    assert_eq!(error.code(), "CHAIN_UNAVAILABLE", "{error}");
    assert_eq!(world.job().text("status").unwrap(), "completed");
    world.log.faults.borrow_mut().clear();
    assert_eq!((world.sweep().unwrap(), world.log.size()), (1, 1));
}
