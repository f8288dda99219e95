//! Callers that do not wait for the answer.

use std::pin::pin;
use std::task::{Context, Waker};

use super::*;

/// Asks, and leaves once the model was asked.
fn ask_and_leave(world: &World, input: &CompletionInput) {
    let mut asking = pin!(world.background.beside(world.service.complete(
        ALICE,
        Some("e-1"),
        input
    )));
    let mut context = Context::from_waker(Waker::noop());
    while world.calls() == 0 {
        assert!(asking.as_mut().poll(&mut context).is_pending());
    }
}

fn usage(world: &World) -> Vec<(i64, i64)> {
    let rows = world.rows("SELECT * FROM usage_analytics");
    rows.iter()
        .map(|row| {
            let of = |column| row.int(column).unwrap();
            (of("unpriced_count"), of("cost_nanos"))
        })
        .collect()
}

#[test]
fn what_a_caller_who_left_has_paid_for_is_on_file() {
    let world = World::new(vec![hi()]);
    world.ledger.cap(1_000_000_000);
    ask_and_leave(&world, &in_session());
    world.clock.run(world.background.rest());
    assert_eq!(usage(&world), [(0, HI_NANOS)]);
    let answer = world.complete(Some("e-1"), &in_session()).unwrap();
    assert_eq!((answer.response.as_str(), world.calls()), ("Hi", 1));
    let spending = world.ledger.state().standing.budgets[0].spending;
    assert_eq!((spending.spent, spending.reserved), (HI_NANOS, 0));
}

#[test]
fn outside_of_a_session_it_is_counted_too() {
    let world = World::new(vec![hi()]);
    ask_and_leave(&world, &input(&json!({})));
    world.clock.run(world.background.rest());
    assert_eq!(usage(&world), [(0, HI_NANOS)]);
}

#[test]
fn who_stays_is_settled_once() {
    let world = World::new(vec![hi()]);
    world.complete(None, &in_session()).unwrap();
    world.clock.run(world.background.rest());
    assert_eq!(usage(&world), [(0, HI_NANOS)]);
}

#[test]
fn what_cannot_be_written_is_logged() {
    let world = World::new(vec![hi()]);
    world.faults(&[BEFORE.as_slice(), &[Fault::Lost, Fault::Lost]].concat());
    ask_and_leave(&world, &in_session());
    world.clock.run(world.background.rest());
    assert_eq!(world.log.0.borrow()[0].1, "chat_exchange_not_recorded");
}
