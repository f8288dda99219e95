//! The bounds of the policy, and what a model's failure leaves.

use super::*;
use crate::llm::scripted::Piece;
use crate::ports::HttpError;

fn bounded(steps: Vec<Step>, change: impl FnOnce(&mut Policy)) -> World {
    let mut world = World::new(steps);
    let mut policy = (*world.service.policy).clone();
    change(&mut policy);
    world.service.policy = Rc::new(policy);
    world
}

/// The job failed, with this in its reason and this cost, and nothing was logged.
fn assert_failed(world: &World, reason: &str, cost: (Option<i64>, &str)) {
    let job = world.job();
    let said = job.text("error_message").unwrap();
    assert_eq!(job.text("status").unwrap(), "failed");
    assert!(said.contains(reason), "{said}");
    let paid = (
        job.opt_int("cost_nanos").unwrap(),
        job.text("cost_status").unwrap(),
    );
    assert_eq!((paid.0, paid.1.as_str()), cost);
    assert_eq!(job.opt_text("manifest").unwrap(), None);
    assert_eq!(world.log.size(), 0);
}

#[test]
fn a_prompt_over_the_bound_reaches_nobody() {
    let world = bounded(vec![], |policy| policy.max_prompt_bytes = 5);
    let error = world.execute(&input()).unwrap_err();
    assert_eq!((error.code(), world.asked()), ("POLICY_EXCEEDED", 0));
    assert!(
        error.to_string().contains("at most 5 are allowed"),
        "{error}"
    );
    assert!(world.rows("SELECT * FROM fortress_jobs").is_empty());
}

#[test]
fn an_answer_over_the_bound_is_not_signed_and_its_cost_is_kept() {
    let world = bounded(vec![hi()], |policy| policy.max_output_bytes = 1);
    // The whole body is bound too, by the client of the model.
    let error = world.execute(&input()).unwrap_err();
    assert_eq!(error.code(), "MODEL_ANSWER_TOO_LARGE");
    assert_failed(&world, "larger", (Some(MOST_NANOS), "estimated"));

    let long = reply(200, &answer_json(&"x".repeat(200)));
    let world = bounded(vec![long], |policy| policy.max_output_bytes = 199);
    let error = world.execute(&input()).unwrap_err();
    assert_eq!(error.code(), "POLICY_EXCEEDED");
    assert_failed(
        &world,
        "the answer has 200 bytes",
        (Some(HI_NANOS), "priced"),
    );
}

#[test]
fn a_model_at_another_host_is_not_asked() {
    let world = bounded(vec![], |policy| {
        policy.allowed_host = "else.example".to_owned();
    });
    let error = world.execute(&input()).unwrap_err();
    assert_eq!((error.code(), world.asked()), ("POLICY_EXCEEDED", 0));
    let which = "asked at model.example, only else.example is allowed";
    assert_failed(&world, which, (None, "none"));
}

#[test]
fn a_run_over_the_cost_bound_is_not_signed() {
    let world = bounded(vec![hi()], |policy| policy.max_cost_nanos = HI_NANOS - 1);
    let error = world.execute(&input()).unwrap_err();
    assert_eq!(error.code(), "POLICY_EXCEEDED");
    assert_failed(&world, "nano-dollars", (Some(HI_NANOS), "priced"));
    let world = bounded(vec![hi()], |policy| policy.max_cost_nanos = HI_NANOS);
    world.execute(&input()).unwrap();
}

#[test]
fn a_run_over_its_time_fails_and_may_have_cost() {
    let slow = Step::Reply {
        status: 200,
        headers: vec![],
        body: vec![Piece::Hang],
    };
    let world = World::new(vec![slow]);
    let started_ms = world.service.clock.now_ms();
    let error = world.execute(&input()).unwrap_err();
    assert_eq!(error.code(), "MODEL_TIMEOUT");
    let took_ms = world.service.clock.now_ms() - started_ms;
    assert!(took_ms <= 60_000, "{took_ms}");
    let cost = (Some(MOST_NANOS), "estimated");
    assert_failed(&world, "did not finish", cost);
}

#[test]
fn a_models_refusal_is_the_reason_and_stays_it() {
    let most = (Some(MOST_NANOS), "estimated");
    for (step, code, cost) in [
        (
            reply(401, "A sealed question"),
            "MODEL_UNAUTHORIZED",
            (None, "none"),
        ),
        (reply(500, "A sealed question"), "MODEL_UNAVAILABLE", most),
        (reply(404, "{}"), "MODEL_UNKNOWN", (None, "none")),
        (reply(200, "{"), "MODEL_MALFORMED_ANSWER", most),
    ] {
        let world = World::new(vec![step]);
        let error = world.execute(&input()).unwrap_err();
        assert_eq!(error.code(), code);
        assert!(!error.to_string().contains("sealed question"), "{error}");
        assert_failed(&world, &error.to_string(), cost);
        let again = world.execute(&input()).unwrap_err();
        assert_eq!(again.code(), "RUN_FAILED");
        let said = again.to_string();
        assert!(
            said.contains(&error.to_string()) && said.contains("a new evidence_id"),
            "{said}"
        );
        assert_eq!(world.asked(), 1);
    }
}

#[test]
fn a_model_that_cannot_be_reached_fails_the_run() {
    let gone = Step::Fail(HttpError::Unreachable("refused".into()));
    let world = World::new(vec![gone; 8]);
    let error = world.execute(&input()).unwrap_err();
    assert_eq!(error.code(), "MODEL_UNAVAILABLE");
    assert_eq!(world.status(), "failed");
}

#[test]
fn an_unknown_models_price_is_unknown_not_zero() {
    let answer = answer_json("Hi").replace("gpt-4-0613", "house-model");
    let world = World::new(vec![reply(200, &answer)]);
    let run = world.execute(&input()).unwrap();
    assert_eq!(
        (run.cost_nanos, run.cost_status.as_str()),
        (None, "unpriced")
    );
}

#[test]
fn no_key_that_is_ours_no_signature_and_no_model_asked() {
    let mut world = World::new(vec![hi()]);
    let gpg = crate::openpgp::tests::another_key();
    world.begin_with(PublicKey::from_armor(&gpg).unwrap());
    let error = world.execute(&input()).unwrap_err();
    assert_eq!(error.code(), "SIGNING_FAILED");
    assert_failed(
        &world,
        "is neither stored nor in PGP_PRIVATE_KEY",
        (None, "none"),
    );
    assert_eq!(world.asked(), 0);
}
