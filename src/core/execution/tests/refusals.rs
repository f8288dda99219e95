//! Signatures that do not hold and workers that fail: what is told, and what stays on file.

use super::*;

/// The execution failed with this code, and its row says so and is no evidence of anything.
fn assert_failed(world: &World, level: SecurityLevel, code: &str) -> ExecutionView {
    let input = ExecuteInput {
        create_evidence: true,
        ..input(level)
    };
    let failed = world.execute(&input).unwrap_err();
    assert_eq!(failed.error.code(), code, "{failed}");
    let view = world.status(failed.execution_id.as_deref().unwrap());
    assert_eq!(view.status, "failed");
    assert_eq!(view.error_message, Some(failed.error.to_string()));
    assert!(view.completed_at.is_some() && view.evidence_id.is_none());
    assert!(world.rows("SELECT * FROM evidence_records").is_empty());
    let row = world.row();
    assert_eq!(row.opt_text("fortress_signature").unwrap(), None);
    assert_ne!(row.opt_boolean("verification_status").unwrap(), Some(true));
    view
}

#[test]
fn whatever_does_not_hold_fails_the_execution() {
    let run = "fortress_secure_execute";
    let twists: [(&str, Twist); 9] = [
        (
            "signature",
            Twist::Result(|run| run["signature"] = json!("-----BEGIN PGP SIGNATURE-----")),
        ),
        (
            "no signature",
            Twist::Result(|run| run["signature"] = json!("")),
        ),
        (
            "manifest",
            Twist::Result(|run| run["manifest"] = json!("{}")),
        ),
        (
            "one byte",
            Twist::Result(|run| {
                let manifest = run["manifest"]
                    .as_str()
                    .unwrap()
                    .replace("gpt-4-0613", "gpt-4-0614");
                run["manifest"] = json!(manifest);
            }),
        ),
        (
            "another answer",
            Twist::Result(|run| run["output"] = json!("Ho")),
        ),
        (
            "another job",
            Twist::Result(|run| run["job_id"] = json!("JOB-other")),
        ),
        (
            "another prompt",
            Twist::Arguments(|call| call["prompt"] = json!("Other")),
        ),
        (
            "another execution",
            Twist::Arguments(|call| call["evidence_id"] = json!("E-x")),
        ),
        (
            "no execution",
            Twist::Arguments(|call| drop(call.as_object_mut().unwrap().remove("evidence_id"))),
        ),
    ];
    for (told, twist) in twists {
        for level in [SecurityLevel::Fortress, SecurityLevel::Verified] {
            let world = World::new();
            let twist = match &twist {
                Twist::Result(change) => Twist::Result(*change),
                Twist::Arguments(change) => Twist::Arguments(*change),
                _ => unreachable!(),
            };
            world.fortress.twist(run, twist);
            let view = assert_failed(&world, level, "SIGNATURE_INVALID");
            let verification = view.verification.unwrap();
            assert_eq!(verification.signature_valid, Some(false), "{told}");
            assert_eq!(verification.answers_identical, None);
            // The run is logged; a comparison that did not take place is not.
            assert_eq!((world.log.size(), view.results.chain_facts.len()), (1, 1));
        }
    }
}

#[test]
fn a_verdict_of_no_is_believed_though_all_else_fits() {
    let world = World::new();
    let no = Twist::Result(|verdict| {
        verdict["signature_valid"] = json!(false);
        verdict["explanation"] = json!("the key was revoked");
    });
    world.fortress.twist("fortress_verify_signature", no);
    let view = assert_failed(&world, SecurityLevel::Fortress, "SIGNATURE_INVALID");
    assert!(view.error_message.unwrap().contains("the key was revoked"));
}

