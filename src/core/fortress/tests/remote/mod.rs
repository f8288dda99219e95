//! Runs that a Fortress API answers, and what becomes of those that cannot be relied on.

mod api;
mod troubles;

use serde_json::{Value, json};

use self::api::{ANSWER, CALLS_NANOS, calls, over, sign};
use super::*;
use crate::fortress::keys::RotateKeyInput;
use crate::openpgp::tests::another_lasting_key;

#[test]
fn a_run_is_answered_signed_and_billed_by_the_api_and_logged_here() {
    let (world, api) = over(|_| {});
    let done = world.execute(&input()).unwrap();
    assert_eq!(
        (done.output.as_str(), done.status.as_str()),
        (ANSWER, "completed")
    );
    assert_eq!(done.verified_by, world.own_key());
    assert_eq!(
        (done.cost_nanos, done.cost_status.as_str()),
        (Some(CALLS_NANOS), "priced")
    );
    assert_eq!(
        (done.prompt_tokens, done.completion_tokens),
        (Some(20), Some(4))
    );
    assert_eq!(world.asked(), 0, "the worker itself asked the model");
    let id = &done.job_id;
    let steps = [
        "POST /ingest".to_owned(),
        format!("POST /run/{id}"),
        format!("GET /output/{id}.txt"),
    ];
    assert_eq!(*api.asked.borrow(), steps);
    assert_eq!(world.rows("SELECT * FROM usage_events").len(), 3);
    assert_eq!(done.chain.tree_size, 1);

    // The same evidence id is the same run.
    assert_eq!(world.execute(&input()).unwrap().signature, done.signature);
    assert_eq!(api.asked.borrow().len(), 3);

    let verdict = world.verify(&VerifyInput {
        content: done.manifest,
        signature: done.signature,
        public_key: None,
        include_keys: false,
    });
    assert!(verdict.signature_valid, "{}", verdict.explanation);
}

/// The run fails, is paid for, and leaves nothing that could be taken for an answer.
fn assert_refused(world: &World, what: &str) {
    let error = world.execute(&input()).unwrap_err();
    assert_eq!(error.code(), "SIGNATURE_INVALID", "{what}: {error}");
    let job = world.job();
    assert_eq!(job.text("status").unwrap(), "failed", "{what}");
    let cost = job.opt_int("cost_nanos").unwrap();
    assert_eq!(cost, Some(CALLS_NANOS), "{what}");
    assert_eq!(job.opt_text("sealed_output").unwrap(), None, "{what}");
    let facts = world.rows("SELECT * FROM chitty_chain_facts");
    assert_eq!(facts.len(), 0, "{what}");
    let again = world.execute(&input()).unwrap_err();
    assert_eq!(again.code(), "RUN_FAILED", "{what}");
}

type Change = fn(&mut Value);

#[test]
fn what_is_not_signed_by_our_key_fails_the_run() {
    let cases: [(&str, Change); 7] = [
        ("manifest", |reply| {
            let text = reply["manifest"].as_str().unwrap();
            reply["manifest"] = json!(text.replacen("gpt-4-0613", "gpt-4-0614", 1));
        }),
        ("form", |reply| {
            let text = reply["manifest"].as_str().unwrap().replacen('{', "{ ", 1);
            let key = SigningKey::from_armor(lasting_key(), None).unwrap();
            reply["signature"] = json!(sign(&key, &text));
            reply["manifest"] = json!(text);
        }),
        ("output", |reply| reply["output"] = json!("Another")),
        ("verified_by", |reply| {
            reply["verified_by"] = json!("A".repeat(40));
        }),
        ("no manifest", |reply| reply["manifest"] = json!("{}")),
        ("no signature", |reply| reply["signature"] = json!("")),
        ("another's signature", |reply| {
            let key = SigningKey::from_armor(another_lasting_key(), None).unwrap();
            reply["signature"] = json!(sign(&key, reply["manifest"].as_str().unwrap()));
        }),
    ];
    for (what, spoil) in cases {
        let (world, _) = over(|api| api.spoil = ("/output", spoil));
        assert_refused(&world, what);
    }
}

