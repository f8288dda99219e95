//! When who is asked, and what is kept.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::super::{WITNESSED, WitnessVerdict};
use super::*;
use crate::chain::hash::Hash;
use crate::chain::note::Note;
use crate::ports::{Bucket, Clock as _, Http, HttpError, HttpRequest, HttpResponse, Level};
use crate::testing::block_on;
use crate::timestamp::verify;

const ALL: [&str; 3] = ["t1.example", "w1.example", "w2.example"];

fn advance(world: &World, ms: u64) {
    world.clock.advance(i64::try_from(ms).unwrap());
}

#[test]
fn the_newest_checkpoint_is_stamped_and_cosigned_once() {
    let world = World::new(2);
    assert_eq!(world.tend(), None, "nothing is in the log");
    assert!(world.asked().is_empty());
    world.grow(5);
    assert_eq!(world.tend(), None);
    assert_eq!(world.asked(), ALL.map(|name| name.replace("t1", "t2")));
    let anchor = world.store().newest().unwrap().unwrap();
    assert_eq!(
        (anchor.size, anchor.quorum_met, anchor.attempts),
        (5, true, 1)
    );
    assert_eq!(anchor.failures, []);
    // The stamp is of the checkpoint as the log signed it; openssl agrees that it is one.
    let reply = STANDARD.decode(anchor.stamp.unwrap().reply).unwrap();
    let hash = Hash::of(anchor.checkpoint.as_bytes());
    verify(&reply, &hash, None, &world.others.authority.anchors()).unwrap();
    world
        .others
        .authority
        .write("checkpoint", anchor.checkpoint.as_bytes());
    world.others.authority.write("kept.tsr", &reply);
    world.others.authority.openssl(&[
        "ts",
        "-verify",
        "-data",
        "checkpoint",
        "-in",
        "kept.tsr",
        "-CAfile",
        "root.pem",
    ]);
    // The cosignatures are shown.
    let shown = block_on(world.files.get(WITNESSED, 10_000))
        .unwrap()
        .unwrap();
    assert_eq!(shown.bytes, anchor.cosigned.as_bytes());
    assert_eq!(Note::parse(&anchor.cosigned).unwrap().signatures().len(), 3);
    // Nothing more until the log grows.
    advance(&world, 10 * EVERY_MS);
    assert_eq!(world.tend(), None);
    assert!(world.asked().is_empty());
}

#[test]
fn a_log_that_grows_fast_is_anchored_at_intervals() {
    let world = World::new(2);
    world.grow(1);
    assert_eq!(world.tend(), None);
    world.asked();
    world.grow(1);
    advance(&world, 10_000);
    assert_eq!(world.tend(), Some(EVERY_MS - 10_000));
    assert!(world.asked().is_empty());
    world.grow(3);
    advance(&world, EVERY_MS - 10_000);
    assert_eq!(world.tend(), None);
    // The other authority has its turn.
    assert_eq!(world.asked(), ALL);
    assert_eq!(world.store().newest().unwrap().unwrap().size, 5);
    assert_eq!(world.store().count().unwrap(), 2);
}

#[test]
fn who_is_down_is_asked_again_later_and_later() {
    let world = World::new(2);
    let everybody = ["w1.example", "w2.example", "t1.example", "t2.example"];
    world.others.down.borrow_mut().extend(everybody);
    // The authorities, whose clock is the real one, come back when it is now again.
    let waited_ms = (5 + 10 + 20 + 40 + 80 + 160 + 320 + 600 + 600) * 1000;
    world.clock.advance(-waited_ms);
    world.grow(4);
    let mut waits = Vec::new();
    for _ in 0..9 {
        let wait_ms = world.tend().unwrap();
        assert_eq!(world.asked().len(), 4);
        waits.push(wait_ms / 1000);
        // Too early, nobody is bothered.
        advance(&world, wait_ms - 1);
        assert_eq!(world.tend(), Some(1));
        assert!(world.asked().is_empty());
        advance(&world, 1);
    }
    assert_eq!(waits, [5, 10, 20, 40, 80, 160, 320, 600, 600]);
    let anchor = world.store().newest().unwrap().unwrap();
    assert_eq!((anchor.failures.len(), anchor.quorum_met), (4, false));
    assert!(anchor.stamp.is_none());
    // As they come back, only who is missing is asked.
    world
        .others
        .down
        .borrow_mut()
        .retain(|name| *name == "w2.example");
    assert!(world.tend().is_some());
    assert_eq!(world.asked().len(), 3);
    advance(&world, 600_000);
    world.others.down.borrow_mut().clear();
    assert_eq!(world.tend(), None);
    assert_eq!(world.asked(), ["w2.example"]);
    let anchor = world.store().newest().unwrap().unwrap();
    assert!(anchor.quorum_met && anchor.stamp.is_some() && anchor.failures.is_empty());
    let lines = world.lines.0.borrow();
    assert!(
        lines
            .iter()
            .all(|(level, event, _)| *level == Level::Warn && event == "not_vouched")
    );
}

