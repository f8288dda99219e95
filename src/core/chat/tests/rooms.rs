//! Sessions as rooms: what is heard, written down and caught up with.

use super::*;
use crate::chat::room::{Ask, ClientMessage, Members, Room, RoomError, refusal};
use crate::sql::Sql;

/// Hears everything; does something once, when the model begins to speak.
#[derive(Default)]
struct Ears {
    heard: RefCell<Vec<Value>>,
    at_first_piece: RefCell<Option<Box<dyn FnOnce()>>>,
}

impl Members for Ears {
    fn tell_all(&self, text: &str) {
        let event: Value = serde_json::from_str(text).unwrap();
        let is_piece = event["type"] == "delta";
        self.heard.borrow_mut().push(event);
        let action = self.at_first_piece.borrow_mut().take_if(|_| is_piece);
        if let Some(action) = action {
            action();
        }
    }
}

impl Ears {
    fn at_first_piece(action: impl FnOnce() + 'static) -> Self {
        let ears = Self::default();
        *ears.at_first_piece.borrow_mut() = Some(Box::new(action));
        ears
    }

    fn kinds(&self) -> Vec<String> {
        kinds(&self.heard.borrow())
    }

    fn last(&self) -> Value {
        self.heard.borrow().last().unwrap().clone()
    }
}

fn kinds(events: &[Value]) -> Vec<String> {
    let kind = |event: &Value| event["type"].as_str().unwrap().to_owned();
    events.iter().map(kind).collect()
}

fn numbers(events: &[Value]) -> Vec<i64> {
    events
        .iter()
        .map(|event| event["seq"].as_i64().unwrap())
        .collect()
}

/// SQLite that a test can break.
struct Disk {
    database: SqliteDatabase,
    broken: Cell<bool>,
}

impl Sql for Rc<Disk> {
    fn batch(&self, statements: &[Statement]) -> Result<Vec<Outcome>, DatabaseError> {
        if self.broken.get() {
            return Err(lost());
        }
        Sql::batch(&self.database, statements)
    }
}

struct Place {
    world: World,
    disk: Rc<Disk>,
    room: Rc<Room<Rc<Disk>>>,
}

fn open(world: &World, disk: &Rc<Disk>) -> Rc<Room<Rc<Disk>>> {
    let (clock, log) = (Rc::new(world.clock.clone()), Rc::clone(&world.log));
    Rc::new(Room::open(Rc::clone(disk), clock, log).unwrap())
}

impl Place {
    fn new(steps: Vec<Step>) -> Self {
        let world = World::new(steps);
        let disk = Rc::new(Disk {
            database: SqliteDatabase::empty(),
            broken: Cell::new(false),
        });
        let room = open(&world, &disk);
        Self { world, disk, room }
    }

    fn ask(&self, said: &Value, ears: &Ears) -> Result<(), RoomError> {
        let ask = read(said);
        self.room.ask(&ask, ears)?;
        let speak = self.room.speak(&self.world.service, ALICE, &ask, ears);
        self.world.run(speak);
        Ok(())
    }

    fn join(&self, after: Option<i64>) -> Vec<Value> {
        let mut heard = Vec::new();
        let mut hear = |text: &str| heard.push(serde_json::from_str(text).unwrap());
        self.room.join("s-1", after, &mut hear).unwrap();
        heard
    }

    /// The program dies, and another takes over later.
    fn restart(&mut self) {
        self.world.background.lose();
        self.world.clock.pass(1_000);
        self.room = open(&self.world, &self.disk);
    }
}

fn read(said: &Value) -> Ask {
    match ClientMessage::read(&said.to_string(), "s-1").unwrap() {
        ClientMessage::Ask(ask) => *ask,
        ClientMessage::Stop => panic!("no question"),
    }
}

fn hello(reference: &str) -> Value {
    json!({
        "type": "ask", "ref": reference, "messages": [{ "role": "user", "content": "Hello" }],
    })
}

const SAID: &str = "Grüße 😀!";

fn speech() -> Step {
    reply(200, &stream_text())
}

#[test]
fn everybody_hears_the_question_the_pieces_and_the_end() {
    let place = Place::new(vec![speech()]);
    let ears = Ears::default();
    place.ask(&hello("one"), &ears).unwrap();
    assert_eq!(ears.kinds(), ["asked", "delta", "delta", "done"]);
    let heard = ears.heard.borrow();
    assert_eq!(
        (&heard[0]["ref"], &heard[2]["text"]),
        (&json!("one"), &json!("😀!"))
    );
    assert_eq!(heard[0]["messages"][0]["content"], "Hello");
    assert_eq!(heard[3]["answer"]["response"], SAID);
    assert_eq!(heard[3]["answer"]["cost_status"], "priced");
    let numbers = numbers(&heard);
    assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
    let said: Vec<_> = place
        .world
        .messages()
        .iter()
        .map(|row| row.text("content").unwrap())
        .collect();
    assert_eq!(said, ["Hello", SAID]);
}

