//! Evidence packages in JSON.

use super::*;
use crate::chain::keys::VerifierKey;
use crate::chain::receipt::{StoredContent, verify_fact};
use crate::digest::sha256_hex;
use crate::ledger::LoggedFact;

fn package(world: &World, more: Value) -> Result<PackageOutput, ExecutionError> {
    let input = serde_json::from_value(more).unwrap();
    world
        .clock
        .run(world.service.package(&world.principal, &input))
}

#[test]
fn a_package_holds_what_an_offline_check_needs() {
    let world = World::new();
    let done = world.done(SecurityLevel::Verified);
    let package = package(&world, json!({"execution_id": done.execution_id})).unwrap();
    let package = package.evidence_package;
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
    let world = World::new();
    let question = ExecuteInput {
        create_evidence: true,
        case_id: Some("CASE".into()),
        ..input(SecurityLevel::Fortress)
    };
    let done = world.execute(&question).unwrap();
    let made = package(&world, json!({"execution_id": done.execution_id})).unwrap();
    let made = made.evidence_package;
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
    let world = World::new();
    let done = world.done(SecurityLevel::Standard);
    let more =
        json!({"execution_id": done.execution_id, "case_id": "C-9", "include_chain_facts": false});
    let made = package(&world, more).unwrap().evidence_package;
    assert_eq!(made.case_id.as_deref(), Some("C-9"));
    assert!(!made.contents.contains_key("chain"));
}

#[test]
fn without_a_fact_that_the_log_has_lost_there_is_no_package() {
    let world = World::new();
    let done = world.done(SecurityLevel::Fortress);
    let gone = "f".repeat(64);
    let known = &done.results.chain_facts[0];
    let update = format!("UPDATE secure_executions SET chain_facts = '[\"{known}\", \"{gone}\"]'");
    world
        .clock
        .run(world.db.inner.run(Statement::new(update)))
        .unwrap();
    let error = package(&world, json!({"execution_id": done.execution_id})).unwrap_err();
    assert_eq!(error.code(), "CHAIN_FACT_MISSING");
    assert!(error.to_string().contains(&gone), "{error}");
    assert!(world.rows("SELECT * FROM evidence_packages").is_empty());
}

#[test]
fn who_may_act_for_the_owner_may_see_and_package_and_the_owner_owns_it() {
    let mut world = World::new();
    let done = world.done(SecurityLevel::Fortress);
    world.principal = principal("bob");
    world.principal.scopes = Scopes::new(["delegation:act"]);
    let status = world
        .clock
        .run(world.service.status(&world.principal, &done.execution_id));
    assert_eq!(status.unwrap().execution.user_id, "ann");
    package(&world, json!({"execution_id": done.execution_id})).unwrap();
    let rows = world.rows("SELECT user_id FROM evidence_packages");
    assert_eq!(rows[0].text("user_id").unwrap(), "ann");
}

#[test]
fn only_ones_own_completed_executions_are_packaged_and_only_as_json() {
    let mut world = World::answering(vec![reply(401, "no"), hi()], vec![]);
    let failed = world.execute(&input(SecurityLevel::Standard)).unwrap_err();
    let done = world.done(SecurityLevel::Standard);
    let code = |world: &World, more| package(world, more).unwrap_err().code();
    let of = |id: &str, format: &str| json!({"execution_id": id, "package_format": format});
    let failed = failed.execution_id.unwrap();
    assert_eq!(code(&world, of(&failed, "json")), "EXECUTION_NOT_COMPLETED");
    assert_eq!(code(&world, of("unknown", "json")), "EXECUTION_NOT_FOUND");
    for format in ["pdf", "legal_brief"] {
        assert_eq!(
            code(&world, of(&done.execution_id, format)),
            "FORMAT_NOT_OFFERED"
        );
    }
    world.principal = principal("bob");
    assert_eq!(
        code(&world, of(&done.execution_id, "json")),
        "EXECUTION_NOT_FOUND"
    );
    assert!(world.rows("SELECT * FROM evidence_packages").is_empty());
}
