use super::*;
use crate::auth::Scopes;

pub(super) fn service(office: &Office) -> AuditService {
    let service = &office.world.service;
    AuditService {
        db: office.database(),
        ledger: Rc::clone(&service.ledger),
        published: PublishedLog::new(Rc::clone(&service.workers.fortress)),
        sealer: Rc::clone(&service.sealer),
        clock: Rc::new(office.clock().clone()),
        entropy: Rc::clone(&service.entropy),
        files: Some(Rc::clone(&office.files) as Rc<dyn crate::ports::Bucket>),
    }
}

pub(super) fn ask(
    office: &Office,
    user: &str,
    scopes: &[&str],
    more: serde_json::Value,
) -> Result<Report, AskError> {
    let asked: AuditInput = serde_json::from_value(more).unwrap();
    let mut caller = principal(user);
    caller.scopes = Scopes::new(scopes.iter().copied());
    let on_behalf = office.world.asker();
    let signatures = FortressSignatures {
        workers: &office.world.service.workers,
        asker: &on_behalf,
    };
    office
        .clock()
        .run(service(office).ask(&caller, &asked, &signatures))
}

const OPERATOR: [&str; 1] = ["chain:read_all"];

#[test]
fn ones_own_executions_are_audited_and_the_report_is_a_fact() {
    let office = Office::with(2);
    let report = ask(&office, "ann", &[], serde_json::json!({})).unwrap();
    assert_eq!(
        (report.status.as_str(), report.executions_audited),
        ("completed", 2)
    );
    assert_eq!((report.findings.len(), report.risk_level), (0, None));
    let size = office.world.log.size();
    let (fact, _) = office.world.log.fact(size - 1);
    assert_eq!(fact.subject, format!("audit:{}", report.audit_id));
    let told = Report {
        fact_id: None,
        ..report.clone()
    };
    let text = serde_json_canonicalizer::to_string(&told).unwrap();
    assert_eq!(fact.object, crate::digest::sha256_hex(text));
}

#[test]
fn a_report_is_had_again_by_its_id_and_by_nobody_else() {
    let office = Office::with(1);
    let report = ask(&office, "ann", &[], serde_json::json!({})).unwrap();
    let asked = serde_json::json!({"audit_id": report.audit_id});
    let again = ask(&office, "ann", &[], asked.clone()).unwrap();
    assert_eq!(again.fact_id, report.fact_id);
    assert_eq!(again.audit_completed_at, report.audit_completed_at);
    assert!(ask(&office, "op", &OPERATOR, asked.clone()).is_ok());
    assert!(matches!(
        ask(&office, "bob", &[], asked),
        Err(AskError::UnknownAudit)
    ));
    let more = serde_json::json!({"audit_id": report.audit_id, "audit_level": "basic"});
    assert!(matches!(
        ask(&office, "ann", &[], more),
        Err(AskError::Alone)
    ));
    // A standing audit is no report; each run of it is one.
    let standing = &office.sql("SELECT id FROM security_audits WHERE automated LIMIT 1")[0];
    let standing = serde_json::json!({"audit_id": standing.text("id").unwrap()});
    assert!(matches!(
        ask(&office, "op", &OPERATOR, standing),
        Err(AskError::UnknownAudit)
    ));
}

#[test]
fn others_executions_are_as_unknown_as_none() {
    let office = Office::with(1);
    for id in [office.executions[0].as_str(), "none"] {
        let asked = ask(
            &office,
            "bob",
            &[],
            serde_json::json!({"execution_ids": [id]}),
        );
        assert!(matches!(asked, Err(AskError::UnknownExecution(_))));
    }
    let asked = ask(
        &office,
        "bob",
        &[],
        serde_json::json!({"audit_level": "forensic"}),
    );
    assert!(matches!(asked, Err(AskError::NotAllowed)));
}

#[test]
fn who_owns_nothing_reads_nothing_and_none_named_is_none() {
    let office = Office::with(1);
    office.sql("UPDATE secure_executions SET model = 'other'");
    let none = serde_json::json!({"execution_ids": []});
    for (user, more) in [
        ("bob", serde_json::json!({})),
        ("bob", none.clone()),
        ("ann", none),
    ] {
        let report = ask(&office, user, &[], more).unwrap();
        assert_eq!((report.rows_read, report.facts_read), (0, 0), "{user}");
        assert_eq!((report.executions_audited, report.findings.len()), (0, 0));
    }
}

