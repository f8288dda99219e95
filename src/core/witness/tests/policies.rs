//! Policies, and which cosignatures meet them.

use super::super::policy::{LineError, PolicyError, WitnessPolicy};
use super::{TestLog, cosigner, log_key};

fn vkey(number: u8) -> String {
    cosigner(number).verifier().to_string()
}

/// The example of the specification.
fn two_levels() -> String {
    let witness = |name: &str, number: u8| format!("witness {name} {}\n", vkey(number));
    [
        format!("# two organizations\nlog {}\n\n", log_key().verifier()),
        witness("X1", 1) + &witness("X2", 2) + &witness("X3", 3),
        "group  X-witnesses 2\tX1 X2 X3\n".to_owned(),
        witness("Y1", 4) + &witness("Y2", 5),
        "group Y-witnesses any Y1 Y2\n".to_owned(),
        "  group X-and-Y all X-witnesses Y-witnesses\nquorum X-and-Y\n".to_owned(),
    ]
    .concat()
}

fn met(policy: &WitnessPolicy, witnesses: &[u8]) -> bool {
    let log = TestLog::of(3);
    let mut note = log.note(3);
    for number in witnesses {
        let line = cosigner(*number).cosign(note.text(), 100).unwrap();
        note.add_signature(line).unwrap();
    }
    let verdict = policy.judge(&note).unwrap();
    assert_eq!(
        verdict.by.len(),
        witnesses.iter().filter(|n| **n <= 5).count()
    );
    verdict.quorum_met
}

#[test]
fn a_quorum_of_groups_is_counted() {
    let policy: WitnessPolicy = two_levels().parse().unwrap();
    assert_eq!(policy.logs, [log_key().verifier().clone()]);
    assert!(!policy.asks_nobody());
    for enough in [&[1, 2, 4][..], &[1, 3, 5], &[1, 2, 3, 4, 5]] {
        assert!(met(&policy, enough), "{enough:?}");
    }
    for few in [
        &[][..],
        &[1],
        &[1, 2],
        &[1, 2, 3],
        &[4, 5],
        &[1, 4, 5],
        &[1, 4, 9],
    ] {
        assert!(!met(&policy, few), "{few:?}");
    }
}

#[test]
fn nobody_asked_is_no_quorum_met() {
    let text = format!("witness a {} https://w.example/\nquorum none\n", vkey(1));
    let policy: WitnessPolicy = text.parse().unwrap();
    assert!(policy.asks_nobody());
    assert!(!met(&policy, &[1]));
    assert_eq!(policy.reachable.len(), 1);
    assert_eq!(policy.reachable[0].url, "https://w.example");
}

#[test]
fn a_cosignature_that_does_not_hold_refuses_the_note() {
    let policy: WitnessPolicy = two_levels().parse().unwrap();
    let log = TestLog::of(3);
    let mut note = log.note(3);
    note.add_signature(cosigner(1).cosign(log.note(2).text(), 100).unwrap())
        .unwrap();
    assert!(policy.judge(&note).is_err());
}

#[test]
fn mistakes_are_named_with_their_line() {
    let (a, b) = (vkey(1), vkey(2));
    let witness = format!("witness a {a}\n");
    let log = log_key().verifier().to_string();
    for (text, line, what) in [
        (format!("{witness}qorum a\n"), 2, LineError::Form),
        ("log\n".to_owned(), 1, LineError::Form),
        (
            format!("{witness}quorum b\n"),
            2,
            LineError::NotDefined("b".into()),
        ),
        (format!("{witness}witness b {a}\n"), 2, LineError::KeyTaken),
        (format!("log {log}\nlog {log}\n"), 2, LineError::KeyTaken),
        (
            format!("{witness}witness a {b}\n"),
            2,
            LineError::NameTaken("a".into()),
        ),
        (
            format!("witness none {b}\n"),
            1,
            LineError::NameTaken("none".into()),
        ),
        (format!("{witness}group g 2 a\n"), 2, LineError::Threshold),
        (format!("{witness}group g 0 a\n"), 2, LineError::Threshold),
        (format!("{witness}group g all\n"), 2, LineError::Threshold),
        (
            format!("{witness}group g any h\n"),
            2,
            LineError::NotDefined("h".into()),
        ),
        (
            format!("{witness}group g any none\n"),
            2,
            LineError::NotDefined("none".into()),
        ),
        (
            format!("{witness}group g any g\n"),
            2,
            LineError::NotDefined("g".into()),
        ),
        (
            format!("{witness}group g any a\ngroup h any a\n"),
            3,
            LineError::InAnotherGroup("a".into()),
        ),
        (
            "quorum none\nquorum none\n".to_owned(),
            2,
            LineError::SecondQuorum,
        ),
        ("quorum none\r\n".to_owned(), 1, LineError::ControlCharacter),
    ] {
        let error = text.parse::<WitnessPolicy>().unwrap_err();
        assert_eq!(error, PolicyError::Line { line, what }, "{text}");
    }
    // A log's key is none of a witness, nor the other way round.
    for text in [format!("witness a {log}\n"), format!("log {a}\n")] {
        let error = text.parse::<WitnessPolicy>().unwrap_err();
        assert!(matches!(
            error,
            PolicyError::Line {
                what: LineError::Key(_),
                ..
            }
        ));
    }
    assert_eq!(witness.parse::<WitnessPolicy>(), Err(PolicyError::NoQuorum));
    let many = (1..=200).fold(String::new(), |text, number| {
        format!("{text}witness w{number} {}\n", vkey(number))
    });
    let error = many.parse::<WitnessPolicy>().unwrap_err();
    assert!(matches!(
        error,
        PolicyError::Line {
            what: LineError::TooMany,
            ..
        }
    ));
}
