//! What one copy of everything cannot show: it is found by a checkpoint that was kept elsewhere.

use super::*;
use crate::chain::keys::SignerKey;

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
