//! What a call is reserved, charged and booked.

use std::cell::RefCell;

use super::*;
use crate::analytics::{DataPoint, DataPoints};

#[test]
fn a_call_is_reserved_settled_to_the_nano_dollar_and_on_the_books() {
    let world = World::new(vec![reply(200, &answer_json("A wrong."))]);
    world.ledger.cap(1_000_000_000);
    let served = world.call(&order("c-1")).result.unwrap();
    assert_eq!(served.answer.choice.text, "A wrong.");
    assert_eq!(served.cost.nanos(), Some(COST));
    assert_eq!(world.spent(), (COST, 0));
    let row = ("gpt-4-0613".to_owned(), Some(COST), "priced".to_owned());
    assert_eq!(world.booked(), [row]);
    assert_eq!(world.http.body(0)["max_tokens"], 100);
}

#[test]
fn what_the_budget_cannot_pay_for_is_never_sent() {
    let world = World::new(vec![reply(200, &answer_json("x"))]);
    world.ledger.cap(BOUND + COST);
    world.call(&order("c-1")).result.unwrap();
    // Just enough is left for another.
    world.ledger.cap(BOUND + COST - 1);
    let error = world.call(&order("c-2")).result.unwrap_err();
    assert_eq!(error.code(), "BUDGET_EXCEEDED");
    assert!(!error.may_have_billed());
    assert!(error.to_string().contains("the budget of $"), "{error}");
    assert_eq!(world.http.seen.borrow().len(), 1);
    assert_eq!(world.booked().len(), 1);
}

#[test]
fn a_model_without_a_price_is_refused_where_a_budget_applies_and_only_there() {
    let mut unknown = order("c-1");
    unknown.request.model = "house-model".to_owned();
    let world = World::new(vec![reply(
        200,
        &answer_json("x").replace("gpt-4-0613", "house-model"),
    )]);
    let served = world.call(&unknown).result.unwrap();
    assert_eq!(served.cost, EventCost::Unpriced);
    assert_eq!(world.booked()[0].2, "unpriced");
    world.ledger.cap(1_000_000_000);
    unknown.id = "c-2".to_owned();
    let error = world.call(&unknown).result.unwrap_err();
    assert_eq!(error.code(), "MODEL_UNPRICED");
}

#[test]
fn without_the_ledger_nothing_is_sent() {
    let world = World::new(vec![]);
    world.ledger.down.set(true);
    let error = world.call(&order("c-1")).result.unwrap_err();
    assert_eq!(error.code(), "BUDGET_UNAVAILABLE");
    assert!(world.http.seen.borrow().is_empty());
    assert_eq!(world.log.0.borrow()[0].1, "call_not_admitted");
}

#[test]
fn the_same_id_is_the_same_call_and_is_made_once() {
    let world = World::new(vec![reply(200, &answer_json("x"))]);
    world.ledger.cap(1_000_000_000);
    world.call(&order("c-1")).result.unwrap();
    let error = world.call(&order("c-1")).result.unwrap_err();
    assert_eq!(error.code(), "CALL_FINISHED");
    assert_eq!(world.spent(), (COST, 0));
}

#[test]
fn a_refusal_by_the_provider_costs_nothing() {
    let world = World::new(vec![reply(
        400,
        r#"{"error":{"message":"bad","type":"invalid_request_error"}}"#,
    )]);
    world.ledger.cap(1_000_000_000);
    let error = world.call(&order("c-1")).result.unwrap_err();
    assert_eq!(error.code(), "MODEL_INVALID_REQUEST");
    assert_eq!(world.spent(), (0, 0));
    assert_eq!(world.booked()[0].2, "none");
}

