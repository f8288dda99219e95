//! Callers that do not wait for the answer.

use std::pin::pin;
use std::task::{Context, Waker};

use super::*;

/// A model that is at work for ever.
fn slow() -> World {
    World::new(vec![pieces(200, vec![Piece::Hang])])
}

/// Asks, and leaves once the model was asked.
fn ask_and_leave(world: &World, input: &CompletionInput) {
    {
        let mut asking = pin!(world.service.complete("alice", Some("e-1"), input));
        let mut context = Context::from_waker(Waker::noop());
        while world.calls() == 0 {
            assert!(asking.as_mut().poll(&mut context).is_pending());
        }
    }
    world.background.run_all();
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
fn a_caller_that_leaves_is_counted_and_its_question_has_failed() {
    let world = slow();
    ask_and_leave(&world, &in_session());
    assert_eq!(usage(&world), [(1, 0)]);
    assert_eq!(world.session("s-1").unpriced_messages, 1);
    let again = world.complete(Some("e-1"), &in_session()).unwrap_err();
    assert!(
        matches!(&again, ChatError::FailedBefore { code, .. } if code == "CALLER_LEFT"),
        "{again}"
    );
    assert_eq!(world.calls(), 1);
}

#[test]
fn outside_of_a_session_too() {
    let world = slow();
    ask_and_leave(&world, &input(&json!({})));
    assert_eq!(usage(&world), [(1, 0)]);
}

#[test]
fn who_stays_is_settled_once() {
    let world = World::new(vec![hi()]);
    world.complete(None, &in_session()).unwrap();
    world.background.run_all();
    assert_eq!(usage(&world), [(0, HI_NANOS)]);
}

#[test]
fn what_cannot_be_written_is_logged() {
    let world = slow();
    world.faults(&[Fault::None, Fault::Lost]);
    ask_and_leave(&world, &in_session());
    assert_eq!(world.log.0.borrow()[0].1, "chat_exchange_not_recorded");
}
