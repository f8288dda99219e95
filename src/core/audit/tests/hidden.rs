//! Rows that are made to look as if an audit need not read them, and changes that are put on
//! record by the sweep itself.

use super::*;

/// After each of these, an audit of everything names the row.
const HIDDEN: [(&str, &str); 12] = [
    ("secure_executions", "updated_at = -1, model = 'other'"),
    (
        "secure_executions",
        "updated_at = 9007199254740991, created_at = 0, model = 'other'",
    ),
    (
        "secure_executions",
        "status = 'executing', deadline_at = NULL, recorded_fact = NULL, model = 'other'",
    ),
    (
        "secure_executions",
        "status = 'pending', updated_at = -9007199254740991, recorded_fact = NULL",
    ),
    (
        "secure_executions",
        "updated_at = 9007199254740991, recorded_fact = NULL, prompt = 'no seal'",
    ),
    ("secure_executions", "recorded_fact = NULL, records = -1"),
    (
        "fortress_jobs",
        "status = 'pending', assertion_id = NULL, recorded_fact = NULL",
    ),
    (
        "fortress_jobs",
        "assertion_id = NULL, recorded_fact = NULL, sealed_output = 'no seal'",
    ),
    ("fortress_jobs", "updated_at = 0, signature = ''"),
    (
        "evidence_records",
        "updated_at = 9007199254740991, recorded_fact = NULL, input_hash = NULL",
    ),
    ("evidence_records", "updated_at = -1, user_id = 'bob'"),
    (
        "evidence_packages",
        "updated_at = 9007199254740991, recorded_fact = NULL, package_text = 'no seal'",
    ),
];

/// After each of these, the sweep records the row anew, and an audit names it all the same.
const LAUNDERED: [(&str, &str); 9] = [
    ("secure_executions", "model = 'other'"),
    ("secure_executions", "prompt = '', chatgpt_response = NULL"),
    (
        "secure_executions",
        "status = 'failed', error_message = 'interrupted: the worker ended before the execution did'",
    ),
    ("fortress_jobs", "sealed_prompt = ''"),
    ("fortress_jobs", "status = 'failed', error_message = 'x'"),
    (
        "evidence_records",
        "status = 'completed', signature_verified = 0, signature_verified_at = NULL",
    ),
    ("evidence_records", "completed_at = 1"),
    (
        "evidence_packages",
        "status = 'verified', verified = 1, verified_at = updated_at",
    ),
    (
        "evidence_packages",
        "status = 'delivered', package_file_path = 'another'",
    ),
];

fn codes(found: &[Finding], table: &str) -> Vec<Code> {
    let of = found
        .iter()
        .filter(|found| found.subject.starts_with(table));
    of.map(|found| found.code).collect()
}

#[test]
fn no_word_of_a_row_keeps_it_from_being_read() {
    for (table, change) in HIDDEN {
        let office = Office::with(1);
        office.sql("PRAGMA ignore_check_constraints = ON");
        office.sql(format!("UPDATE {table} SET {change}"));
        let found = office.findings();
        assert!(!codes(&found, table).is_empty(), "{table} {change}");
    }
}

#[test]
fn what_is_changed_and_recorded_anew_is_named() {
    for (table, change) in LAUNDERED {
        let office = Office::with(1);
        office.sql("PRAGMA ignore_check_constraints = ON");
        office.sql(format!(
            "UPDATE {table} SET {change}, recorded_fact = NULL, updated_at = updated_at + 1"
        ));
        assert_eq!(office.record().rows, 1, "{table} {change}");
        // Of rows: that a file is where the row says is another matter.
        let rows = Scope {
            files: false,
            ..forensic(&[])
        };
        let found = office.audit(&rows).findings;
        let mut codes = codes(&found, table);
        // Of what reads as erased an audit asks for the erasure too.
        codes.retain(|code| *code != Code::ContentGone);
        assert_eq!(codes, [Code::RecordReplaced], "{table} {change}");
    }
}

#[test]
fn a_slow_worker_may_say_more_of_what_counts_as_interrupted_and_no_more() {
    let mut office = Office::with(0);
    office.execute();
    let interrupted = crate::execution::INTERRUPTED;
    office.sql(format!(
        "UPDATE secure_executions SET status = 'failed', error_message = '{interrupted}'"
    ));
    let interrupted = crate::fortress::INTERRUPTED;
    office.sql(format!(
        "UPDATE fortress_jobs SET status = 'failed', error_message = '{interrupted}'"
    ));
    office.record();
    let late = "error_message = 'late', cost_nanos = 7, completed_at = completed_at + 1";
    for table in ["secure_executions", "fortress_jobs"] {
        office.sql(format!("UPDATE {table} SET {late}, recorded_fact = NULL"));
    }
    assert_eq!(office.record().rows, 2);
    assert_eq!(office.findings(), []);
    office.sql("UPDATE secure_executions SET error_message = 'later', recorded_fact = NULL");
    assert_eq!(office.record().rows, 1);
    assert_eq!(
        codes(&office.findings(), "secure_executions"),
        [Code::RecordReplaced]
    );
}

#[test]
fn a_row_that_is_due_for_its_next_record_is_no_finding() {
    let office = Office::with(1);
    office.sql("UPDATE evidence_packages SET status = 'delivered', recorded_fact = NULL");
    let now_ms = office.clock().now_ms() + i64::try_from(LATER_MS).unwrap();
    office.sql(format!(
        "UPDATE evidence_packages SET updated_at = {now_ms}"
    ));
    assert_eq!(office.findings(), []);
}

#[test]
fn what_others_say_is_no_record_and_no_erasure() {
    let office = Office::with(1);
    let row = &office.sql("SELECT id, recorded_fact FROM secure_executions")[0];
    let (id, fact) = (row.text("id").unwrap(), row.text("recorded_fact").unwrap());
    let forged = |subject: &str, predicate: &str, object: &str| {
        let fact = crate::chain::fact::Fact {
            subject: subject.to_owned(),
            predicate: predicate.to_owned(),
            object: object.to_owned(),
            source: "somebody".to_owned(),
            timestamp_ms: 1,
            execution_id: None,
            evidence_id: None,
            metadata: [("state", "1"), ("columns", "{}")]
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .into(),
        };
        let idempotency_key = format!("forged:{subject}:{predicate}");
        let request = crate::ledger::AppendRequest {
            idempotency_key,
            fact,
        };
        let ledger = &office.world.service.ledger;
        office.clock().run(ledger.append(&request)).unwrap();
    };
    forged(&format!("row:secure_executions:{id}"), "recorded", "x");
    forged("row:secure_executions:none", "recorded", "x");
    assert_eq!(office.findings(), [], "a record of theirs says nothing");
    let erased = crate::chain::hash::Hash::from_hex(&fact).unwrap();
    let ledger = &office.world.service.ledger;
    office.clock().run(ledger.erase(erased)).unwrap();
    forged(&format!("execution:{id}"), "content_erased", &fact);
    assert!(codes(&office.findings(), "chitty_chain_facts").contains(&Code::ContentGone));
}
