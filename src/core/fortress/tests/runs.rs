//! Whole runs: what is on file, what is signed, what is logged, and asking again.

use super::*;
use crate::digest::sha256_hex;
use garde::Validate;

#[test]
fn a_run_is_answered_signed_sealed_and_logged() {
    let world = World::new(vec![hi()]);
    let run = world.execute(&input()).unwrap();
    assert_eq!(
        (run.output.as_str(), run.status.as_str()),
        ("Hi", "completed")
    );
    assert_eq!(
        (run.model.as_str(), run.evidence_id.as_deref()),
        ("gpt-4-0613", Some("E-1"))
    );
    assert_eq!(
        (run.prompt_tokens, run.completion_tokens),
        (Some(9), Some(3))
    );
    assert_eq!(
        (run.cost_nanos, run.cost_status.as_str()),
        (Some(HI_NANOS), "priced")
    );
    assert_eq!(run.verified_by, world.own_key());

    let job = world.job();
    let text = |column: &str| job.text(column).unwrap();
    assert_eq!(
        (text("status"), text("user_id")),
        ("completed".into(), "ann".into())
    );
    assert_eq!(
        (text("id"), text("assertion_id")),
        (run.job_id.clone(), run.assertion_id.clone())
    );
    assert_eq!(
        (text("manifest"), text("signature")),
        (run.manifest, run.signature)
    );
    assert_eq!(text("prompt_hash"), sha256_hex("A sealed question"));
    assert_eq!(text("output_hash"), sha256_hex("Hi"));
    assert_eq!(text("provider_request_id"), "req_1");
    assert_eq!(text("request_id"), "request-1");
    assert_eq!(job.json("policy").unwrap(), json!(*world.service.policy));
    assert_eq!(job.int("cost_nanos").unwrap(), HI_NANOS);
}

#[test]
fn the_manifest_is_canonical_and_of_this_run() {
    let world = World::new(vec![hi()]);
    let run = world.execute(&input()).unwrap();
    let manifest = Manifest::parse(&run.manifest).unwrap();
    assert_eq!(manifest.canonical().as_deref(), Some(run.manifest.as_str()));
    manifest
        .check(&run.job_id, Some("E-1"), "A sealed question", "Hi")
        .unwrap();
    assert_eq!(manifest.model_requested, "gpt-4");
    assert_eq!(manifest.model_answered, "gpt-4-0613");
    assert_eq!(manifest.provider.request_id.as_deref(), Some("req_1"));
    assert_eq!(manifest.provider.response_id.as_deref(), Some("chatcmpl-1"));
    assert_eq!(manifest.provider.host, "model.example");
    assert_eq!(manifest.policy, *world.service.policy);
    assert_eq!(manifest.signer_fingerprint, world.own_key());
    assert_eq!(manifest.started_at_ms, START_MS);
    let asked = world.model.body(0);
    assert_eq!(
        asked["temperature"].as_f64(),
        manifest.parameters.temperature.parse().ok()
    );
    assert_eq!(asked["max_tokens"], json!(manifest.parameters.max_tokens));
    assert_eq!(
        asked["messages"][0]["content"],
        json!(manifest.policy.system_prompt)
    );
    assert_eq!(asked["messages"][1]["content"], "A sealed question");
    assert_eq!(asked["messages"].as_array().unwrap().len(), 2);
    assert!(asked.get("tools").is_none());
}

#[test]
fn neither_prompt_nor_answer_stands_in_any_column() {
    let prompt = "A sealed question";
    let answer = "An answer nobody else may read";
    let world = World::new(vec![reply(200, &answer_json(answer))]);
    world.execute(&input()).unwrap();
    for table in [
        "SELECT * FROM fortress_jobs",
        "SELECT * FROM chitty_chain_facts",
    ] {
        let rows = format!("{:?}", world.rows(table));
        assert!(!rows.contains(prompt) && !rows.contains(answer), "{table}");
        assert!(rows.contains("user_id") && rows.contains("ann"));
    }
    let sealed = world.job().text("sealed_prompt").unwrap();
    let id = world.job().text("id").unwrap();
    assert_eq!(
        sealer().open("prompt", &["ann", &id], &sealed).unwrap(),
        prompt.as_bytes()
    );
    assert!(sealer().open("prompt", &["bob", &id], &sealed).is_err());
}

#[test]
fn the_fact_carries_hashes_of_manifest_and_signature() {
    let world = World::new(vec![hi()]);
    let run = world.execute(&input()).unwrap();
    let (fact, _) = world.log.fact(0);
    assert_eq!(fact.subject, format!("fortress:job:{}", run.job_id));
    assert_eq!(fact.predicate, "executed_securely");
    assert_eq!(fact.object, format!("output:{}", run.output_file));
    assert_eq!(fact.source, "fortress-mcp");
    assert_eq!(fact.execution_id.as_deref(), Some("E-1"));
    assert_eq!(i64::try_from(fact.timestamp_ms), Ok(START_MS));
    let expected = [
        ("key_fingerprint", world.own_key()),
        ("manifest_sha256", sha256_hex(&run.manifest)),
        ("signature_sha256", sha256_hex(&run.signature)),
        ("user_id", "ann".to_owned()),
    ];
    let expected = expected.map(|(key, value)| (key.to_owned(), value));
    assert_eq!(fact.metadata, expected.into());
    assert_eq!((run.chain.leaf_index, run.chain.tree_size), (0, 1));
    assert_eq!(run.chain.fact_id, run.assertion_id);
    assert_eq!(world.rows("SELECT * FROM chitty_chain_facts").len(), 1);
}

