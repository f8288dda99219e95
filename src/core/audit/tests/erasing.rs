use super::*;
use crate::audit::erasure::{EraseError, EraseInput, Eraser, erase};

pub(super) fn eraser(office: &Office) -> Eraser {
    Eraser {
        db: office.database(),
        ledger: Rc::clone(&office.world.service.ledger),
        clock: Rc::new(office.clock().clone()),
        files: Some(Rc::clone(&office.files) as Rc<_>),
    }
}

fn erase_first(office: &Office, confirm: bool) -> Result<EraseOutput, EraseError> {
    let eraser = eraser(office);
    let asked = EraseInput {
        execution_id: Some(office.executions[0].clone()),
        fortress_job_id: None,
        reason: "asked for by the person".to_owned(),
        authority: "GDPR Art. 17".to_owned(),
        confirm,
    };
    office
        .clock()
        .run(erase(&eraser, &principal("ann"), &asked))
}

#[test]
fn content_goes_and_everything_else_still_verifies() {
    let office = Office::with(2);
    let erased = erase_first(&office, true).unwrap();
    // Two of the run and its comparison, and four records.
    assert_eq!((erased.facts_erased, erased.packages_erased), (6, 1));
    assert_eq!(office.record().rows, 4, "the emptied rows are on record");
    assert_eq!(office.findings(), []);
    let other = format!(
        "SELECT prompt FROM secure_executions WHERE id <> '{}'",
        office.executions[0]
    );
    assert_ne!(office.sql(other)[0].text("prompt").unwrap(), "");
}

#[test]
fn nothing_that_was_said_is_left() {
    let office = Office::with(1);
    let hashes: Vec<String> = ["prompt_hash", "output_hash"]
        .iter()
        .map(|column| {
            let rows = office.sql(format!("SELECT {column} FROM fortress_jobs"));
            rows[0].text(column).unwrap()
        })
        .collect();
    erase_first(&office, true).unwrap();
    for table in [
        "secure_executions",
        "fortress_jobs",
        "evidence_records",
        "evidence_packages",
        "chitty_chain_facts",
        "chat_messages",
    ] {
        for row in office.sql(format!("SELECT * FROM {table}")) {
            let text = format!("{row:?}");
            for hash in &hashes {
                assert!(!text.contains(hash.as_str()), "{table}: {text}");
            }
            assert!(!text.contains("a label"), "{table}: {text}");
        }
    }
    assert!(office.sql("SELECT id FROM chat_messages").is_empty());
}

#[test]
fn erasing_again_changes_nothing_but_is_told() {
    let office = Office::with(1);
    let first = erase_first(&office, true).unwrap();
    let again = erase_first(&office, true).unwrap();
    assert_eq!(first.facts_erased, again.facts_erased);
    office.record();
    assert_eq!(office.findings(), []);
}

#[test]
fn it_must_be_meant_and_be_ones_own() {
    let office = Office::with(1);
    assert!(matches!(
        erase_first(&office, false),
        Err(EraseError::NotConfirmed)
    ));
    let eraser = eraser(&office);
    let asked = EraseInput {
        execution_id: Some(office.executions[0].clone()),
        fortress_job_id: None,
        reason: "r".to_owned(),
        authority: "a".to_owned(),
        confirm: true,
    };
    let others = office
        .clock()
        .run(erase(&eraser, &principal("bob"), &asked));
    assert!(matches!(others, Err(EraseError::NotFound)));
}

#[test]
fn a_run_under_way_writes_nothing_after_it() {
    let office = Office::with(1);
    let state = "SELECT status, error_message FROM fortress_jobs";
    office.sql("UPDATE fortress_jobs SET status = 'executing', error_message = NULL");
    erase_first(&office, true).unwrap();
    // What completes a run asks for one that is executing.
    let run = &office.sql(state)[0];
    assert_eq!(run.text("status").unwrap(), "failed");
    assert_eq!(run.text("error_message").unwrap(), "content erased");
}

#[test]
fn content_that_is_gone_without_an_erasure_is_named() {
    let office = Office::with(1);
    let id = office.sql("SELECT recorded_fact FROM secure_executions")[0]
        .text("recorded_fact")
        .unwrap();
    let ledger = &office.world.service.ledger;
    let fact = crate::chain::hash::Hash::from_hex(&id).unwrap();
    office.clock().run(ledger.erase(fact)).unwrap();
    let codes: Vec<_> = office
        .findings()
        .iter()
        .map(|finding| finding.code)
        .collect();
    assert!(codes.contains(&Code::ContentGone), "{codes:?}");
}