#[test]
fn a_workers_refusal_is_carried_with_its_code() {
    for (tool, level, peer) in [
        ("chatgpt_complete", SecurityLevel::Standard, "chatgpt"),
        ("chatgpt_complete", SecurityLevel::Verified, "chatgpt"),
        (
            "fortress_secure_execute",
            SecurityLevel::Fortress,
            "fortress",
        ),
        (
            "fortress_verify_signature",
            SecurityLevel::Verified,
            "fortress",
        ),
    ] {
        for (twist, code, words) in [
            (Twist::Down, "PEER_UNREACHABLE", peer),
            (Twist::Refuses("MODEL_UNKNOWN"), "MODEL_UNKNOWN", "in words"),
            (
                Twist::Result(|result| *result = json!({})),
                "PEER_PROTOCOL",
                "another shape",
            ),
        ] {
            let world = World::new();
            let to = if peer == "chatgpt" {
                &world.chatgpt
            } else {
                &world.fortress
            };
            to.twist(tool, twist);
            let view = assert_failed(&world, level, code);
            let said = view.error_message.unwrap();
            let sealed = peer == "chatgpt" && level == SecurityLevel::Verified;
            let words = if sealed && code == "MODEL_UNKNOWN" {
                "left out"
            } else {
                words
            };
            assert!(said.contains(words), "{said}");
        }
    }
}

#[test]
fn an_answer_stays_on_file_when_the_fortress_fails() {
    let world = World::answering(vec![hi()], vec![reply(401, "no")]);
    let view = assert_failed(&world, SecurityLevel::Verified, "MODEL_UNAUTHORIZED");
    assert_eq!(view.results.chatgpt_response.as_deref(), Some("Hi"));
    assert_eq!((view.results.fortress_output, view.cost_usd), (None, None));
    assert_eq!(view.chat_session_id, Some(view.id));
    assert_eq!(world.row().text("cost_status").unwrap(), "unpriced");
    assert_eq!(world.log.size(), 0);
}

#[test]
fn a_signed_run_stays_on_file_when_the_other_worker_fails() {
    let world = World::answering(vec![reply(401, "no")], vec![hi()]);
    let view = assert_failed(&world, SecurityLevel::Verified, "MODEL_UNAUTHORIZED");
    assert_eq!(view.results.fortress_output.as_deref(), Some("Hi"));
    assert_eq!(view.results.verification_status, Some(false));
    assert!(view.fortress_job_id.is_some() && view.results.fortress_manifest.is_some());
    let verification = view.verification.unwrap();
    assert_eq!(verification.signature_valid, Some(true));
    assert_eq!((verification.chain_facts_logged, world.log.size()), (1, 1));
    assert_eq!(verification.answers_identical, None);
}

#[test]
fn nothing_came_in_and_nothing_is_made_up() {
    let world = World::answering(vec![reply(401, "no")], vec![]);
    let view = assert_failed(&world, SecurityLevel::Standard, "MODEL_UNAUTHORIZED");
    assert_eq!(json!(view.results), json!({}));
    assert_eq!((view.cost_usd, view.fortress_job_id), (None, None));
}

#[test]
fn a_log_that_is_down_fails_the_comparison_alone() {
    let world = World::new();
    // The run's own fact, then three tries of the comparison's.
    let faults = [
        LogFault::None,
        LogFault::RequestLost,
        LogFault::RequestLost,
        LogFault::RequestLost,
    ];
    *world.log.faults.borrow_mut() = faults.into();
    let view = assert_failed(&world, SecurityLevel::Verified, "CHAIN_UNAVAILABLE");
    assert!(view.error_message.unwrap().contains("try again"));
    assert!(view.results.chatgpt_response.is_some() && view.results.fortress_output.is_some());
    assert_eq!(view.cost_usd.as_deref(), Some("0.0009"));
    assert_eq!(world.log.size(), 1);
}

#[test]
fn every_error_has_a_code_and_a_sentence() {
    use crate::sql::DatabaseError;
    let errors = [
        (ExecutionError::NotFound, "EXECUTION_NOT_FOUND", false),
        (ExecutionError::Interrupted, "EXECUTION_INTERRUPTED", false),
        (
            ExecutionError::Database(DatabaseError::Unavailable("x".into())),
            "DATABASE_UNAVAILABLE",
            true,
        ),
    ];
    for (error, code, internal) in errors {
        assert_eq!(
            (error.code().as_str(), error.is_internal()),
            (code, internal)
        );
        assert!(error.to_string().len() > 20, "{error}");
    }
}
