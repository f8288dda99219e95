//! Whoever writes to the database alone: nothing that it says keeps an audit from what the log has.

use super::left_behind::erase_of;
use super::*;
use crate::audit::tables::Table;
use crate::chain::hash::Hash;
use crate::chain::receipt::StoredContent;

/// A forged row, which is due for the sweep.
const FORGED: &str = "UPDATE evidence_records SET output_hash = \
  'ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff', recorded_fact = NULL";
const NO_RECORD_ROWS: &str =
    "DELETE FROM chitty_chain_facts WHERE subject LIKE 'row:evidence_records:%'";

fn names(found: &[Finding], code: Code) -> Vec<String> {
    let of = found.iter().filter(|found| found.code == code);
    of.map(|found| found.subject.clone()).collect()
}

/// As an owner's own audit: their executions, nothing of the log's facts.
fn own(office: &Office) -> Scope {
    Scope {
        level: Level::Comprehensive,
        executions: Some(office.executions.clone()),
        signatures: true,
        ..Scope::default()
    }
}

fn record_of_evidence(office: &Office, execution: &str) -> Hash {
    let sql =
        format!("SELECT recorded_fact FROM evidence_records WHERE execution_id = '{execution}'");
    Hash::from_hex(&office.sql(sql)[0].text("recorded_fact").unwrap()).unwrap()
}

fn content(office: &Office, fact: Hash) -> StoredContent {
    let ledger = &office.world.service.ledger;
    let found = office.clock().run(ledger.facts(&[fact])).unwrap();
    found[0].stored.content.clone()
}

#[test]
fn an_owners_audit_sees_that_a_row_was_recorded_anew() {
    let office = Office::with(1);
    office.sql(FORGED);
    assert_eq!(office.record().rows, 1);
    let found = office.audit(&own(&office)).findings;
    assert_eq!(names(&found, Code::RecordReplaced).len(), 1, "{found:?}");
}

#[test]
fn earlier_records_are_found_without_their_rows_in_the_database() {
    let office = Office::with(1);
    office.sql(FORGED);
    office.sql(NO_RECORD_ROWS);
    assert_eq!(office.record().rows, 1);
    for scope in [forensic(&[]), own(&office)] {
        let found = office.audit(&scope).findings;
        assert_eq!(names(&found, Code::RecordReplaced).len(), 1, "{found:?}");
    }
}

#[test]
fn earlier_records_are_found_however_long_ago_they_were_logged() {
    let office = Office::with(1);
    for numbers in [0..500, 500..1_000] {
        let noise: Vec<_> = numbers.map(crate::ledger::tests::request).collect();
        let ledger = &office.world.service.ledger;
        office.clock().run(ledger.append_all(&noise)).unwrap();
    }
    office.sql(FORGED);
    office.sql(NO_RECORD_ROWS);
    assert_eq!(office.record().rows, 1);
    let scope = Scope {
        level: Level::Comprehensive,
        files: false,
        ..forensic(&[])
    };
    let found = office.audit(&scope).findings;
    assert_eq!(names(&found, Code::RecordReplaced).len(), 1, "{found:?}");
}

#[test]
fn the_sweep_erases_no_record_because_a_row_reads_as_erased() {
    let office = Office::with(1);
    let first = record_of_evidence(&office, &office.executions[0]);
    office.sql("CREATE TABLE kept AS SELECT description FROM evidence_records");
    office.sql("UPDATE evidence_records SET recorded_fact = NULL, records = 0");
    let table = Table::named("evidence_records").unwrap();
    let (recorder, mut all) = (office.recorder(), recorder::Recorded::default());
    let mut after = String::new();
    let due = office
        .clock()
        .run(recorder.due(table, &mut after, &mut all))
        .unwrap();
    // While the sweep waits for the log.
    office.sql("UPDATE evidence_records SET description = NULL, records = 1");
    office
        .clock()
        .run(recorder.record(table, &due, &mut all))
        .unwrap();
    assert_ne!(content(&office, first), StoredContent::Erased);
    office.sql("UPDATE evidence_records SET description = (SELECT description FROM kept)");
    office.sql("DROP TABLE kept");
    office.sql(FORGED);
    office.record();
    let found = office.findings();
    assert!(!names(&found, Code::RecordReplaced).is_empty(), "{found:?}");
}

