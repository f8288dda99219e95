//! What each level asks, checks, logs and keeps.

use garde::Validate;

use super::*;
use crate::digest::sha256_hex;
use crate::fortress::Manifest;

#[test]
fn standard_asks_the_chatgpt_worker_alone() {
    let world = World::new();
    let done = world.done(SecurityLevel::Standard);
    assert_eq!(done.results.chatgpt_response.as_deref(), Some("Hi"));
    assert_eq!(
        (done.status.as_str(), done.evidence_id),
        ("completed", None)
    );
    assert!(!done.verification.fortress_signed && done.verification.signature_valid.is_none());
    assert_eq!(done.cost_usd.as_deref(), Some("0.00045"));
    assert!(world.fortress.tools().is_empty());
    assert_eq!(
        (world.chatgpt.tools(), world.log.size()),
        (vec!["chatgpt_complete".into()], 0)
    );
    let row = world.row();
    let text = |column: &str| row.text(column).unwrap();
    assert_eq!(
        (text("execution_method"), text("status")),
        ("direct".into(), "completed".into())
    );
    assert_eq!(
        (text("chat_session_id"), text("user_id")),
        (text("id"), "ann".into())
    );
    assert_eq!(text("prompt_hash"), sha256_hex(PROMPT));
    assert_eq!(row.opt_boolean("verification_status").unwrap(), None);
    assert_eq!(
        (
            row.int("prompt_tokens").unwrap(),
            row.int("completion_tokens").unwrap()
        ),
        (9, 3)
    );
}

#[test]
fn fortress_never_shows_the_prompt_to_the_chatgpt_worker() {
    let world = World::new();
    let done = world.done(SecurityLevel::Fortress);
    assert!(world.chatgpt.calls.borrow().is_empty());
    let tools = ["fortress_secure_execute", "fortress_verify_signature"];
    assert_eq!(world.fortress.tools(), tools);
    assert_eq!(done.results.fortress_output.as_deref(), Some("Hi"));
    assert_eq!(done.results.chatgpt_response, None);
    assert_eq!(done.results.verification_status, Some(true));
    assert!(done.verification.fortress_signed);
    assert_eq!(
        (done.verification.chain_facts_logged, world.log.size()),
        (1, 1)
    );
    let manifest = Manifest::parse(&done.results.fortress_manifest.unwrap()).unwrap();
    assert_eq!(manifest.evidence_id, Some(done.execution_id));
    assert_eq!(manifest.label, "secure-execution");
    let row = world.row();
    assert_eq!(row.text("execution_method").unwrap(), "sandboxed");
    assert_eq!(row.text("fortress_job_id").unwrap(), manifest.job_id);
    assert!(row.boolean("verification_status").unwrap());
}

#[test]
fn verified_asks_both_and_logs_the_comparison() {
    let world = World::new();
    let done = world.done(SecurityLevel::Verified);
    assert_eq!(done.results.chatgpt_response, done.results.fortress_output);
    assert_eq!(done.verification.answers_identical, Some(true));
    assert_eq!(done.cost_usd.as_deref(), Some("0.0009"));
    assert_eq!((done.results.chain_facts.len(), world.log.size()), (2, 2));
    assert_eq!(done.results.chain_positions[1].leaf_index, 1);
    let (fact, _) = world.log.fact(1);
    assert_eq!(fact.subject, format!("execution:{}", done.execution_id));
    assert_eq!(fact.predicate, "compared_with_standard");
    assert_eq!(fact.object, format!("chatgpt:{}", done.execution_id));
    assert_eq!(fact.source, "chittyos-coordinator");
    let hash = sha256_hex("Hi");
    let expected = [
        ("answers_identical", "true"),
        ("fortress_sha256", hash.as_str()),
        ("standard_sha256", hash.as_str()),
        ("user_id", "ann"),
    ];
    let expected = expected.map(|(key, value)| (key.to_owned(), value.to_owned()));
    assert_eq!(fact.metadata, expected.into());
    let row = world.row();
    assert_eq!(row.int("prompt_tokens").unwrap(), 18);
    assert_eq!(row.int("cost_nanos").unwrap(), 2 * HI_NANOS);
}

