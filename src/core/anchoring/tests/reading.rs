//! The two verdicts, read anew from what is kept.

use std::rc::Rc;

use super::super::store::Having;
use super::super::{
    Anchoring, Command, RemoteAnchors, TimeVerdict, Vouchers, WitnessVerdict, serve,
};
use super::{EVERY_MS, LogHttp, Object, World};
use crate::ledger::{CheckpointInput, checkpoint};
use crate::testing::block_on;
use crate::timestamp::tests::authority::p256;

fn ask(world: &World, size: u64) -> Anchoring {
    let object = Object(world.store(), world.vouchers.clone());
    block_on(RemoteAnchors::new(Rc::new(object)).covering(Some(size))).unwrap()
}

/// Two anchors: 4 leaves with a stamp and one cosignature, 9 with everything.
fn world() -> World {
    let world = World::new(2);
    world.others.down.borrow_mut().insert("w2.example");
    world.grow(4);
    world.tend();
    world.others.down.borrow_mut().clear();
    world.grow(5);
    world.clock.advance(i64::try_from(EVERY_MS).unwrap());
    assert_eq!(world.tend(), None);
    world
}

#[test]
fn the_smallest_anchors_that_cover_the_leaves_are_found() {
    let world = world();
    for (size, stamped, witnessed) in [(0, 4, 9), (1, 4, 9), (4, 4, 9), (5, 9, 9), (9, 9, 9)] {
        let Anchoring { time, witnesses } = ask(&world, size);
        let TimeVerdict::Stamped {
            tree_size,
            stamp,
            checkpoint,
            ..
        } = time
        else {
            panic!("{time:?}")
        };
        assert_eq!(tree_size, stamped, "{size}");
        assert_eq!(stamp.authority, "Example tsa");
        assert_eq!(checkpoint.matches('\u{2014}').count(), 1);
        let WitnessVerdict::Witnessed {
            tree_size,
            checkpoint,
            by,
            ..
        } = witnesses
        else {
            panic!("{witnesses:?}")
        };
        assert_eq!((tree_size, by.len()), (witnessed, 2), "{size}");
        assert_eq!(checkpoint.matches('\u{2014}').count(), 3);
    }
    let Anchoring { time, witnesses } = ask(&world, 10);
    assert_eq!(time, TimeVerdict::NotStamped { failures: vec![] });
    let nobody = WitnessVerdict::NotWitnessed {
        by: vec![],
        failures: vec![],
    };
    assert_eq!(witnesses, nobody);
}

#[test]
fn who_is_not_configured_is_said() {
    let world = World {
        vouchers: Vouchers::default(),
        ..world()
    };
    let Anchoring { time, witnesses } = ask(&world, 1);
    assert_eq!(time, TimeVerdict::NotConfigured);
    assert_eq!(witnesses, WitnessVerdict::NotConfigured);
    assert_eq!(world.tend(), None);
    assert!(!serve(&world.store(), &world.vouchers, br#""grown""#).due);
}

#[test]
fn why_there_is_none_is_said() {
    let world = World::new(2);
    world
        .others
        .down
        .borrow_mut()
        .extend(["w2.example", "t1.example", "t2.example"]);
    world.grow(4);
    world.tend();
    let Anchoring { time, witnesses } = ask(&world, 2);
    let TimeVerdict::NotStamped { failures } = time else {
        panic!("{time:?}")
    };
    assert!(
        failures
            .iter()
            .any(|failure| failure.of == "http://t1.example")
    );
    let WitnessVerdict::NotWitnessed { by, failures } = witnesses else {
        panic!("{witnesses:?}")
    };
    assert_eq!(by.len(), 1);
    assert!(
        failures
            .iter()
            .any(|failure| failure.of == "witness.example/w2")
    );
}

#[test]
fn what_was_altered_or_is_trusted_no_more_fails() {
    let world = world();
    let mut anchor = world.store().newest().unwrap().unwrap();
    // Another authority's root is configured today.
    let other = p256();
    let mut vouchers = world.vouchers.clone();
    vouchers.authorities.as_mut().unwrap().anchors = other.anchors();
    let judged = vouchers.judge(&world.store(), Some(9)).unwrap();
    assert!(matches!(
        judged.time,
        TimeVerdict::Fails { tree_size: 9, .. }
    ));
    // A cosignature and a reply in the storage were touched.
    anchor.cosigned = anchor.cosigned.replace("\n9\n", "\n8\n");
    anchor
        .stamp
        .as_mut()
        .unwrap()
        .reply
        .replace_range(..4, "AAAA");
    world.store().put(&anchor).unwrap();
    let Anchoring { time, witnesses } = ask(&world, 9);
    assert!(matches!(time, TimeVerdict::Fails { .. }), "{time:?}");
    assert!(
        matches!(witnesses, WitnessVerdict::Fails { .. }),
        "{witnesses:?}"
    );
    // A stamp of another checkpoint of ours is none of this one.
    let first = world.store().covering(Some(1), Having::Stamp);
    anchor.stamp = first.unwrap()[0].stamp.clone();
    world.store().put(&anchor).unwrap();
    let time = ask(&world, 9).time;
    assert!(matches!(time, TimeVerdict::Fails { reason, .. } if reason.contains("other data")));
}

#[test]
fn what_holds_no_more_is_passed_over_for_a_larger_one_that_does() {
    let world = World::new(2);
    world.grow(4);
    world.tend();
    world.grow(5);
    world.clock.advance(i64::try_from(EVERY_MS).unwrap());
    world.tend();
    let stores = world.store();
    let mut first = stores.covering(Some(1), Having::Quorum).unwrap().remove(0);
    assert_eq!(first.size, 4);
    // A witness that has left the policy, and a root that was dropped, leave this.
    first.cosigned = first.checkpoint.clone();
    let reply = &mut first.stamp.as_mut().unwrap().reply;
    reply.replace_range(..4, "AAAA");
    stores.put(&first).unwrap();
    let Anchoring { time, witnesses } = ask(&world, 1);
    assert!(
        matches!(time, TimeVerdict::Stamped { tree_size: 9, .. }),
        "{time:?}"
    );
    assert!(
        matches!(witnesses, WitnessVerdict::Witnessed { tree_size: 9, .. }),
        "{witnesses:?}"
    );
}

#[test]
fn commands_that_are_none_are_refused() {
    let world = World::new(1);
    for body in [&b""[..], b"{}", br#""shrunk""#, br#"{"covering":-1}"#] {
        let answered = serve(&world.store(), &world.vouchers, body);
        assert_eq!((answered.status, answered.due), (400, false));
    }
    let command = serde_json::to_vec(&Command::Grown).unwrap();
    assert!(serve(&world.store(), &world.vouchers, &command).due);
}

#[test]
fn what_others_saw_of_another_tree_is_not_told_of_this_one() {
    let world = World::new(2);
    world.grow(3);
    world.anchor();
    // The log's storage and its published head are set back, and another history grows.
    let ledger = world.anchored(LogHttp::new(None));
    for number in 0..2 {
        let other = crate::ledger::tests::request(number);
        block_on(ledger.append(&other)).unwrap();
    }
    let told = block_on(checkpoint(&*ledger, &CheckpointInput::default())).unwrap();
    let Anchoring { time, witnesses } = told.anchoring.unwrap();
    assert!(matches!(time, TimeVerdict::Fails { .. }), "{time:?}");
    assert!(
        matches!(witnesses, WitnessVerdict::Fails { .. }),
        "{witnesses:?}"
    );
}
