//! Text that is kept without a run: as much as the caller's limits allow.

use super::super::evidence::EvidenceCreateInput;
use super::super::facts;
use super::super::{AssertionInput, IngestInput};
use super::*;
use crate::budget::Reason;

fn of(user_id: &str) -> Asker<'_> {
    Asker { user_id, ..ANN }
}

fn fact(bytes: usize) -> AssertionInput {
    let input = json!({ "subject": "s", "predicate": "p", "object": "o".repeat(bytes), "source": "t" });
    serde_json::from_value(input).unwrap()
}

fn reason(error: &FortressError) -> Reason {
    match error {
        FortressError::Gateway(GatewayError::Refused(refused)) => {
            assert!(refused.retry_after_ms.is_some());
            refused.reason
        }
        other => panic!("{other}"),
    }
}

/// Two facts of 30 KB are within 20,000 tokens, and a third is not.
fn used_up(world: &World) -> FortressError {
    for _ in 0..2 {
        let logged = world.service.log_assertion(of("ann"), &fact(30_000));
        world.clock.run(logged).unwrap();
    }
    let third = world.service.log_assertion(of("ann"), &fact(30_000));
    world.clock.run(third).unwrap_err()
}

#[test]
fn a_minutes_worth_of_text_is_kept_and_no_more() {
    let world = World::new(vec![]);
    let error = used_up(&world);
    assert_eq!((error.code(), reason(&error)), ("RATE_LIMITED", Reason::TokensPerMinute));
    assert_eq!(world.log.size(), 2);
    let bob = world.service.log_assertion(of("bob"), &fact(30_000));
    world.clock.run(bob).unwrap();
    world.clock.pass(60_000);
    let later = world.service.log_assertion(of("ann"), &fact(30_000));
    world.clock.run(later).unwrap();
}

#[test]
fn inputs_and_evidence_count_with_facts() {
    let world = World::new(vec![]);
    used_up(&world);
    let input = IngestInput {
        content: "c".repeat(30_000),
        label: "l".to_owned(),
        evidence_id: None,
        model: None,
    };
    let put_in = world.clock.run(world.service.ingest(of("ann"), input));
    assert_eq!(reason(&put_in.unwrap_err()), Reason::TokensPerMinute);
    let evidence = json!({ "evidence_type": "document", "description": "d",
        "metadata": { "note": "n".repeat(16_000) } });
    let mut made = Ok(());
    for _ in 0..6 {
        let input: EvidenceCreateInput = serde_json::from_value(evidence.clone()).unwrap();
        let on_file = world.service.create_evidence(of("ann"), &input);
        made = made.and(world.clock.run(on_file).map(drop));
    }
    assert_eq!(reason(&made.unwrap_err()), Reason::TokensPerMinute);
}

#[test]
fn small_facts_are_bounded_by_requests() {
    let world = World::new(vec![]);
    let mut logged = 0;
    let error = loop {
        let fact = world.service.log_assertion(of("ann"), &fact(1));
        match world.clock.run(fact) {
            Ok(_) => logged += 1,
            Err(error) => break error,
        }
        assert!(logged < 1_000);
    };
    assert_eq!(reason(&error), Reason::RequestsPerMinute);
    assert!(logged >= 60);
}

#[test]
fn facts_are_listed_without_a_look_at_every_run() {
    let world = World::new(vec![]);
    let listed = format!(
        "EXPLAIN QUERY PLAN SELECT {} FROM chitty_chain_facts f",
        facts::COLUMNS
    );
    let plan = world.rows(&listed);
    let steps: Vec<String> = plan.iter().map(|row| row.text("detail").unwrap()).collect();
    assert!(steps.iter().any(|step| step.starts_with("SEARCH j")), "{steps:?}");
    assert!(!steps.iter().any(|step| step.starts_with("SCAN j")), "{steps:?}");
}