#[test]
fn what_our_key_signed_of_another_run_fails_it() {
    let cases: [(&str, Change); 9] = [
        ("job", |run| run["job_id"] = json!("JOB-1")),
        ("evidence", |run| run["evidence_id"] = json!("E-2")),
        ("label", |run| run["label"] = json!("other")),
        ("model", |run| run["model_requested"] = json!("gpt-5")),
        ("prompt", |run| run["prompt_sha256"] = json!("0".repeat(64))),
        ("signer", |run| {
            run["signer_fingerprint"] = json!("0".repeat(40));
        }),
        ("policy", |run| run["policy"]["max_output_bytes"] = json!(1)),
        ("host", |run| {
            with_policy(run, |policy| policy.allowed_host = "b".into());
        }),
        ("no sandbox", |run| {
            with_policy(run, |policy| policy.sandbox = None);
        }),
    ];
    for (what, misrun) in cases {
        let (world, _) = over(|api| api.misrun = misrun);
        assert_refused(&world, what);
    }
}

/// The policy changed, and its hash with it.
fn with_policy(manifest: &mut Value, change: fn(&mut Policy)) {
    let mut policy: Policy = serde_json::from_value(manifest["policy"].take()).unwrap();
    change(&mut policy);
    manifest["policy_sha256"] = json!(policy.sha256().unwrap());
    manifest["policy"] = json!(policy);
}

#[test]
fn a_server_that_runs_something_else_is_not_asked_for_it() {
    let (world, api) = over(|api| {
        api.spoil = ("/ingest", |reply| reply["input_id"] = json!("another"));
    });
    let error = world.execute(&input()).unwrap_err();
    assert_eq!(error.code(), "SIGNATURE_INVALID");
    assert_eq!((api.runs.get(), world.events()), (0, 0));
}

#[test]
fn a_run_outside_the_workers_bounds_is_stopped_and_says_which() {
    let (mut world, _) = over(|_| {});
    world.service.policy = Rc::new(Policy {
        max_cost_nanos: CALLS_NANOS - 1,
        ..Policy::current("model.example")
    });
    let error = world.execute(&input()).unwrap_err();
    assert_eq!(error.code(), "POLICY_EXCEEDED");
    assert!(error.to_string().contains("nano-dollars"), "{error}");
}

#[test]
fn a_key_that_cannot_sign_stops_a_run_before_it_is_paid_for() {
    let (mut world, api) = over(|_| {});
    let other = SigningKey::from_armor(another_lasting_key(), None).unwrap();
    world.begin_with(other.public_key().clone());
    let error = world.execute(&input()).unwrap_err();
    assert_eq!(error.code(), "SIGNING_FAILED");
    assert_eq!((api.steps().len(), world.events()), (0, 0));
}

#[test]
fn what_the_replaced_key_signs_counts_no_more_and_the_server_needs_the_next() {
    let (mut world, _) = over(|_| {});
    let own = world.own_key();
    let ask = |use_secret| RotateKeyInput {
        from_fingerprint: own.clone(),
        use_secret,
    };
    let refused = world.clock.run(world.service.rotate_key(&ask(false)));
    assert_eq!(refused.unwrap_err().code(), "NO_NEXT_KEY");

    world.service.keys = Rc::new(KeyRing::new(KeySecrets {
        next: Some(Secret::new(another_lasting_key())),
        ..secrets()
    }));
    let rotated = world.clock.run(world.service.rotate_key(&ask(true)));
    assert_eq!(rotated.unwrap().key.number, 2);
    let error = world.execute(&input()).unwrap_err();
    assert_eq!(error.code(), "SIGNATURE_INVALID", "{error}");
}