#[test]
fn different_answers_are_told_and_do_not_fail_it() {
    let world = World::answering(vec![reply(200, &answer_json("Ho"))], vec![hi()]);
    let done = world.done(SecurityLevel::Verified);
    assert_eq!(done.verification.answers_identical, Some(false));
    assert_eq!(done.results.verification_status, Some(true));
    assert_eq!(world.log.fact(1).0.metadata["answers_identical"], "false");
}

#[test]
fn without_comparison_a_verified_prompt_stays_in_the_fortress() {
    let mut world = World::new();
    world.service.compare = false;
    let done = world.done(SecurityLevel::Verified);
    assert!(world.chatgpt.calls.borrow().is_empty());
    assert_eq!(done.verification.answers_identical, None);
    assert_eq!(
        (done.results.verification_status, world.log.size()),
        (Some(true), 1)
    );
}

#[test]
fn workers_hear_of_the_owner_and_of_one_scope() {
    let world = World::new();
    let owner = "bob";
    let asker = Asker {
        owner,
        ..world.asker()
    };
    let done = world.clock.run(
        world
            .service
            .execute(&asker, &input(SecurityLevel::Verified)),
    );
    done.unwrap();
    let scopes = |peer: &Peer| {
        let calls = peer.calls.borrow();
        let scope = |(_, principal, _): &(String, Principal, Value)| {
            assert_eq!(
                (principal.user_id.as_str(), principal.token_id.as_str()),
                (owner, "t-1")
            );
            principal
                .scopes
                .iter()
                .map(str::to_owned)
                .collect::<Vec<_>>()
                .join(" ")
        };
        calls.iter().map(scope).collect::<Vec<_>>()
    };
    assert_eq!(scopes(&world.chatgpt), ["chatgpt:complete"]);
    assert_eq!(
        scopes(&world.fortress),
        ["fortress:execute", "fortress:verify"]
    );
    assert_eq!(world.row().text("user_id").unwrap(), owner);
}

#[test]
fn evidence_is_made_once_and_only_with_a_completion() {
    let wanted = |level| ExecuteInput {
        create_evidence: true,
        case_id: Some("CASE".into()),
        label: Some("Deposition".into()),
        ..input(level)
    };
    for (level, status) in [
        (SecurityLevel::Standard, "completed"),
        (SecurityLevel::Fortress, "verified"),
        (SecurityLevel::Verified, "verified"),
    ] {
        let world = World::new();
        let done = world.execute(&wanted(level)).unwrap();
        let rows = world.rows("SELECT * FROM evidence_records");
        assert_eq!(rows.len(), 1);
        let text = |column: &str| rows[0].text(column).unwrap();
        assert_eq!(Some(text("id")), done.evidence_id);
        assert_eq!(
            (text("execution_id"), text("case_id")),
            (done.execution_id, "CASE".into())
        );
        assert_eq!(
            (text("status"), text("description")),
            (status.into(), "Deposition".into())
        );
        assert_eq!(text("input_hash"), sha256_hex(PROMPT));
        assert_eq!(text("output_hash"), sha256_hex("Hi"));
        assert_eq!(
            rows[0].opt_text("pgp_signature").unwrap(),
            done.results.fortress_signature
        );
        assert_eq!(
            rows[0].boolean("signature_verified").unwrap(),
            status == "verified"
        );
        assert_eq!(
            Some(text("id")),
            world.row().opt_text("evidence_id").unwrap()
        );
    }
    let world = World::answering(vec![reply(401, "no")], vec![]);
    world.execute(&wanted(SecurityLevel::Standard)).unwrap_err();
    assert!(world.rows("SELECT * FROM evidence_records").is_empty());
    assert_eq!(world.row().opt_text("evidence_id").unwrap(), None);
}

