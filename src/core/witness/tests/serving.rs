//! What a witness answers, row by row of the specification.

use super::super::keys::Cosignature;
use super::super::request::AddCheckpoint;
use super::super::server::{Answer, SIZE_TYPE};
use super::super::store::{ForkKind, WitnessStore};
use super::{NOW_MS, Seen, TestLog, cosigner, witness};
use crate::chain::hash::Hash;
use crate::chain::keys::SignerKey;
use crate::chain::note::Note;

/// The whole way of a request's body.
pub(crate) fn ask<S: WitnessStore>(seen: &mut S, body: &str) -> Answer {
    let witness = witness(1);
    match witness.admit(body) {
        Ok(request) => witness.add(seen, &request, NOW_MS),
        Err(answer) => answer,
    }
}

pub(super) fn body(old: u64, proof: Vec<Hash>, note: &Note) -> String {
    AddCheckpoint {
        old_size: old,
        proof,
        note: note.clone(),
        head: TestLog::of(0).checkpoint(0),
    }
    .to_string()
}

pub(super) fn grow<S: WitnessStore>(seen: &mut S, log: &TestLog, old: u64, new: u64) -> Answer {
    ask(seen, &body(old, log.proof(old, new), &log.note(new)))
}

fn cosignatures(note: &Note, answer: &Answer) -> Vec<Cosignature> {
    assert_eq!(answer.status, 200, "{}", answer.body);
    let note = Note::parse(&format!("{note}{}", answer.body)).unwrap();
    cosigner(1).verifier().cosignatures(&note).unwrap()
}

fn expects(answer: &Answer, size: u64) {
    assert_eq!(answer.status, 409);
    assert_eq!(answer.content_type(), SIZE_TYPE);
    assert_eq!(answer.body, format!("{size}\n"));
}

#[test]
fn a_log_that_grows_is_cosigned_and_remembered() {
    let (mut seen, log) = (Seen::default(), TestLog::of(40));
    let mut old = 0;
    for new in [0, 1, 1, 2, 7, 8, 8, 33, 40] {
        let answer = grow(&mut seen, &log, old, new);
        let found = cosignatures(&log.note(new), &answer);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].time_s, NOW_MS / 1000);
        let head = seen.head.clone().unwrap();
        assert_eq!((head.size, head.root), (new, log.checkpoint(new).root));
        // What it serves to monitors has both signatures.
        let served = Note::parse(&head.note).unwrap();
        served.verify(&[log.key.verifier()]).unwrap();
        assert_eq!(cosigner(1).verifier().cosignatures(&served), Ok(found));
        old = new;
    }
    assert_eq!(seen.forks, []);
}

#[test]
fn another_old_size_is_409_with_the_size() {
    let (mut seen, log) = (Seen::default(), TestLog::of(20));
    expects(&grow(&mut seen, &log, 5, 9), 0);
    assert_eq!(grow(&mut seen, &log, 0, 9).status, 200);
    for old in [0, 4, 8] {
        expects(&grow(&mut seen, &log, old, 20), 9);
        // Also to a checkpoint that is older than what was seen.
        expects(&grow(&mut seen, &log, old, 8), 9);
    }
    expects(&grow(&mut seen, &log, 10, 20), 9);
    assert_eq!(seen.head.as_ref().unwrap().size, 9);
    assert_eq!(seen.forks, []);
}

#[test]
fn a_fork_of_the_same_size_is_409_and_both_heads_are_kept() {
    let (mut seen, log) = (Seen::default(), TestLog::of(9));
    let other = TestLog::branch(9, 6, 1);
    assert_eq!(grow(&mut seen, &log, 0, 9).status, 200);
    // Whatever old size it names, and once for each pair.
    for old in [9, 0, 3] {
        let answer = ask(&mut seen, &body(old, vec![], &other.note(9)));
        expects(&answer, 9);
    }
    let [fork] = seen.forks.as_slice() else {
        panic!("{:?}", seen.forks)
    };
    assert_eq!((fork.kind, fork.seen_at_ms), (ForkKind::SameSize, NOW_MS));
    let heads = [&fork.cosigned, &fork.refused].map(|note| Note::parse(note).unwrap());
    for (head, log) in heads.iter().zip([&log, &other]) {
        head.verify(&[log.key.verifier()]).unwrap();
        assert_eq!(head.text(), log.checkpoint(9).text());
    }
    // The refused one is not cosigned, and the witness goes on where it was.
    assert_eq!(cosigner(1).verifier().cosignatures(&heads[1]), Ok(vec![]));
    assert_eq!(seen.head.unwrap().root, log.checkpoint(9).root);
}