#[test]
fn who_comes_late_hears_each_event_once() {
    let place = Place::new(vec![speech()]);
    let room = Rc::clone(&place.room);
    let early: Rc<RefCell<Vec<Value>>> = Rc::default();
    let early_too = Rc::clone(&early);
    let ears = Ears::at_first_piece(move || {
        room.join("s-1", None, &mut |text| {
            early_too
                .borrow_mut()
                .push(serde_json::from_str(text).unwrap());
        })
        .unwrap();
    });
    place.ask(&hello("one"), &ears).unwrap();
    let before = early.borrow();
    assert_eq!(kinds(&before), ["joined", "asked", "delta"]);
    assert_eq!(before[0]["speaking"], true);
    // From there on it hears what all hear.
    let heard = ears.heard.borrow();
    assert_eq!(before[1..], heard[..2]);

    let seen = heard[1]["seq"].as_i64();
    let caught_up = place.join(seen);
    assert_eq!(kinds(&caught_up), ["joined", "done"]);
    assert_eq!(caught_up[1]["answer"]["response"], SAID);
    assert_eq!(kinds(&place.join(Some(0))), ["joined", "asked", "done"]);
    assert_eq!(kinds(&place.join(heard[3]["seq"].as_i64())), ["joined"]);
    let quiet = place.join(None);
    assert_eq!(
        (kinds(&quiet), &quiet[0]["speaking"]),
        (vec!["joined".to_owned()], &json!(false))
    );
}

#[test]
fn one_question_is_answered_at_a_time_and_a_name_is_asked_once() {
    let place = Place::new(vec![speech(), speech()]);
    let room = Rc::clone(&place.room);
    let refused = Rc::new(Cell::new(""));
    let told = Rc::clone(&refused);
    let ears = Ears::at_first_piece(move || {
        let error = room
            .ask(&read(&hello("two")), &Ears::default())
            .unwrap_err();
        told.set(error.code());
    });
    place.ask(&hello("one"), &ears).unwrap();
    assert_eq!(refused.get(), "EXCHANGE_IN_PROGRESS");
    let asked = ears.heard.borrow()[0]["seq"].as_i64().unwrap();
    let again = place.ask(&hello("one"), &Ears::default()).unwrap_err();
    assert!(matches!(again, RoomError::Asked { seq, .. } if seq == asked));
    assert!(refusal(&again, Some("one")).contains(&format!("after={}", asked - 1)));
    place.ask(&hello("two"), &Ears::default()).unwrap();
    assert_eq!(place.world.calls(), 2);
}

#[test]
fn a_stop_ends_the_answer_which_costs_an_estimate() {
    let text = stream_text();
    let first = text.find("😀").map(|at| text[..at].rfind("data:").unwrap());
    let begun = text.as_bytes()[..first.unwrap()].to_vec();
    let place = Place::new(vec![pieces(200, vec![Piece::Bytes(begun), Piece::Hang])]);
    assert!(matches!(place.room.stop(), Err(RoomError::Silent)));
    let room = Rc::clone(&place.room);
    let ears = Ears::at_first_piece(move || room.stop().unwrap());
    place.ask(&hello("one"), &ears).unwrap();
    let done = ears.last();
    assert_eq!(
        (&done["type"], &done["answer"]["response"]),
        (&json!("done"), &json!("Grüße "))
    );
    assert_eq!(done["answer"]["finish_reason"], "stopped");
    assert_eq!(done["answer"]["cost_status"], "estimated");
    assert!(done["answer"]["cost_nanos"].as_i64().unwrap() > 0);
    assert!(!place.room.is_speaking());
}

#[test]
fn a_stop_before_the_model_speaks_is_kept_for_it() {
    let place = Place::new(vec![pieces(200, vec![Piece::Hang])]);
    let ears = Ears::default();
    let ask = read(&hello("one"));
    place.room.ask(&ask, &ears).unwrap();
    place.room.stop().unwrap();
    place
        .world
        .run(place.room.speak(&place.world.service, ALICE, &ask, &ears));
    let kinds = ears.kinds();
    assert_eq!((kinds.len(), kinds[0].as_str()), (2, "asked"));
    assert!(!place.room.is_speaking());
}