#[test]
fn a_sum_is_known_only_if_every_part_is() {
    let unpriced = reply(200, &answer_json("Hi").replace("gpt-4-0613", "house-model"));
    let uncounted = reply(200, &answer_json("Hi").replace("\"usage\"", "\"used\""));
    for (chat, tokens) in [(unpriced, Some(18)), (uncounted, None)] {
        let world = World::answering(vec![chat], vec![hi()]);
        let done = world.done(SecurityLevel::Verified);
        assert_eq!(done.cost_usd, None);
        let row = world.row();
        assert_eq!(row.text("cost_status").unwrap(), "unpriced");
        assert_eq!(row.opt_int("cost_nanos").unwrap(), None);
        assert_eq!(row.opt_int("prompt_tokens").unwrap(), tokens);
    }
}

#[test]
fn what_is_on_file_is_sealed_and_shown_to_its_owner_alone() {
    let answer = "An answer nobody else may read";
    let answering = || reply(200, &answer_json(answer));
    let world = World::answering(vec![answering()], vec![answering()]);
    let done = world.done(SecurityLevel::Verified);
    for table in [
        "SELECT * FROM secure_executions",
        "SELECT * FROM fortress_jobs",
        "SELECT * FROM chitty_chain_facts",
    ] {
        let rows = format!("{:?}", world.rows(table));
        assert!(!rows.contains(PROMPT) && !rows.contains(answer), "{table}");
    }
    let view = world.status(&done.execution_id);
    assert_eq!(
        (view.prompt.as_str(), view.status.as_str()),
        (PROMPT, "completed")
    );
    assert_eq!(view.results.chatgpt_response.as_deref(), Some(answer));
    assert_eq!(view.results.fortress_output.as_deref(), Some(answer));
    assert_eq!(
        view.results.fortress_manifest,
        done.results.fortress_manifest
    );
    assert_eq!(
        view.results.fortress_signature,
        done.results.fortress_signature
    );
    assert_eq!(view.results.chain_facts, done.results.chain_facts);
    assert_eq!(json!(view.verification), json!(done.verification));
    assert_eq!((view.cost_usd, view.error_message), (done.cost_usd, None));
    assert_eq!(view.metadata["model"], "gpt-4");
    for (owner, id) in [("bob", done.execution_id.as_str()), ("ann", "unknown")] {
        let error = world
            .clock
            .run(world.service.status(&principal(owner), id))
            .unwrap_err();
        assert_eq!(error.code(), "EXECUTION_NOT_FOUND");
    }
}

#[test]
fn both_models_are_asked_in_the_same_way_and_a_cut_answer_shows() {
    let cut = answer_json("Hi").replace("\"stop\"", "\"length\"");
    let world = World::answering(vec![reply(200, &cut)], vec![hi()]);
    let done = world.done(SecurityLevel::Verified);
    let manifest = Manifest::parse(&done.results.fortress_manifest.unwrap()).unwrap();
    let (_, _, asked) = world.chatgpt.calls.borrow()[0].clone();
    assert_eq!(asked["max_tokens"], json!(manifest.parameters.max_tokens));
    assert_eq!(
        asked["temperature"].as_f64(),
        manifest.parameters.temperature.parse().ok()
    );
    let reasons = json!({"chatgpt_finish_reason": "length", "fortress_finish_reason": "stop"});
    assert_eq!(json!(done.results.finish_reasons), reasons);
    let view = world.status(&done.execution_id);
    assert_eq!(json!(view.results.finish_reasons), reasons);
}

#[test]
fn inputs_have_bounds() {
    assert!(input(SecurityLevel::Standard).validate().is_ok());
    for (field, value) in [
        ("prompt", "x".repeat(65_537)),
        ("prompt", String::new()),
        ("label", "x".repeat(501)),
        ("label", "two\nlines".to_owned()),
        ("case_id", "a\0b".to_owned()),
        ("model", "x".repeat(129)),
    ] {
        let mut json = json!(input(SecurityLevel::Standard));
        json[field] = json!(value);
        let input: ExecuteInput = serde_json::from_value(json).unwrap();
        assert!(input.validate().is_err(), "{field}");
    }
    for wrong in [
        json!({}),
        json!({"prompt": "p", "security_level": "top"}),
        json!({"prompt": "p", "x": 1}),
    ] {
        assert!(serde_json::from_value::<ExecuteInput>(wrong).is_err());
    }
}
