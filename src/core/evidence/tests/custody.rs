use garde::Validate;

use super::*;
use crate::chain::hash::Hash;
use crate::chain::keys::VerifierKey;
use crate::chain::proof::LogProof;
use crate::ledger::AppendRequest;

fn handed_over() -> Value {
    json!({
        "action": "transferred", "actor": "Zoë Ångström", "location": "Αθήνα, room 4",
        "purpose": "expert examination", "authority": "order of 2026-11-02",
        "changes": "the seal was broken", "responsible": "J. Bloggs",
        "occurred_at": "2026-11-20T10:00:00Z",
    })
}

#[test]
fn an_event_is_a_fact_with_the_fields_of_custody_and_a_proof() {
    let desk = Desk::new();
    let done = desk.world.done(SecurityLevel::Fortress);
    let said = json!({"execution_id": done.execution_id, "event": handed_over()});
    let made = desk.custody(said).unwrap();
    assert_eq!(
        (made.events.len(), &made.evidence_id),
        (1, &done.execution_id)
    );
    let event = &made.events[0];
    assert_eq!(made.recorded.as_ref(), Some(&event.fact_id));
    assert_eq!(
        event.occurred_at.as_deref(),
        Some("2026-11-20T10:00:00.000Z")
    );
    for (name, value) in [
        ("sequence", "1"),
        ("action", "transferred"),
        ("actor", "Zoë Ångström"),
        ("location", "Αθήνα, room 4"),
        ("purpose", "expert examination"),
        ("authority", "order of 2026-11-02"),
        ("changes", "the seal was broken"),
        ("responsible", "J. Bloggs"),
        ("recorded_by", "ann"),
    ] {
        assert_eq!(event.fields[name], value, "{name}");
    }
    let key: VerifierKey = made.verifier_key.parse().unwrap();
    let proof = LogProof::parse(&event.tlog_proof).unwrap();
    let leaf = Hash::leaf(proof.extra.as_ref().unwrap());
    proof.verify(&leaf, &key).unwrap();
    assert!(String::from_utf8_lossy(proof.extra.as_ref().unwrap()).contains(&event.fact_id));
}

#[test]
fn events_whose_rows_are_late_or_gone_are_listed_and_packaged() {
    let desk = Desk::new();
    let done = desk.world.done(SecurityLevel::Fortress);
    let said = json!({"execution_id": done.execution_id, "event": handed_over()});
    desk.custody(said).unwrap();
    let gone = "DELETE FROM chitty_chain_facts WHERE predicate = 'custody_event'";
    desk.world.rows(gone.to_owned());
    let list = json!({"execution_id": done.execution_id});
    assert_eq!(desk.custody(list).unwrap().events.len(), 1);
    let (_, zip) = desk.brief(&done.execution_id);
    let events = &unzip(&zip)["data/custody/custody.jsonl"];
    assert_eq!(String::from_utf8_lossy(events).lines().count(), 2);
}

#[test]
fn without_an_event_those_on_file_are_listed() {
    let desk = Desk::new();
    let done = desk.world.done(SecurityLevel::Fortress);
    let list = json!({"execution_id": done.execution_id});
    assert!(desk.custody(list.clone()).unwrap().events.is_empty());
    let before = desk.world.log.size();
    for _ in 0..2 {
        desk.custody(json!({"execution_id": done.execution_id, "event": handed_over()}))
            .unwrap();
    }
    let listed = desk.custody(list).unwrap();
    assert_eq!((listed.recorded, desk.world.log.size()), (None, before + 2));
    let numbers: Vec<&str> = listed
        .events
        .iter()
        .map(|e| e.fields["sequence"].as_str())
        .collect();
    assert_eq!(numbers, ["1", "2"]);
}

#[test]
fn a_number_that_another_has_taken_is_passed_over() {
    let desk = Desk::new();
    let done = desk.world.done(SecurityLevel::Fortress);
    let taken = AppendRequest {
        idempotency_key: format!("custody:{}:1", done.execution_id),
        fact: serde_json::from_value(json!({
            "subject": "s", "predicate": "p", "object": "o", "source": "s", "timestamp_ms": 1,
        }))
        .unwrap(),
    };
    desk.world
        .clock
        .run(desk.world.service.ledger.append(&taken))
        .unwrap();
    let made = desk.custody(json!({"execution_id": done.execution_id, "event": handed_over()}));
    assert_eq!(made.unwrap().events[0].fields["sequence"], "2");
}

#[test]
fn events_that_say_too_little_are_refused() {
    let valid = |event: Value| {
        let input: CustodyInput =
            serde_json::from_value(json!({"execution_id": "e", "event": event})).unwrap();
        input.validate().is_ok()
    };
    assert!(valid(handed_over()));
    for (field, value) in [
        ("responsible", Value::Null),
        ("purpose", json!("")),
        ("authority", json!("a\nb")),
        ("occurred_at", json!("yesterday")),
        ("occurred_at", json!("1969-01-01T00:00:00Z")),
    ] {
        let mut event = handed_over();
        event[field] = value;
        assert!(!valid(event), "{field}");
    }
}

#[test]
fn custody_of_another_users_evidence_reads_as_not_found() {
    let mut desk = Desk::new();
    let done = desk.world.done(SecurityLevel::Fortress);
    desk.world.principal = principal("bob");
    let error = desk
        .custody(json!({"execution_id": done.execution_id}))
        .unwrap_err();
    assert_eq!(error.code(), "EXECUTION_NOT_FOUND");
}
