//! Usage on its way to the books while the database fails or programs end.

use futures::FutureExt;
use futures::future::join;

use super::*;
use crate::fortress::tests::{Fault, Faulty};

struct Books {
    world: World,
    database: Rc<Faulty>,
}

impl Books {
    fn new() -> Self {
        let mut world = World::new(vec![
            reply(200, &answer_json("Hi")),
            reply(200, &answer_json("Hi")),
        ]);
        let database = Faulty::over(Rc::clone(&world.database));
        world.gateway.database = Rc::clone(&database) as Rc<dyn Database>;
        Self { world, database }
    }

    fn outcome(&self, id: &str) -> Outcome {
        let order = order(id);
        self.world.clock.run(self.world.gateway.serve(&order, None))
    }

    async fn record(&self, outcome: &Outcome) {
        self.world.gateway.record(outcome.events.clone()).await;
    }

    fn rows(&self) -> usize {
        let sql = Statement::new("SELECT id FROM usage_events");
        block_on(self.world.database.run(sql)).unwrap().rows.len()
    }

    fn told(&self) -> Vec<usize> {
        let told = self.world.log.0.borrow();
        told.iter()
            .map(|(_, event, fields)| {
                assert_eq!(event, "usage_not_recorded");
                fields["events"].as_array().unwrap().len()
            })
            .collect()
    }
}

#[test]
fn calls_of_a_moment_are_written_together() {
    let books = Books::new();
    let (first, second) = (books.outcome("a"), books.outcome("b"));
    let both = join(books.record(&first), books.record(&second));
    books.world.clock.run(both);
    assert_eq!((books.rows(), books.database.calls.get()), (2, 1));
}

#[test]
fn a_program_that_ends_while_it_writes_takes_no_call_of_others_with_it() {
    let books = Books::new();
    let (first, second) = (books.outcome("a"), books.outcome("b"));
    books.database.pause_every_call();
    {
        let mut dying = Box::pin(books.record(&first));
        let mut other = Box::pin(books.record(&second));
        assert!((&mut dying).now_or_never().is_none());
        assert!((&mut other).now_or_never().is_none());
        books.world.clock.pass(1_000);
        assert!((&mut dying).now_or_never().is_none(), "it has begun");
        drop(dying);
        books.database.resume();
        books.world.clock.run(other);
    }
    assert_eq!((books.rows(), books.told()), (2, vec![]));
}

#[test]
fn one_lost_reply_costs_nothing() {
    for fault in [Fault::Fails, Fault::FailsButPersists] {
        let books = Books::new();
        let outcome = books.outcome("a");
        books.database.fail(fault, 0, 1);
        books.world.clock.run(books.record(&outcome));
        assert_eq!((books.rows(), books.told()), (1, vec![]));
    }
}

#[test]
fn what_a_silent_database_does_not_take_is_told_of_after_two_tries() {
    let books = Books::new();
    let (first, second) = (books.outcome("a"), books.outcome("b"));
    books.database.fail(Fault::Fails, 0, 99);
    let both = join(books.record(&first), books.record(&second));
    books.world.clock.run(both);
    assert_eq!(books.database.calls.get(), 2);
    assert_eq!((books.rows(), books.told()), (0, vec![2]));
}

#[test]
fn a_row_that_is_refused_is_no_loss_of_another() {
    let books = Books::new();
    let (mut first, second) = (books.outcome("a"), books.outcome("b"));
    first.events[0].attempt = 0;
    let both = join(books.record(&first), books.record(&second));
    books.world.clock.run(both);
    assert_eq!((books.rows(), books.told()), (1, vec![1]));
}
