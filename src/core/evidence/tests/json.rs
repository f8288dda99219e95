//! Evidence packages in JSON.

use super::*;
use crate::auth::Scopes;
use crate::chain::keys::VerifierKey;
use crate::chain::receipt::{StoredContent, verify_fact};
use crate::digest::sha256_hex;
use crate::execution::tests::{PROMPT, input};
use crate::fortress::tests::hi;
use crate::fortress::tests::sealer;
use crate::ledger::LoggedFact;
use crate::llm::scripted::reply;
use crate::ports::Database as _;
use crate::sql::Statement;

#[test]
fn a_package_holds_what_an_offline_check_needs() {
    let desk = Desk::new();
    let world = &desk.world;
    let done = world.done(SecurityLevel::Verified);
    let package = desk
        .package(json!({"execution_id": done.execution_id}))
        .unwrap();

    let contents = Value::Object(package.contents.clone());
    let canonical = serde_json_canonicalizer::to_string(&contents).unwrap();
    assert_eq!(package.package_hash, sha256_hex(&canonical));
    assert_eq!(contents["prompt_sha256"], sha256_hex(PROMPT));
    let execution = &contents["execution"];
    assert_eq!(execution["prompt"], PROMPT);
    assert_eq!(
        execution["results"]["fortress_manifest"],
        json!(done.results.fortress_manifest)
    );
    assert_eq!(
        execution["results"]["fortress_signature"],
        json!(done.results.fortress_signature)
    );
    let chain = &contents["chain"];
    let key: VerifierKey = chain["verifier_key"].as_str().unwrap().parse().unwrap();
    let facts: Vec<LoggedFact> = serde_json::from_value(chain["facts"].clone()).unwrap();
    assert_eq!(facts.len(), 2);
    assert!(
        facts
            .iter()
            .all(|fact| chain["checkpoint"] == fact.receipt.checkpoint)
    );
    assert_eq!(chain["tlog_proofs"].as_array().unwrap().len(), 2);
    for fact in &facts {
        let StoredContent::Present { canonical, .. } = &fact.stored.content else {
            panic!("erased");
        };
        let verdicts = verify_fact(Some(canonical), &fact.receipt, &key);
        assert!(verdicts.integrity.holds() && verdicts.completeness.holds());
        assert!(verdicts.signer.holds());
    }
}

#[test]
fn its_row_is_sealed_and_linked_to_the_evidence() {
    let desk = Desk::new();
    let world = &desk.world;
    let question = ExecuteInput {
        create_evidence: true,
        case_id: Some("CASE".into()),
        ..input(SecurityLevel::Fortress)
    };
    let done = world.execute(&question).unwrap();
    let made = desk
        .package(json!({"execution_id": done.execution_id}))
        .unwrap();
    let rows = world.rows("SELECT * FROM evidence_packages");
    assert_eq!(rows.len(), 1);
    let text = |column: &str| rows[0].text(column).unwrap();
    assert!(!format!("{rows:?}").contains(PROMPT));
    assert_eq!(
        (text("id"), text("case_id")),
        (made.package_id.clone(), "CASE".into())
    );
    assert_eq!(
        (text("package_hash"), text("user_id")),
        (made.package_hash.clone(), "ann".into())
    );
    let sealed = text("package_text");
    let opened = sealer()
        .open("package", &["ann", &made.package_id], &sealed)
        .unwrap();
    assert_eq!(sha256_hex(opened), made.package_hash);
    let evidence = &world.rows("SELECT * FROM evidence_records")[0];
    assert_eq!(
        evidence.text("evidence_package_id").unwrap(),
        made.package_id
    );
    assert_eq!(evidence.text("package_format").unwrap(), "json");
}

#[test]
fn a_case_can_be_named_and_facts_left_out() {
    let desk = Desk::new();
    let world = &desk.world;
    let done = world.done(SecurityLevel::Standard);
    let more =
        json!({"execution_id": done.execution_id, "case_id": "C-9", "include_chain_facts": false});
    let made = desk.package(more).unwrap();
    assert_eq!(made.case_id.as_deref(), Some("C-9"));
    assert!(!made.contents.contains_key("chain"));
}

#[test]
fn without_a_fact_that_the_log_has_lost_there_is_no_package() {
    let desk = Desk::new();
    let world = &desk.world;
    let done = world.done(SecurityLevel::Fortress);
    let gone = "f".repeat(64);
    let known = &done.results.chain_facts[0];
    let update = format!("UPDATE secure_executions SET chain_facts = '[\"{known}\", \"{gone}\"]'");
    world
        .clock
        .run(world.db.inner.run(Statement::new(update)))
        .unwrap();
    let error = desk
        .package(json!({"execution_id": done.execution_id}))
        .unwrap_err();
    assert_eq!(error.code(), "CHAIN_FACT_MISSING");
    assert!(error.to_string().contains(&gone), "{error}");
    assert!(world.rows("SELECT * FROM evidence_packages").is_empty());
}

#[test]
fn who_may_act_for_the_owner_may_see_and_package_and_the_owner_owns_it() {
    let mut desk = Desk::new();
    let done = desk.world.done(SecurityLevel::Fortress);
    desk.world.principal = principal("bob");
    desk.world.principal.scopes = Scopes::new(["delegation:act"]);
    let world = &desk.world;
    let status = world
        .clock
        .run(world.service.status(&world.principal, &done.execution_id));
    assert_eq!(status.unwrap().execution.user_id, "ann");
    desk.package(json!({"execution_id": done.execution_id}))
        .unwrap();
    let rows = world.rows("SELECT user_id FROM evidence_packages");
    assert_eq!(rows[0].text("user_id").unwrap(), "ann");
    let events = desk
        .custody(json!({"execution_id": done.execution_id}))
        .unwrap()
        .events;
    assert_eq!(events[0].fields["recorded_by"], "bob");
}

#[test]
fn only_ones_own_completed_executions_are_packaged() {
    let mut desk = Desk::over(World::answering(vec![reply(401, "no"), hi()], vec![]));
    let failed = desk
        .world
        .execute(&input(SecurityLevel::Standard))
        .unwrap_err();
    let done = desk.world.done(SecurityLevel::Standard);
    let code = |desk: &Desk, id: &str| {
        desk.package(json!({"execution_id": id}))
            .unwrap_err()
            .code()
    };
    assert_eq!(
        code(&desk, &failed.execution_id.unwrap()),
        "EXECUTION_NOT_COMPLETED"
    );
    assert_eq!(code(&desk, "unknown"), "EXECUTION_NOT_FOUND");
    desk.world.principal = principal("bob");
    assert_eq!(code(&desk, &done.execution_id), "EXECUTION_NOT_FOUND");
    assert!(
        desk.world
            .rows("SELECT * FROM evidence_packages")
            .is_empty()
    );
}