#[test]
fn a_newer_checkpoint_takes_the_place_of_one_that_is_still_asked_for() {
    let world = World::new(2);
    world.others.down.borrow_mut().insert("w1.example");
    world.grow(4);
    assert_eq!(world.tend(), Some(5_000));
    world.grow(4);
    world.others.down.borrow_mut().clear();
    advance(&world, EVERY_MS);
    world.asked();
    assert_eq!(world.tend(), None);
    assert_eq!(world.asked().len(), 3);
    assert_eq!(world.store().newest().unwrap().unwrap().size, 8);
    // The one who never saw the first is sent the second from nothing.
    let anchoring = world.vouchers.judge(&world.store(), Some(3)).unwrap();
    assert!(matches!(
        anchoring.witnesses,
        WitnessVerdict::Witnessed { tree_size: 8, .. }
    ));
}

#[test]
fn a_witness_whose_state_was_forgotten_here_is_proved_from_where_it_is() {
    let world = World::new(2);
    world.grow(4);
    assert_eq!(world.tend(), None);
    world.grow(9);
    advance(&world, EVERY_MS);
    for number in [1, 2] {
        let key = crate::witness::tests::cosigner(number)
            .verifier()
            .to_string();
        world.store().set_witnessed(&key, 0).unwrap();
    }
    world.asked();
    assert_eq!(world.tend(), None);
    // Each says its size once.
    assert_eq!(world.asked().len(), 5);
    assert!(world.store().newest().unwrap().unwrap().quorum_met);
}

#[test]
fn a_log_that_was_set_back_is_told_and_never_anchored_over() {
    let world = World::new(1);
    world.grow(6);
    assert_eq!(world.tend(), None);
    let anchored = world.store().newest().unwrap().unwrap();
    // The log is restored from nothing, and grows anew with other facts.
    let other = World::new(1);
    other.next.set(100);
    other.grow(3);
    let set_back = super::World {
        ledger: other.ledger.clone(),
        ..world
    };
    advance(&set_back, EVERY_MS);
    assert_eq!(set_back.tend(), None);
    assert_eq!(set_back.store().newest().unwrap().unwrap(), anchored);
    let lines = set_back.lines.0.take();
    assert_eq!(
        (lines[0].0, lines[0].1.as_str()),
        (Level::Error, "log_set_back")
    );
    // When it is larger again it does not extend what was anchored: nobody is asked.
    for _ in 0..5 {
        other.grow(1);
    }
    set_back.asked();
    assert_eq!(set_back.tend(), None);
    assert!(set_back.asked().is_empty());
    assert_eq!(set_back.store().newest().unwrap().unwrap(), anchored);
    assert_eq!(set_back.lines.0.take()[0].1, "log_set_back");
}

#[test]
fn a_false_cosignature_that_is_kept_costs_no_stamp() {
    let world = World::new(2);
    world.others.down.borrow_mut().extend(ALL);
    world.others.down.borrow_mut().insert("t2.example");
    world.grow(4);
    let wait_ms = world.tend().unwrap();
    let mut anchor = world.store().newest().unwrap().unwrap();
    let false_line = crate::witness::tests::cosigner(1)
        .cosign("another text\n", 7)
        .unwrap();
    anchor.cosigned = format!("{}{false_line}", anchor.checkpoint);
    world.store().put(&anchor).unwrap();
    world.others.down.borrow_mut().clear();
    advance(&world, wait_ms);
    let wait_ms = world.tend().unwrap();
    let anchor = world.store().newest().unwrap().unwrap();
    assert!(anchor.stamp.is_some() && !anchor.quorum_met);
    assert_eq!(
        (anchor.failures.len(), &anchor.cosigned),
        (1, &anchor.checkpoint)
    );
    // Then it is as if it had never been there.
    advance(&world, wait_ms);
    assert_eq!(world.tend(), None);
    assert!(world.store().newest().unwrap().unwrap().quorum_met);
}

#[test]
fn a_log_that_has_grown_is_come_back_to() {
    let world = World::new(2);
    world.grow(1);
    world.others.down.borrow_mut().insert("w2.example");
    let again = world.tend().unwrap();
    world.grow(1);
    world.others.down.borrow_mut().clear();
    world.clock.advance(i64::try_from(again).unwrap());
    assert!(world.tend().is_some());
}

/// One witness sends its answer a byte at a time, and never within its limits.
struct Dripping(Rc<Others>, FakeClock);

#[async_trait(?Send)]
impl Http for Dripping {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        if !request.url.contains("w2.example") {
            return self.0.send(request).await;
        }
        let clock = self.1.clone();
        let drops = std::iter::repeat_with(move || {
            clock.advance(9_000);
            Ok(Bytes::from_static(b"a"))
        });
        Ok(HttpResponse {
            status: 200,
            headers: vec![],
            body: Box::pin(stream::iter(drops)),
        })
    }
}

#[test]
fn no_witness_holds_up_the_others_and_the_stamp() {
    let world = World::new(1);
    world.grow(1);
    let before = world.clock.now_ms();
    let mut keeper = world.keeper();
    keeper.ports.http = Rc::new(Dripping(Rc::clone(&world.others), world.clock.clone()));
    block_on(keeper.tend()).unwrap();
    assert!(world.clock.now_ms() - before <= 60_000);
    let anchor = world.store().newest().unwrap().unwrap();
    assert!(anchor.stamp.is_some() && anchor.quorum_met);
    assert!(
        anchor
            .failures
            .iter()
            .any(|failure| failure.reason.contains("15000 ms"))
    );
}
