use super::*;
use crate::audit::tables::Table;

#[test]
fn what_is_untouched_has_no_findings() {
    let office = Office::with(2);
    let progress = office.audit(&forensic(&[]));
    assert_eq!(progress.findings, []);
    assert_eq!(progress.executions, 2);
    assert_eq!(progress.signatures, 2);
    // Of each execution two facts, a seal, two custody events, and four rows on record.
    assert_eq!((progress.rows, progress.facts), (8, 18));
}

#[test]
fn a_row_is_recorded_once() {
    let office = Office::with(1);
    let size = office.world.log.size();
    assert_eq!(office.record(), recorder::Recorded::default());
    office.sql("UPDATE secure_executions SET recorded_fact = NULL");
    office.record();
    assert_eq!(
        office.world.log.size(),
        size + 1,
        "another state, by its name"
    );
    let codes: Vec<_> = office
        .findings()
        .iter()
        .map(|finding| finding.code)
        .collect();
    assert_eq!(codes, [], "the same state twice says nothing new");
}

#[test]
fn a_row_that_changes_while_it_is_recorded_has_both_states_on_record() {
    let mut office = Office::with(0);
    office.execute();
    let table = Table::named("evidence_packages").unwrap();
    let (recorder, mut all) = (office.recorder(), recorder::Recorded::default());
    let mut after = String::new();
    let due = recorder.due(table, &mut after, &mut all);
    let due = office.clock().run(due).unwrap();
    office.sql("UPDATE evidence_packages SET status = 'delivered', updated_at = updated_at + 1");
    let done = recorder.record(table, &due, &mut all);
    office.clock().run(done).unwrap();
    assert_eq!(office.record().refused, 0);
    let row = &office.sql("SELECT records FROM evidence_packages")[0];
    assert_eq!(row.int("records").unwrap(), 2);
    assert_eq!(office.findings(), []);
}

#[test]
fn what_is_not_final_waits() {
    let office = Office::with(1);
    office.sql("UPDATE secure_executions SET status = 'executing', completed_at = NULL, recorded_fact = NULL");
    assert_eq!(office.record().rows, 0);
}

#[test]
fn a_record_that_was_made_of_another_state_is_refused_and_named() {
    let office = Office::with(1);
    // Somebody changes the row, and has it recorded anew under its first name.
    office.sql("DELETE FROM chitty_chain_facts WHERE subject LIKE 'row:secure_executions:%'");
    office.sql("UPDATE secure_executions SET model = 'other', recorded_fact = NULL, records = 0");
    assert_eq!(office.record().refused, 1);
    let codes: Vec<_> = office
        .findings()
        .iter()
        .map(|finding| finding.code)
        .collect();
    assert!(codes.contains(&Code::RecordRefused), "{codes:?}");
}

#[test]
fn a_later_state_that_a_final_row_does_not_have_is_named() {
    let office = Office::with(1);
    office.sql("UPDATE secure_executions SET model = 'other', recorded_fact = NULL");
    assert_eq!(office.record().rows, 1);
    let found = office.findings();
    let codes: Vec<_> = found
        .iter()
        .map(|finding| (finding.code, finding.column.as_deref()))
        .collect();
    assert_eq!(codes, [(Code::RecordReplaced, Some("model"))]);
}

#[test]
fn an_earlier_state_that_comes_back_is_named() {
    let office = Office::with(1);
    office.sql("CREATE TABLE before AS SELECT * FROM evidence_records");
    office.sql("UPDATE evidence_records SET package_format = 'pdf', updated_at = updated_at + 1, recorded_fact = NULL");
    assert_eq!(office.record().rows, 1);
    assert_eq!(office.findings(), []);
    office.sql(
        "UPDATE evidence_records SET (package_format, updated_at, recorded_fact, records) = \
         (SELECT package_format, updated_at, recorded_fact, records FROM before)",
    );
    let codes: Vec<_> = office
        .findings()
        .iter()
        .map(|finding| finding.code)
        .collect();
    assert_eq!(codes, [Code::RowRolledBack]);
}

#[test]
fn a_final_row_that_nobody_recorded_is_named_after_a_while() {
    let office = Office::with(1);
    office.sql("UPDATE evidence_packages SET recorded_fact = NULL");
    let found = office.findings();
    assert!(
        found
            .iter()
            .any(|finding| finding.code == Code::RowUnrecorded)
    );
}
