//! Erasures whose worker ended in the middle.

use super::erasing::eraser;
use super::*;
use crate::audit::erasure::{EraseInput, Eraser, PREDICATE, erase, finish_erasures};
use crate::chain::receipt::StoredFact;
use crate::evidence::CUSTODY_EVENT;
use crate::fortress::tests::Fault;

/// Longer than an erasure takes.
const LATER_MS: i64 = 150_000;

fn faulty(office: &Office) -> Eraser {
    Eraser {
        db: Rc::clone(&office.world.db) as Rc<dyn Database>,
        ..eraser(office)
    }
}

fn order(office: &Office) -> EraseInput {
    EraseInput {
        execution_id: Some(office.executions[0].clone()),
        fortress_job_id: None,
        reason: "asked for by the person".to_owned(),
        authority: "GDPR Art. 17".to_owned(),
        confirm: true,
    }
}

/// What is left in the log of the execution, but what tells of its erasure and custody.
fn left(office: &Office) -> Vec<StoredFact> {
    let ledger = &office.world.service.ledger;
    let entries = office.clock().run(ledger.entries(0)).unwrap();
    let is_left = |entry: &StoredFact| {
        entry.content.fact().is_some_and(|fact| {
            fact.execution_id.as_ref() == office.executions.first()
                && ![PREDICATE, CUSTODY_EVENT].contains(&fact.predicate.as_str())
        })
    };
    entries.into_iter().filter(is_left).collect()
}

fn was_told(office: &Office) -> bool {
    let ledger = &office.world.service.ledger;
    let entries = office.clock().run(ledger.entries(0)).unwrap();
    let mut facts = entries.iter().filter_map(|entry| entry.content.fact());
    facts.any(|fact| fact.predicate == PREDICATE)
}

fn finish(office: &Office) -> usize {
    let eraser = eraser(office);
    office.clock().run(finish_erasures(&eraser)).unwrap()
}

#[test]
fn wherever_its_worker_ended_it_is_finished_or_never_began() {
    for fault in [Fault::Fails, Fault::FailsButPersists] {
        let (mut finished, mut began) = (0, 0);
        for at in 0.. {
            let office = Office::with(1);
            office.world.db.fail(fault, at, usize::MAX / 2);
            let (eraser, ann, order) = (faulty(&office), principal("ann"), order(&office));
            let done = office.clock().run(erase(&eraser, &ann, &order));
            office.world.db.heal();
            let is_told = was_told(&office);
            assert_eq!(finish(&office), 0, "it may be under way");
            office.clock().pass(LATER_MS);
            let now = finish(&office);
            assert!(office.sql("SELECT id FROM content_erasures").is_empty());
            let prompts = office.sql("SELECT prompt FROM secure_executions");
            let is_empty = prompts[0].text("prompt").unwrap().is_empty();
            assert_eq!(
                (is_empty, left(&office).is_empty()),
                (is_told, is_told),
                "{at}"
            );
            office.record();
            assert_eq!(office.findings(), [], "{at}");
            (finished, began) = (finished + now, began + 1);
            if done.is_ok() {
                break;
            }
        }
        assert!(
            finished > 3 && began > finished + 2,
            "{finished} of {began}"
        );
    }
}

#[test]
fn a_note_of_what_nobody_ordered_erases_nothing() {
    let office = Office::with(1);
    let before = left(&office);
    office.sql("INSERT INTO content_erasures SELECT id, 1 FROM secure_executions");
    office.sql("INSERT INTO content_erasures SELECT id, 1 FROM fortress_jobs");
    assert_eq!(finish(&office), 0);
    assert_eq!(left(&office), before);
    assert!(office.sql("SELECT id FROM content_erasures").is_empty());
    let prompts = office.sql("SELECT prompt FROM secure_executions");
    assert_ne!(prompts[0].text("prompt").unwrap(), "");
}
