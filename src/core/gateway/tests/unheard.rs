//! Admissions whose answer nobody heard, and calls that nobody settled.

use super::*;
use crate::analytics::record_cut_off;
use crate::ports::Background;

/// With a background of which the test says when it goes on.
fn world() -> (World, Rc<FakeBackground>) {
    let mut world = World::new(vec![reply(200, &answer_json("Hi"))]);
    let background = Rc::new(FakeBackground::default());
    world.gateway.background = Rc::clone(&background) as Rc<dyn Background>;
    world.ledger.cap(1_000_000_000);
    (world, background)
}

fn reserved(world: &World) -> i64 {
    world.ledger.state().standing.budgets[0].spending.reserved
}

/// Until every reservation has ended.
fn wait(world: &World) {
    let ms = u64::try_from(world.gateway.lasts_ms()).unwrap();
    world.clock.run(world.clock.sleep(ms));
}

fn rows(world: &World, sql: &'static str) -> Vec<Row> {
    block_on(world.database.run(Statement::new(sql)))
        .unwrap()
        .rows
}

#[test]
fn what_was_reserved_unheard_is_free_again_at_once() {
    let (world, background) = world();
    world.ledger.unheard.set(1);
    let outcome = world.call(&order("c"));
    assert_eq!(outcome.result.unwrap_err().code(), "BUDGET_UNAVAILABLE");
    assert!(world.http.seen.borrow().is_empty(), "nothing was sent");
    assert!(reserved(&world) > 0);
    // The first try is lost too.
    world.ledger.unheard.set(1);
    world.clock.run(background.rest());
    let state = world.ledger.state();
    assert_eq!((state.held, reserved(&world)), (0, 0));
    assert_eq!(state.standing.budgets[0].spending.spent, 0);
    let told = world.log.0.borrow();
    assert!(
        told.iter()
            .all(|(_, event, _)| event != "admission_not_withdrawn")
    );
}

#[test]
fn a_withdrawal_never_touches_what_another_has_sent() {
    let (world, background) = world();
    let entry = world.clock.run(world.gateway.admit(&order("c"))).unwrap();
    // The same call once more, in another place, which hears nothing.
    world.ledger.unheard.set(1);
    let again = world.clock.run(world.gateway.admit(&order("c")));
    assert_eq!(again.err().unwrap().code(), "BUDGET_UNAVAILABLE");
    world.clock.run(background.rest());
    assert!(reserved(&world) > 0);
    world.clock.run(async {
        let order = order("c");
        let outcome = world.gateway.ask(&order, entry, None).await;
        world.close(&order, &outcome).await;
    });
    assert!(world.ledger.state().standing.budgets[0].spending.spent > 0);
}

#[test]
fn an_account_that_stays_silent_is_told_of_and_the_reservation_ends_by_itself() {
    let (world, background) = world();
    world.ledger.unheard.set(9);
    world.call(&order("c")).result.unwrap_err();
    world.clock.run(background.rest());
    let told = world.log.0.borrow();
    assert!(
        told.iter()
            .any(|(_, event, _)| event == "admission_not_withdrawn")
    );
}

/// What the account's owner does by its alarm.
fn report(world: &World) -> usize {
    let events = world.ledger.verbs(|account, now| {
        account.sweep(now).unwrap();
        account.unreported(9).unwrap()
    });
    let statements = events.iter().flat_map(record_cut_off).collect();
    block_on(world.database.batch(statements)).unwrap();
    world
        .ledger
        .verbs(|account, _| account.reported(&events))
        .unwrap();
    events.len()
}

fn sums(world: &World) -> (i64, i64, String) {
    let sql =
        "SELECT COUNT(*) AS n, SUM(cost_nanos) AS nanos, MAX(outcome) AS outcome FROM usage_events";
    let row = &rows(world, sql)[0];
    let rolled = "SELECT SUM(cost_nanos) AS nanos, SUM(attempts) AS attempts FROM usage_rollups \
        WHERE span = 4 AND scope = 'key'";
    let rolled = &rows(world, rolled)[0];
    let nanos = row.int("nanos").unwrap();
    assert_eq!(rolled.int("nanos").unwrap(), nanos);
    assert_eq!(rolled.int("attempts").unwrap(), row.int("n").unwrap());
    (row.int("n").unwrap(), nanos, row.text("outcome").unwrap())
}

#[test]
fn a_call_that_was_cut_off_is_on_the_books_as_it_was_charged() {
    let (world, _) = world();
    world.clock.run(world.gateway.admit(&order("c"))).unwrap();
    let bound = reserved(&world);
    assert_eq!(report(&world), 0, "it may be under way still");
    wait(&world);
    assert_eq!(report(&world), 1);
    assert_eq!(report(&world), 0);
    assert_eq!(sums(&world), (1, bound, "CALL_CUT_OFF".to_owned()));
    assert_eq!(
        world.ledger.state().standing.budgets[0].spending.spent,
        bound
    );
    let event = &rows(&world, "SELECT * FROM usage_events")[0];
    let text = |column: &str| event.text(column).unwrap();
    assert_eq!((text("id"), text("user_id")), ("c.1".into(), "u-1".into()));
    assert_eq!(
        (text("model"), text("provider")),
        ("gpt-4".into(), "openai".into())
    );
    assert_eq!(
        (text("cost_status"), text("price_id")),
        ("estimated".into(), "bound".into())
    );
}

#[test]
fn whoever_settles_late_corrects_the_books_in_any_order() {
    for before in [false, true] {
        let (world, _) = world();
        let order = order("c");
        let entry = world.clock.run(world.gateway.admit(&order)).unwrap();
        let outcome = world.clock.run(world.gateway.ask(&order, entry, None));
        wait(&world);
        if before {
            // The account has ended it, and the books have heard so.
            assert_eq!(report(&world), 1);
        }
        world
            .clock
            .run(world.gateway.record(outcome.events.clone()));
        // Its settlement is not there yet: the account still has it as cut off.
        assert_eq!(report(&world), usize::from(!before));
        world
            .clock
            .run(world.gateway.settle(&order, outcome.actual));
        assert_eq!(report(&world), 0);
        let spent = world.ledger.state().standing.budgets[0].spending.spent;
        assert_eq!(sums(&world), (1, spent, "ok".to_owned()));
        world
            .clock
            .run(world.gateway.record(outcome.events.clone()));
        assert_eq!(sums(&world), (1, spent, "ok".to_owned()));
        let empty = "SELECT COUNT(*) AS n FROM usage_rollups WHERE attempts < 1";
        assert_eq!(rows(&world, empty)[0].int("n").unwrap(), 0);
    }
}

#[test]
fn a_settlement_before_the_report_leaves_nothing_to_report() {
    let (world, _) = world();
    let order = order("c");
    let entry = world.clock.run(world.gateway.admit(&order)).unwrap();
    let outcome = world.clock.run(world.gateway.ask(&order, entry, None));
    wait(&world);
    world
        .ledger
        .verbs(|account, now| account.sweep(now + 1))
        .unwrap();
    world
        .clock
        .run(world.gateway.settle(&order, outcome.actual));
    assert_eq!(report(&world), 0);
}