#[test]
fn an_answer_that_breaks_off_is_charged_as_an_estimate_that_never_exceeds_its_bound() {
    let broken = vec![
        Piece::Bytes(stream_text().as_bytes()[..120].to_vec()),
        Piece::Break(HttpError::Interrupted("reset".into())),
    ];
    let world = World::new(vec![pieces(200, broken)]);
    world.ledger.cap(1_000_000_000);
    let (outcome, _) = world.stream(&order("c-1"), &Stop::default());
    assert!(outcome.result.is_err());
    let (spent, reserved) = world.spent();
    assert_eq!(reserved, 0);
    assert!((1..=BOUND).contains(&spent), "{spent}");
    assert!(matches!(
        outcome.actual.unwrap().charge,
        Charge::Estimated(_)
    ));
    let booked = world.booked();
    assert_eq!(
        (booked[0].1, booked[0].2.as_str()),
        (Some(spent), "estimated")
    );
}

/// Points that were told.
#[derive(Default)]
struct Told(RefCell<Vec<DataPoint>>);

impl DataPoints for Told {
    fn write(&self, point: &DataPoint) {
        self.0.borrow_mut().push(point.clone());
    }
}

#[test]
fn dashboards_hear_of_each_attempt_once() {
    let busy = r#"{"error":{"message":"slow down","type":"rate_limit_exceeded"}}"#;
    let steps = vec![reply(429, busy), reply(200, &answer_json("x"))];
    let mut world = World::new(steps);
    let told = Rc::new(Told::default());
    world.gateway.points = Some(Rc::clone(&told) as _);
    let outcome = world.call(&order("c-1"));
    let points: Vec<DataPoint> = outcome.events.iter().map(DataPoint::from).collect();
    assert_eq!(*told.0.borrow(), points);
    assert_eq!(points.len(), 2);
    assert_eq!(points[1].blobs[5], "priced");
}

#[test]
fn a_stream_whose_client_leaves_is_read_to_its_usage_and_charged_exactly() {
    let world = World::new(vec![pieces(
        200,
        vec![Piece::Bytes(stream_text().into_bytes())],
    )]);
    world.ledger.cap(1_000_000_000);
    let stop = Stop::default();
    stop.client_left();
    let (outcome, _) = world.stream(&order("c-1"), &stop);
    assert!(matches!(outcome.actual.unwrap().charge, Charge::Exact(_)));
    assert_eq!(world.booked()[0].2, "priced");
}

#[test]
fn faults_of_the_ledger_at_settling_leave_the_bound_reserved() {
    let world = World::new(vec![reply(200, &answer_json("x"))]);
    world.ledger.cap(1_000_000_000);
    let order = order("c-1");
    world.clock.run(async {
        let outcome = world.gateway.serve(&order, None).await;
        world.ledger.down.set(true);
        world.close(&order, &outcome).await;
    });
    world.ledger.down.set(false);
    assert_eq!(world.spent(), (0, BOUND));
    let lines = world.log.0.borrow();
    assert_eq!(lines[0].1, "call_not_settled");
    // In the end it counts as spent, since it was.
    world.clock.pass(3_600_000);
    let swept = world.ledger.verbs(|account, now| {
        let at = now;
        account.sweep(at)
    });
    swept.unwrap();
    assert_eq!(world.spent(), (BOUND, 0));
    assert!(matches!(outcome_of(&world), GatewayError::Refused(_)));
}

/// Of the same call again.
fn outcome_of(world: &World) -> GatewayError {
    world.call(&order("c-1")).result.unwrap_err()
}

#[test]
fn a_plain_answer_that_breaks_off_is_charged_as_long_as_it_was_allowed_to_be() {
    let begun = answer_json("x").as_bytes()[..60].to_vec();
    let broken = vec![
        Piece::Bytes(begun),
        Piece::Break(HttpError::Interrupted("reset".into())),
    ];
    let world = World::new(vec![pieces(200, broken)]);
    world.ledger.cap(1_000_000_000);
    world.call(&order("c-1")).result.unwrap_err();
    assert_eq!(world.spent(), (BOUND, 0));
}