#[test]
fn an_erasure_takes_no_fact_of_something_else_with_it() {
    for others in ["ann", "bob"] {
        let office = Office::with(2);
        let (mine, theirs) = (&office.executions[0], &office.executions[1]);
        let victim = record_of_evidence(&office, theirs);
        office.sql(format!(
            "UPDATE secure_executions SET chain_facts = '[\"{victim}\"]' WHERE id = '{mine}'"
        ));
        office.sql(format!(
            "UPDATE chitty_chain_facts SET execution_id = '{mine}', user_id = '{others}' \
             WHERE uuid = '{victim}'"
        ));
        erase_of(&office, "execution_id", mine).unwrap();
        assert_ne!(content(&office, victim), StoredContent::Erased);
        office.record();
        office.sql(format!("{FORGED} WHERE execution_id = '{theirs}'"));
        office.record();
        let found = office.findings();
        assert!(!names(&found, Code::RecordReplaced).is_empty(), "{found:?}");
    }
}

/// As an erasure would leave it that took another's record with it.
#[test]
fn a_record_that_the_erasure_of_something_else_tells_of_is_named() {
    let office = Office::with(2);
    let theirs = &office.executions[1];
    let victim = record_of_evidence(&office, theirs);
    let telling = crate::audit::erasure::Telling {
        of: Some(&office.executions[0]),
        run: None,
        owner: "ann",
        facts: &[victim],
        reason: "r",
        authority: "a",
        ordered_by: "ann",
        now_ms: 1,
    };
    let ledger = &office.world.service.ledger;
    office
        .clock()
        .run(ledger.append(&telling.request()))
        .unwrap();
    office.clock().run(ledger.erase(victim)).unwrap();
    office.sql(format!("{FORGED} WHERE execution_id = '{theirs}'"));
    office.record();
    let found = office.findings();
    assert!(!names(&found, Code::ContentGone).is_empty(), "{found:?}");
    assert!(!names(&found, Code::RecordReplaced).is_empty(), "{found:?}");
}

#[test]
fn what_was_erased_does_not_come_back() {
    // Recorded before the erasure, and not.
    for recorded in [true, false] {
        let mut office = Office::with(0);
        office.execute();
        if recorded {
            office.record();
        }
        office.sql("CREATE TABLE old_e AS SELECT * FROM secure_executions");
        erase_of(&office, "execution_id", &office.executions[0]).unwrap();
        // Before the sweep's next minute.
        office.sql(
            "UPDATE secure_executions SET (prompt, prompt_hash, chatgpt_response, fortress_output, \
             verification_status, label) = (SELECT prompt, prompt_hash, chatgpt_response, \
             fortress_output, 1, 'forged' FROM old_e)",
        );
        office.sql("DROP TABLE old_e");
        office.sql(
            "UPDATE evidence_records SET description = 'forged', status = 'verified', \
             signature_verified = 1, signature_verified_at = updated_at",
        );
        office.record();
        for scope in [forensic(&[]), own(&office)] {
            let found = names(&office.audit(&scope).findings, Code::RecordReplaced);
            let tables = ["secure_executions", "evidence_records"];
            for table in tables {
                assert!(
                    found.iter().any(|name| name.starts_with(table)),
                    "{found:?}"
                );
            }
        }
    }
}

