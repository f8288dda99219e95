//! `Idempotency-Key`.

use serde_json::json;

use super::{World, header, question};
use crate::llm::scripted::{Piece, answer_json, pieces, reply, stream_text};

#[test]
fn the_same_body_is_one_call_and_another_is_refused() {
    let world = World::new(vec![reply(200, &answer_json("Once."))]);
    world.idempotency_key.set(Some("k-1"));
    let first = world.json(world.complete(&question()));
    let again = world.complete(&question());
    assert_eq!(header(&again, "idempotent-replayed"), Some("true"));
    assert_eq!(world.json(again), first);
    let mut other = question();
    other["max_tokens"] = json!(7);
    assert_eq!(world.complete(&other).status, 422);
    let mut streamed = question();
    streamed["stream"] = json!(true);
    assert_eq!(world.complete(&streamed).status, 422);
    assert_eq!(world.http.seen.borrow().len(), 1);
}

#[test]
fn a_call_whose_end_nobody_saw_is_never_made_again_under_its_key() {
    let hang = vec![Piece::Hang];
    let world = World::new(vec![pieces(200, hang), reply(200, &answer_json("x"))]);
    world.idempotency_key.set(Some("k-1"));
    let body = question().to_string();
    world.begin_and_die(body.as_bytes());
    let soon = world.complete(&question());
    assert_eq!(
        (soon.status, header(&soon, "x-should-retry")),
        (409, Some("false"))
    );
    world.clock.pass(world.gateway.lasts_ms() + 1);
    let late = world.complete(&question());
    assert_eq!(
        (late.status, header(&late, "x-should-retry")),
        (502, Some("false"))
    );
    assert_eq!(world.http.seen.borrow().len(), 1);
    world.clock.pass(24 * 60 * 60 * 1_000);
    assert_eq!(world.complete(&question()).status, 200);
}

#[test]
fn what_was_refused_before_it_was_sent_may_be_sent_again() {
    let world = World::new(vec![reply(200, &answer_json("x"))]);
    world.idempotency_key.set(Some("k-1"));
    world.ledger.cap(1);
    assert_eq!(world.complete(&question()).status, 429);
    world.ledger.cap(1_000_000_000);
    assert_eq!(world.complete(&question()).status, 200);
}

#[test]
fn a_stream_is_given_again_as_a_stream() {
    let text = stream_text().into_bytes();
    let world = World::new(vec![pieces(200, vec![Piece::Bytes(text)])]);
    world.idempotency_key.set(Some("k-1"));
    let mut asked = question();
    asked["stream"] = json!(true);
    world.body(world.complete(&asked));
    world.clock.run(world.background.rest());
    let again = world.complete(&asked);
    assert_eq!(header(&again, "content-type"), Some("text/event-stream"));
    assert!(world.body(again).ends_with("data: [DONE]\n\n"));
    assert_eq!(world.http.seen.borrow().len(), 1);
}