#[test]
fn a_larger_fork_is_422_and_both_heads_are_kept() {
    let (mut seen, log) = (Seen::default(), TestLog::of(9));
    let other = TestLog::branch(14, 6, 1);
    assert_eq!(grow(&mut seen, &log, 0, 9).status, 200);
    assert_eq!(grow(&mut seen, &other, 9, 14).status, 422);
    assert_eq!(seen.forks.len(), 1);
    assert_eq!(seen.forks[0].kind, ForkKind::Unproven);
    assert_eq!(seen.head.unwrap().size, 9);
}

#[test]
fn a_proof_that_does_not_hold_is_422() {
    let log = TestLog::of(20);
    let seen_nine = || {
        let mut seen = Seen::default();
        assert_eq!(grow(&mut seen, &log, 0, 9).status, 200);
        seen
    };
    let good = log.proof(9, 20);
    for at in 0..good.len() {
        let mut altered = good.clone();
        altered[at] = Hash::of(b"other");
        let answer = ask(&mut seen_nine(), &body(9, altered, &log.note(20)));
        assert_eq!(answer.status, 422, "hash {at}");
    }
    let mut longer = good.clone();
    longer.push(Hash::of(b"more"));
    let shorter = good[1..].to_vec();
    for proof in [longer, shorter, vec![]] {
        let answer = ask(&mut seen_nine(), &body(9, proof, &log.note(20)));
        assert_eq!(answer.status, 422);
    }
    // From nothing no proof is needed, and none is taken.
    let answer = ask(&mut Seen::default(), &body(0, good, &log.note(20)));
    assert_eq!(answer.status, 422);
    let same = body(9, vec![Hash::of(b"more")], &log.note(9));
    assert_eq!(ask(&mut seen_nine(), &same).status, 422);
}

#[test]
fn an_empty_tree_has_the_empty_root() {
    let log = TestLog::of(1);
    let mut head = log.checkpoint(1);
    head.size = 0;
    let note = Note::sign(&head.text(), &log.key).unwrap();
    assert_eq!(
        ask(&mut Seen::default(), &body(0, vec![], &note)).status,
        422
    );
}

#[test]
fn who_is_not_known_is_404_and_what_is_not_signed_403() {
    let (mut seen, log) = (Seen::default(), TestLog::of(3));
    let text = log.checkpoint(3).text();
    let stranger = SignerKey::from_seed("other.example/log", &[1; 32]).unwrap();
    let unknown = Note::sign(&text.replace(super::ORIGIN, stranger.name()), &stranger).unwrap();
    assert_eq!(ask(&mut seen, &body(0, vec![], &unknown)).status, 404);
    let impostor = SignerKey::from_seed(super::ORIGIN, &[2; 32]).unwrap();
    let signed = Note::sign(&text, &impostor).unwrap();
    assert_eq!(ask(&mut seen, &body(0, vec![], &signed)).status, 403);
    // A line of the known key over other text.
    let good = body(0, vec![], &log.note(3));
    let altered = good.replace("\n3\n", "\n4\n");
    assert_eq!(ask(&mut seen, &altered).status, 403);
    assert_eq!(ask(&mut seen, "old 0\n").status, 400);
    assert_eq!(ask(&mut seen, &good.replace("old 0", "old 4")).status, 400);
    assert_eq!(seen.head, None);
    assert_eq!(ask(&mut seen, &good).status, 200);
}

#[test]
fn kept_forks_are_bounded() {
    let (mut seen, log) = (Seen::default(), TestLog::of(9));
    assert_eq!(grow(&mut seen, &log, 0, 9).status, 200);
    for branch in 1..=40 {
        let other = TestLog::branch(10, 6, branch);
        assert_eq!(grow(&mut seen, &other, 9, 10).status, 422);
    }
    assert_eq!(seen.forks.len(), 32);
    // The newest of them.
    let newest = TestLog::branch(10, 6, 40).checkpoint(10).text();
    assert!(seen.forks[31].refused.starts_with(&newest));
    // Those take no room of what is proof by itself.
    let other = TestLog::branch(9, 6, 1);
    expects(&ask(&mut seen, &body(9, vec![], &other.note(9))), 9);
    assert_eq!(seen.forks.last().unwrap().kind, ForkKind::SameSize);
}

#[test]
fn a_head_that_is_proved_later_is_no_fork_any_more() {
    let (mut seen, log) = (Seen::default(), TestLog::of(20));
    let other = TestLog::branch(14, 6, 1);
    assert_eq!(grow(&mut seen, &log, 0, 9).status, 200);
    assert_eq!(grow(&mut seen, &other, 9, 14).status, 422);
    // Anybody can send the log's newest checkpoint with no proof.
    assert_eq!(ask(&mut seen, &body(9, vec![], &log.note(20))).status, 422);
    assert_eq!(seen.forks.len(), 2);
    assert_eq!(grow(&mut seen, &log, 9, 20).status, 200);
    let [fork] = seen.forks.as_slice() else {
        panic!("{:?}", seen.forks)
    };
    assert!(fork.refused.starts_with(&other.checkpoint(14).text()));
}
