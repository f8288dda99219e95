//! What one copy of everything cannot show: it is found by a checkpoint that was kept elsewhere.

use super::*;
use crate::chain::keys::SignerKey;
use crate::ledger::Ledger;

fn head(office: &Office) -> String {
    let ledger = &office.world.service.ledger;
    office.clock().run(ledger.head()).unwrap().checkpoint
}

fn codes(progress: &Progress) -> Vec<Code> {
    progress
        .findings
        .iter()
        .map(|finding| finding.code)
        .collect()
}

/// A log of the same name and key, empty.
fn empty_log(office: &Office) {
    let key = SignerKey::from_seed("example.com/test-log", &[1; 32]).unwrap();
    office.world.log.replace(key);
}

fn empty_database(office: &Office) {
    for sql in [
        "PRAGMA foreign_keys = OFF",
        "DELETE FROM evidence_packages",
        "DELETE FROM evidence_records",
        "DELETE FROM fortress_jobs",
        "DELETE FROM secure_executions",
        "DELETE FROM chitty_chain_facts",
    ] {
        office.sql(sql);
    }
}

#[test]
fn everything_rolled_back_together_is_found_by_a_kept_checkpoint() {
    let office = Office::with(1);
    let kept = head(&office);
    empty_log(&office);
    empty_database(&office);
    assert_eq!(office.findings(), [], "one copy says nothing");
    assert_eq!(
        codes(&office.audit(&forensic(&[kept]))),
        [Code::LogRolledBack]
    );
}

#[test]
fn everything_rebuilt_and_signed_with_the_stolen_key_is_found_by_a_kept_checkpoint() {
    let mut office = Office::with(1);
    let kept = head(&office);
    empty_log(&office);
    empty_database(&office);
    for _ in 0..2 {
        office.execute();
    }
    office.record();
    assert_eq!(office.findings(), [], "one copy says nothing");
    assert_eq!(codes(&office.audit(&forensic(&[kept]))), [Code::LogForked]);
}

#[test]
fn a_kept_size_that_the_rebuilt_log_never_signed_is_a_fork() {
    let office = Office::with(1);
    let kept = head(&office);
    empty_log(&office);
    empty_database(&office);
    let facts: Vec<_> = (0..40).map(crate::ledger::tests::request).collect();
    let ledger = &office.world.service.ledger;
    office.clock().run(ledger.append_all(&facts)).unwrap();
    assert_eq!(codes(&office.audit(&forensic(&[kept]))), [Code::LogForked]);
}

#[test]
fn a_log_with_another_key_is_no_continuation() {
    let office = Office::with(1);
    let kept = head(&office);
    let key = SignerKey::from_seed("example.com/test-log", &[2; 32]).unwrap();
    office.world.log.replace(key);
    empty_database(&office);
    assert_eq!(
        codes(&office.audit(&forensic(&[kept]))),
        [Code::CheckpointUnsigned]
    );
}

#[test]
fn a_log_that_grew_is_no_finding() {
    let mut office = Office::with(1);
    let kept = head(&office);
    office.execute();
    office.record();
    assert_eq!(codes(&office.audit(&forensic(&[kept]))), []);
}

#[test]
fn a_log_rolled_back_alone_is_seen_by_the_rows() {
    let office = Office::with(1);
    empty_log(&office);
    let found = codes(&office.audit(&forensic(&[])));
    assert!(found.contains(&Code::FactRowExtra) && found.contains(&Code::RecordMissing));
}

/// Its log as it is, cosigned by two witnesses and stamped.
fn anchored(office: &Office) -> Rc<dyn Ledger> {
    let log = || Rc::clone(&office.world.log) as Rc<dyn crate::ports::Http>;
    let anchors = crate::anchoring::tests::World::over(log(), 2);
    anchors.anchor();
    anchors.anchored(log())
}

fn citing(found: &[Finding], code: Code) {
    assert!(
        found.iter().all(|finding| finding.code == code),
        "{found:#?}"
    );
    for by in ["Example tsa stamped at 20", "witness.example/w1 at 20"] {
        let cited = found.iter().any(|finding| finding.what.contains(by));
        assert!(cited, "{by}: {found:#?}");
    }
}

#[test]
fn everything_rolled_back_together_is_found_by_whom_it_was_shown_to() {
    let mut office = Office::with(1);
    office.world.service.ledger = anchored(&office);
    assert_eq!(office.findings(), []);
    office.execute();
    office.record();
    assert_eq!(office.findings(), [], "it only grew");
    empty_log(&office);
    empty_database(&office);
    citing(&office.findings(), Code::LogRolledBack);
    let comprehensive = Scope {
        level: Level::Comprehensive,
        ..forensic(&[])
    };
    citing(&office.audit(&comprehensive).findings, Code::LogRolledBack);
}

#[test]
fn everything_rebuilt_with_the_stolen_key_is_found_by_whom_it_was_shown_to() {
    let mut office = Office::with(1);
    let seen_by_others = anchored(&office);
    empty_log(&office);
    empty_database(&office);
    for _ in 0..2 {
        office.execute();
    }
    office.record();
    office.world.service.ledger = seen_by_others;
    citing(&office.findings(), Code::LogForked);
}

#[test]
fn a_log_rebuilt_in_other_rounds_is_forked_and_stops_no_audit() {
    let office = Office::with(1);
    let kept = head(&office);
    let size = office.world.log.size();
    empty_log(&office);
    empty_database(&office);
    let fact = |number: u64| crate::ledger::AppendRequest {
        idempotency_key: format!("forged-{number}"),
        fact: crate::chain::fact::Fact {
            subject: format!("forged:{number}"),
            predicate: "is".to_owned(),
            object: "so".to_owned(),
            source: "thief".to_owned(),
            timestamp_ms: 1,
            execution_id: None,
            evidence_id: None,
            metadata: [].into(),
        },
    };
    let facts: Vec<_> = (0..=size).map(fact).collect();
    let ledger = &office.world.service.ledger;
    office.clock().run(ledger.append_all(&facts)).unwrap();
    assert_eq!(codes(&office.audit(&forensic(&[kept]))), [Code::LogForked]);
}