#[test]
fn an_execution_that_is_gone_is_named_to_its_owner_and_who_may_read_all() {
    let office = Office::with(1);
    office.sql("PRAGMA foreign_keys = OFF");
    office.sql("DELETE FROM secure_executions");
    let asked = serde_json::json!({"execution_ids": office.executions, "audit_level": "basic"});
    for (user, scopes) in [("op", &OPERATOR[..]), ("ann", &[])] {
        let report = ask(&office, user, scopes, asked.clone()).unwrap();
        let found = &report.findings[0];
        assert_eq!(found.code, Code::RowMissing);
        assert!(found.subject.ends_with(&office.executions[0]));
    }
    assert!(matches!(
        ask(&office, "bob", &[], asked),
        Err(AskError::UnknownExecution(_))
    ));
    let none = serde_json::json!({"execution_ids": ["none"]});
    assert!(matches!(
        ask(&office, "op", &OPERATOR, none),
        Err(AskError::UnknownExecution(_))
    ));
}

#[test]
fn findings_have_a_risk_and_what_to_do() {
    let office = Office::with(2);
    office.sql("UPDATE secure_executions SET model = 'other'");
    let report = ask(
        &office,
        "ann",
        &[],
        serde_json::json!({"audit_level": "basic"}),
    )
    .unwrap();
    assert_eq!(report.risk_level, Some(Severity::Critical));
    assert_eq!(
        (report.findings.len(), report.recommendations.len()),
        (2, 1)
    );
    let row = &office
        .sql("SELECT risk_level, status FROM security_audits WHERE audit_type = 'requested'")[0];
    assert_eq!(row.text("risk_level").unwrap(), "critical");
}

#[test]
fn the_next_audit_holds_the_log_against_the_last_ones_head() {
    let office = Office::with(1);
    let everything = serde_json::json!({"audit_level": "comprehensive"});
    let first = ask(&office, "op", &OPERATOR, everything.clone()).unwrap();
    assert!(first.checkpoint.is_some());
    let key = crate::chain::keys::SignerKey::from_seed("example.com/test-log", &[1; 32]).unwrap();
    office.sql("DELETE FROM chitty_chain_facts");
    office.world.log.replace(key);
    let second = ask(&office, "op", &OPERATOR, everything).unwrap();
    assert!(
        second
            .findings
            .iter()
            .any(|finding| finding.code == Code::LogRolledBack)
    );
}

#[test]
fn standing_audits_run_when_they_are_due_and_go_on_where_they_stopped() {
    let office = Office::with(1);
    let audits = service(&office);
    let asker = office.world.asker();
    let signatures = FortressSignatures {
        workers: &office.world.service.workers,
        asker: &asker,
    };
    // Made as of today: nothing is due before their time has come.
    let now_ms = office.clock().now_ms();
    office.sql(format!("UPDATE security_audits SET created_at = {now_ms}"));
    let run = |until_ms| {
        office
            .clock()
            .run(audits.run_due(&signatures, until_ms))
            .unwrap()
    };
    assert_eq!(run(i64::MAX), 0);
    let two_months = 62 * 86_400_000;
    office.sql(format!(
        "UPDATE security_audits SET created_at = {}",
        now_ms - two_months
    ));
    assert_eq!(run(0), 0, "no time is left: they are only begun");
    let begun = office.sql("SELECT id FROM security_audits WHERE status = 'running'");
    assert_eq!(begun.len(), 3);
    let id = begun[0].text("id").unwrap();
    let running = ask(
        &office,
        "op",
        &OPERATOR,
        serde_json::json!({"audit_id": id}),
    );
    assert_eq!(running.unwrap().status, "running");
    assert_eq!(run(i64::MAX), 3);
    assert_eq!(run(i64::MAX), 0, "each once");
    let rows =
        office.sql("SELECT risk_level, findings FROM security_audits WHERE status = 'completed'");
    assert_eq!(rows.len(), 3);
    for row in rows {
        assert_eq!(row.opt_text("risk_level").unwrap(), None, "{row:?}");
    }
}

#[test]
fn an_audit_whose_state_cannot_be_read_keeps_no_other_from_ending() {
    let office = Office::with(1);
    let audits = service(&office);
    let asker = office.world.asker();
    let signatures = FortressSignatures {
        workers: &office.world.service.workers,
        asker: &asker,
    };
    office.sql("UPDATE security_audits SET created_at = 0");
    let run = |until_ms| office.clock().run(audits.run_due(&signatures, until_ms));
    assert_eq!(run(0).unwrap(), 0);
    office.sql(
        "UPDATE security_audits SET metadata = '{\"state\":[]}', started_at = 0 \
         WHERE status = 'running' AND audit_type = 'daily'",
    );
    assert!(matches!(run(i64::MAX), Err(AuditError::Altered(_))));
    let ended = office.sql("SELECT id FROM security_audits WHERE status = 'completed'");
    assert_eq!(ended.len(), 2);
    assert_eq!(run(i64::MAX).unwrap(), 0, "given up");
}