#[test]
fn a_question_whose_program_died_has_an_end_and_numbers_go_on() {
    let mut place = Place::new(vec![speech(), speech()]);
    let ears = Ears::default();
    place.ask(&hello("one"), &ears).unwrap();
    place.room.ask(&read(&hello("two")), &ears).unwrap();
    let asked = ears.last()["seq"].as_i64().unwrap();
    place.restart();
    let caught_up = place.join(Some(asked));
    assert_eq!(kinds(&caught_up), ["joined", "failed"]);
    assert_eq!(caught_up[1]["error"]["code"], "EXCHANGE_BROKEN_OFF");
    assert_eq!(caught_up[1]["error"]["may_have_billed"], true);
    assert!(caught_up[1]["seq"].as_i64().unwrap() > asked + 100_000);
    place.restart();
    assert_eq!(
        kinds(&place.join(Some(asked))),
        ["joined", "failed"],
        "ended once"
    );
    place.ask(&hello("three"), &ears).unwrap();
    let heard = ears.heard.borrow();
    assert!(numbers(&heard).is_sorted_by(|a, b| a < b));
}

#[test]
fn whatever_ends_the_work_ends_the_question() {
    let place = Place::new(vec![speech()]);
    let ears = Ears::default();
    let ask = read(&hello("one"));
    place.room.ask(&ask, &ears).unwrap();
    drop(place.room.speak(&place.world.service, ALICE, &ask, &ears));
    assert!(
        place.room.is_speaking(),
        "it never began: opening the room again ends it"
    );
    {
        let mut speaking =
            std::pin::pin!(place.room.speak(&place.world.service, ALICE, &ask, &ears));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(speaking.as_mut().poll(&mut context).is_pending());
    }
    assert_eq!(ears.last()["error"]["code"], "EXCHANGE_BROKEN_OFF");
    assert!(!place.room.is_speaking());
}

#[test]
fn what_the_service_refuses_is_told_to_all() {
    let place = Place::new(vec![]);
    let ears = Ears::default();
    let mut said = hello("one");
    said["config"] = json!("nobody has this one");
    place.ask(&said, &ears).unwrap();
    assert_eq!(ears.kinds(), ["asked", "failed"]);
    assert_eq!(ears.last()["error"]["may_have_billed"], false);
    assert_eq!(place.world.calls(), 0);
}

#[test]
fn what_cannot_be_written_down_is_not_asked() {
    let place = Place::new(vec![speech()]);
    let ears = Ears::default();
    place.disk.broken.set(true);
    let error = place.ask(&hello("one"), &ears).unwrap_err();
    assert_eq!(error.code(), "STORAGE_UNAVAILABLE");
    assert!(ears.heard.borrow().is_empty() && !place.room.is_speaking());
    place.disk.broken.set(false);
    let disk = Rc::clone(&place.disk);
    let ears = Ears::at_first_piece(move || disk.broken.set(true));
    place.ask(&hello("one"), &ears).unwrap();
    assert_eq!(ears.last()["type"], "done", "heard, though it is not kept");
    let log = place.world.log.0.borrow();
    assert!(log.iter().any(|(_, event, _)| event == "room_end_not_kept"));
}

#[test]
fn a_room_that_is_closed_writes_nothing_more() {
    let place = Place::new(vec![speech()]);
    let room = Rc::clone(&place.room);
    let ears = Ears::at_first_piece(move || room.close());
    place.ask(&hello("one"), &ears).unwrap();
    assert_eq!(kinds(&place.join(Some(0))), ["joined", "asked"]);
    assert!(!place.room.is_speaking());
}

#[test]
fn the_latest_hundred_questions_are_kept() {
    let place = Place::new((0..105).map(|_| speech()).collect());
    for index in 0..105 {
        place
            .ask(&hello(&format!("q{index}")), &Ears::default())
            .unwrap();
    }
    let kept = place.join(Some(0));
    assert_eq!(
        kept.len(),
        1 + 202,
        "the last question finds room for itself"
    );
    assert_eq!(kept[1]["ref"], "q4");
}

#[test]
fn what_is_kept_has_an_end_in_letters_too() {
    let place = Place::new((0..30).map(|_| speech()).collect());
    for index in 0..30 {
        let mut said = hello(&format!("q{index}"));
        said["messages"][0]["content"] = json!("x".repeat(100_000));
        place.ask(&said, &Ears::default()).unwrap();
    }
    let kept = place.join(Some(0));
    assert!((30..50).contains(&kept.len()), "{}", kept.len());
}
