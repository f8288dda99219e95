//! What is on file of audits is the database's word, and counts as far as seal and log bear it out.

use super::asked::{ask, service};
use super::*;

/// As a standing audit is begun, and as its end would be forged.
const FORGED: &str = "INSERT INTO security_audits (id, audit_type, audit_level, status, \
    created_at, started_at, automated, metadata) VALUES ('daily:today', 'x', 'forensic', \
    'running', 1, 1, 1, '{\"state\":{\"started_ms\":1,\"scope\":{\"level\":\"forensic\",\
    \"executions\":null,\"since_ms\":null,\"signatures\":true,\"chain\":true,\"known\":[]},\
    \"progress\":{\"done\":true},\"ended_ms\":null}}')";

fn run_due(office: &Office) -> Result<u64, AuditError> {
    let (audits, asker) = (service(office), office.world.asker());
    let signatures = FortressSignatures {
        workers: &office.world.service.workers,
        asker: &asker,
    };
    let until_ms = office.clock().now_ms() + 60_000;
    office.clock().run(audits.run_due(&signatures, until_ms))
}

fn reports_in_the_log(office: &Office, id: &str) -> usize {
    let facts = format!("SELECT uuid FROM chitty_chain_facts WHERE subject = 'audit:{id}'");
    office.sql(facts).len()
}

#[test]
fn an_audit_that_this_service_did_not_put_aside_is_not_taken_up() {
    let office = Office::with(1);
    office.sql(FORGED);
    let refused = run_due(&office);
    assert!(
        matches!(refused, Err(AuditError::Altered(_))),
        "{refused:?}"
    );
    let row = &office.sql("SELECT status FROM security_audits WHERE id = 'daily:today'")[0];
    assert_eq!(row.text("status").unwrap(), "failed");
    assert_eq!(reports_in_the_log(&office, "daily:today"), 0);
}

#[test]
fn the_state_of_one_audit_is_none_of_another() {
    let office = Office::with(1);
    let state = super::super::report::State::default();
    let peers = &office.world.service;
    let sealed = state.sealed("other", &peers.sealer, &*peers.entropy);
    office.sql(FORGED);
    office.sql(format!(
        "UPDATE security_audits SET metadata = '{}' WHERE id = 'daily:today'",
        sealed.unwrap()
    ));
    assert!(matches!(run_due(&office), Err(AuditError::Altered(_))));
}

#[test]
fn a_report_that_is_not_the_one_in_the_log_is_not_told() {
    let office = Office::with(1);
    office.sql("UPDATE secure_executions SET model = 'other'");
    let told = ask(&office, "ann", &[], serde_json::json!({})).unwrap();
    assert!(told.risk_level.is_some());
    let asked = serde_json::json!({"audit_id": told.audit_id});
    let again = ask(&office, "ann", &[], asked.clone()).unwrap();
    assert_eq!(again.fact_id, told.fact_id);
    let harm = [
        "metadata = json_set(metadata, '$.report.findings', json('[]'), '$.report.risk_level', null)",
        "metadata = json_set(metadata, '$.report.audit_id', 'other')",
        "metadata = '{}'",
    ];
    office.sql(
        "CREATE TABLE kept AS SELECT metadata FROM security_audits WHERE risk_level IS NOT NULL",
    );
    for harm in harm {
        office.sql(format!(
            "UPDATE security_audits SET {harm} WHERE id = '{}'",
            told.audit_id
        ));
        let refused = ask(&office, "ann", &[], asked.clone()).unwrap_err();
        assert_eq!(refused.code(), "AUDIT_ALTERED", "{harm}");
        office.sql("UPDATE security_audits SET metadata = (SELECT metadata FROM kept)");
    }
    assert!(ask(&office, "ann", &[], asked).is_ok());
}