#[test]
fn the_same_evidence_id_gives_the_same_run() {
    let world = World::new(vec![hi()]);
    let first = world.execute(&input()).unwrap();
    let again = world.execute(&input()).unwrap();
    assert_eq!(json!(first), json!(again));
    assert_eq!((world.asked(), world.log.size()), (1, 1));
    let relabelled = ExecuteInput {
        label: "other".into(),
        ..input()
    };
    assert_eq!(world.execute(&relabelled).unwrap().job_id, first.job_id);
}

#[test]
fn another_prompt_or_model_under_an_evidence_id_is_a_conflict() {
    let world = World::new(vec![hi()]);
    world.execute(&input()).unwrap();
    let prompt = ExecuteInput {
        prompt: "Another".into(),
        ..input()
    };
    let model = ExecuteInput {
        model: Some("gpt-4o".into()),
        ..input()
    };
    for other in [prompt, model] {
        let error = world.execute(&other).unwrap_err();
        assert_eq!(error.code(), "EVIDENCE_ID_CONFLICT");
    }
    assert_eq!((world.asked(), world.status().as_str()), (1, "completed"));
}

#[test]
fn evidence_ids_of_two_owners_never_meet() {
    let world = World::new(vec![hi(), hi(), hi()]);
    let ann = world.execute_as("ann", &input()).unwrap();
    let bob = world.execute_as("bob", &input()).unwrap();
    assert_ne!(ann.job_id, bob.job_id);
    assert_eq!((world.asked(), world.log.size()), (2, 2));
    assert_eq!(world.log.fact(1).0.metadata["user_id"], "bob");
    let glued = ExecuteInput {
        evidence_id: Some("\",\"E-1".into()),
        ..input()
    };
    world.execute_as("ann", &glued).unwrap();
    assert_eq!(world.rows("SELECT * FROM fortress_jobs").len(), 3);
}

#[test]
fn without_an_evidence_id_each_call_is_a_run() {
    let world = World::new(vec![hi(), hi()]);
    let alone = ExecuteInput {
        evidence_id: None,
        ..input()
    };
    let first = world.execute(&alone).unwrap();
    let second = world.execute(&alone).unwrap();
    assert_ne!(first.job_id, second.job_id);
    assert_eq!(first.evidence_id, None);
    assert_eq!(world.log.size(), 2);
    assert_eq!(Manifest::parse(&first.manifest).unwrap().evidence_id, None);
}

#[test]
fn a_run_under_way_is_neither_repeated_nor_awaited() {
    use futures::FutureExt;
    let world = World::new(vec![Step::Hang]);
    let question = input();
    let mut running = Box::pin(world.executing(ANN, &question));
    while world.asked() == 0 {
        assert!((&mut running).now_or_never().is_none());
    }
    let error = world.execute(&question).unwrap_err();
    assert_eq!((error.code(), world.asked()), ("RUN_IN_PROGRESS", 1));
}

#[test]
fn inputs_have_bounds() {
    assert!(input().validate().is_ok());
    for (field, value) in [
        ("prompt", "x".repeat(65_537)),
        ("prompt", String::new()),
        ("label", "x".repeat(501)),
        ("label", "two\nlines".to_owned()),
        ("evidence_id", "x".repeat(129)),
        ("evidence_id", "a\0b".to_owned()),
        ("model", String::new()),
    ] {
        let mut json = json!(input());
        json[field] = json!(value);
        let input: ExecuteInput = serde_json::from_value(json).unwrap();
        assert!(input.validate().is_err(), "{field}");
    }
    let unknown = json!({"prompt": "p", "label": "l", "system_prompt": "obey"});
    assert!(serde_json::from_value::<ExecuteInput>(unknown).is_err());
}

#[test]
fn a_secret_with_a_signing_subkey_signs_runs_as_the_first_key_or_a_later_one() {
    let text = crate::openpgp::tests::key_with_signing_subkey();
    for rotations in 0..2 {
        let mut world = World::new(vec![hi()]);
        if rotations > 0 {
            world.rotate(&world.own_key()).unwrap();
        } else {
            world.rows("DELETE FROM fortress_keys");
        }
        let key = SigningKey::from_armor(&text, None).unwrap();
        let primary = key.public_key().fingerprint();
        assert_ne!(key.fingerprint(), primary);
        world.service.keys = Rc::new(KeyRing::new(KeySecrets {
            public_key: key.public_key().clone(),
            key: Rc::new(key),
            next: None,
        }));
        let verdict = world.verify(&world.signed_run());
        assert!(verdict.signature_valid, "{}", verdict.explanation);
        assert_eq!(verdict.key.unwrap().fingerprint, primary);
    }
}
