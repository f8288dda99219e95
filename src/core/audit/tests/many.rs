//! Many rows, long rows and many facts: each is read once, in slices that a Worker can do.

use super::asked::{ask, service};
use super::*;

/// As many more rows of evidence, of so many characters each, due to be recorded.
fn more_evidence(office: &Office, count: usize, chars: usize) {
    office.sql(format!(
        "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {count}) \
         INSERT INTO evidence_records (id, user_id, evidence_type, description, status, \
         created_at, updated_at) SELECT 'more-' || n, 'ann', 'note', \
         REPLACE(HEX(ZEROBLOB({chars} / 2)), '0', 'x'), 'completed', 1, 1 FROM n"
    ));
}

#[test]
fn rows_are_recorded_and_read_once_however_long_they_are() {
    for (count, chars) in [(250, 10), (13, 900_000)] {
        let office = Office::with(1);
        more_evidence(&office, count, chars);
        assert_eq!(office.record().rows, count as u64);
        assert_eq!(office.record().rows, 0);
        let audit = office.audit(&forensic(&[]));
        assert_eq!(audit.findings, []);
        assert_eq!(audit.rows, 4 + count as u64);
    }
}

#[test]
fn what_is_more_than_an_invocation_may_ask_goes_on_with_the_next() {
    let office = Office::with(1);
    let ledger = &office.world.service.ledger;
    for round in 0..6 {
        let noise = (round * 1_000)..(round * 1_000 + 1_000);
        let noise: Vec<_> = noise.map(crate::ledger::tests::request).collect();
        office.clock().run(ledger.append_all(&noise)).unwrap();
    }
    let asked = serde_json::json!({"audit_level": "forensic"});
    let first = ask(&office, "op", &["chain:read_all"], asked).unwrap();
    assert_eq!(first.status, "running");
    let facts = first.facts_read;
    let (audits, auditor) = (service(&office), office.world.asker());
    let signatures = FortressSignatures {
        workers: &office.world.service.workers,
        asker: &auditor,
    };
    let until_ms = office.clock().now_ms() + 60_000;
    let ended = office.clock().run(audits.run_due(&signatures, until_ms));
    assert_eq!(ended.unwrap(), 1);
    let asked = serde_json::json!({"audit_id": first.audit_id});
    let last = ask(&office, "op", &["chain:read_all"], asked).unwrap();
    assert!(facts < last.facts_read && last.facts_read >= 6_000);
    assert_eq!(
        (last.status.as_str(), last.findings.len()),
        ("completed", 0)
    );
}

#[test]
fn a_row_too_large_for_a_record_keeps_no_other_from_being_recorded() {
    let office = Office::with(1);
    more_evidence(&office, 5, 10);
    let long = "a".repeat(1_900_000);
    office.sql(format!(
        "INSERT INTO evidence_records (id, user_id, evidence_type, status, created_at, updated_at) \
         VALUES ('a{long}', 'ann', 'note', 'completed', 1, 1), \
         ('b', '{long}', 'note', 'completed', 1, 1)"
    ));
    let done = office.record();
    assert_eq!((done.rows, done.unreadable), (5, 2));
    let found = office.findings();
    let unrecorded = found.iter().map(|found| found.code);
    assert!(unrecorded.eq([Code::RowUnrecorded; 2]), "{found:?}");
}

#[test]
fn findings_fit_into_a_row_whatever_names_they_have() {
    let office = Office::with(1);
    let long = "\u{1}".repeat(500);
    office.sql(format!(
        "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 600) \
         INSERT INTO evidence_records (id, user_id, evidence_type, status, created_at, updated_at, \
         evidence_package_id) SELECT n || '{long}', 'ann', 'note', 'completed', 1, 1, n || '{long}' FROM n"
    ));
    let mut progress = office.audit(&forensic(&[]));
    let text = serde_json::to_string(&progress.findings).unwrap();
    assert!(text.len() < 450_000, "{}", text.len());
    let named = progress.findings.len() as u64 + progress.more_findings;
    assert_eq!(named, 1_200, "each row, and what it names");
    progress.findings.truncate(1);
    assert!(serde_json::to_string(&progress).unwrap().len() < 20_000);
}

#[test]
fn where_an_audit_is_fits_into_a_row_whatever_ids_there_are() {
    let office = Office::with(1);
    let long = "ä".repeat(900_000);
    office.sql(format!(
        "INSERT INTO evidence_records (id, user_id, evidence_type, status, created_at, updated_at) \
         VALUES ('z{long}', 'ann', 'note', 'completed', 1, 1), \
         ('zz', 'ann', 'note', 'completed', 1, 1)"
    ));
    let rows = office.sql("SELECT id FROM evidence_records ORDER BY id");
    let after = |rows| crate::audit::pages::after(rows).unwrap();
    let id = after(&rows).unwrap();
    assert!(id.len() < 1_100 && id > rows.last().unwrap().text("id").unwrap());
    let [.., short, _] = &rows[..] else {
        unreachable!()
    };
    let short = std::slice::from_ref(short);
    assert_eq!((after(short), after(&[])), (Some("zz".to_owned()), None));
    assert_eq!(office.audit(&forensic(&[])).rows, 6);
}