#[test]
fn a_run_evidence_or_package_that_is_gone_is_named_to_its_owner() {
    for table in ["fortress_jobs", "evidence_records", "evidence_packages"] {
        let office = Office::with(1);
        office.sql("PRAGMA foreign_keys = OFF");
        office.sql(format!("DELETE FROM {table}"));
        let found = office.audit(&own(&office)).findings;
        let gone = names(&found, Code::RowMissing);
        let named = gone.iter().any(|name| name.starts_with(table));
        assert!(named, "{table}: {found:?}");
    }
}

/// A row is believed as the first sweep finds it, but for what the fortress must have signed and
/// what an erasure must have emptied.
#[test]
fn rows_that_nobody_made_claim_no_signature_and_no_erasure() {
    let office = Office::with(1);
    office.sql(
        "INSERT INTO secure_executions (id, user_id, prompt, prompt_hash, security_level, \
         execution_method, created_at, updated_at, completed_at, status, verification_status, \
         verification, model) SELECT 'forged', 'bob', '', prompt_hash, security_level, \
         execution_method, created_at, updated_at, completed_at, status, verification_status, \
         verification, model FROM secure_executions LIMIT 1",
    );
    office.sql(
        "INSERT INTO evidence_records (id, user_id, evidence_type, description, output_hash, \
         status, signature_verified, signature_verified_at, created_at, updated_at, completed_at, \
         fortress_job_id, pgp_signature) SELECT 'forged-' || kind, 'bob', evidence_type, 'never', \
         output_hash, 'verified', 1, updated_at, created_at, updated_at, completed_at, job, signature \
         FROM evidence_records, (SELECT 'none' AS kind, NULL AS job, NULL AS signature UNION ALL \
         SELECT 'other', (SELECT id FROM fortress_jobs), 'another') WHERE execution_id IS NOT NULL",
    );
    assert_eq!(office.record().rows, 3);
    let found = office.findings();
    let erased = names(&found, Code::ContentGone);
    assert!(
        erased.contains(&"secure_executions:forged".to_owned()),
        "{found:?}"
    );
    let unsigned = [
        "secure_executions:forged",
        "evidence_records:forged-none",
        "evidence_records:forged-other",
    ];
    assert_eq!(names(&found, Code::SignatureInvalid), unsigned, "{found:?}");
}

#[test]
fn the_erasure_of_an_id_that_goes_on_where_anothers_ends_is_none_of_it() {
    let mut office = Office::with(0);
    office.execute();
    let telling = crate::audit::erasure::Telling {
        of: Some(&format!("{}:of-a-forger", office.executions[0])),
        run: None,
        owner: "bob",
        facts: &[],
        reason: "r",
        authority: "a",
        ordered_by: "bob",
        now_ms: 1,
    };
    let ledger = &office.world.service.ledger;
    let request = telling.request();
    office.clock().run(ledger.append(&request)).unwrap();
    // Before the first sweep.
    office.sql("UPDATE secure_executions SET prompt = ''");
    office.record();
    let found = office.findings();
    let gone = names(&found, Code::ContentGone);
    let name = format!("secure_executions:{}", office.executions[0]);
    assert_eq!(gone, [name], "{found:?}");
}

#[test]
fn what_is_told_of_a_row_is_bounded_whatever_the_row_says() {
    let office = Office::with(2);
    let long = "ä".repeat(900_000);
    office.sql(format!(
        "UPDATE secure_executions SET recorded_fact = '{long}'"
    ));
    office.sql(format!("UPDATE security_audits SET checkpoint = '{long}'"));
    let asked = serde_json::json!({"audit_level": "forensic"});
    let report = super::asked::ask(&office, "op", &["chain:read_all"], asked).unwrap();
    let named = names(&report.findings, Code::RecordMissing);
    assert_eq!(named.len(), 2);
    let kept = "SELECT LENGTH(metadata) AS bytes FROM security_audits WHERE checkpoint IS NULL \
                OR LENGTH(checkpoint) < 9000 ORDER BY bytes DESC LIMIT 1";
    let bytes = office.sql(kept)[0].int("bytes").unwrap();
    assert!(bytes < 20_000, "{bytes}");
}
