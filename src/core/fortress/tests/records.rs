//! Facts that callers state, evidence on file, and trails.

use garde::Validate as _;

use super::*;
use crate::auth::{Principal, PrincipalKind, Scopes};

fn assertion() -> AssertionInput {
    serde_json::from_value(json!({
        "subject": "case/1", "predicate": "reviewed_by", "object": "Ann", "source": "office",
        "idempotency_key": "K-1"
    }))
    .unwrap()
}

fn caller(user_id: &str, scopes: &[&str]) -> Principal {
    Principal {
        user_id: user_id.to_owned(),
        name: "test".to_owned(),
        kind: PrincipalKind::User,
        scopes: Scopes::new(scopes.iter().copied()),
        token_id: "key-1".to_owned(),
        client_id: None,
    }
}

fn asker(user_id: &str) -> Asker<'_> {
    Asker { user_id, ..ANN }
}

impl World {
    fn assert_as(
        &self,
        owner: &str,
        input: &AssertionInput,
    ) -> Result<AssertionOutput, FortressError> {
        self.clock
            .run(self.service.log_assertion(asker(owner), input))
    }

    fn query(&self, caller: &Principal, wanted: serde_json::Value) -> ChainQueryOutput {
        let input: ChainQueryInput = serde_json::from_value(wanted).unwrap();
        let found = self.clock.run(self.service.query_facts(caller, &input));
        found.unwrap()
    }

    fn put_on_file(
        &self,
        owner: &str,
        input: serde_json::Value,
    ) -> Result<Evidence, FortressError> {
        let input: EvidenceCreateInput = serde_json::from_value(input).unwrap();
        let made = self.service.create_evidence(asker(owner), &input);
        let made = self.clock.run(made);
        made.map(|made| made.evidence)
    }

    fn list(&self, owner: &str, input: serde_json::Value) -> EvidenceListOutput {
        let input: EvidenceListInput = serde_json::from_value(input).unwrap();
        self.clock
            .run(self.service.list_evidence(owner, &input))
            .unwrap()
    }

    fn trail(&self, owner: &str, input: serde_json::Value) -> Result<AuditTrail, FortressError> {
        let input: AuditTrailInput = serde_json::from_value(input).unwrap();
        let made = self.clock.run(self.service.audit_trail(owner, &input));
        made.map(|made| made.audit_trail)
    }
}

#[test]
fn a_fact_is_logged_once_for_its_key() {
    let world = World::new(vec![]);
    let first = world.assert_as("ann", &assertion()).unwrap();
    assert_eq!(
        (first.status.as_str(), first.timestamp),
        ("logged", START_MS)
    );
    let (fact, _) = world.log.fact(0);
    assert_eq!(
        (fact.subject.as_str(), fact.source.as_str()),
        ("case/1", "office")
    );
    assert_eq!(
        fact.metadata,
        [("user_id".to_owned(), "ann".to_owned())].into()
    );

    // Later, and with the log's answer lost.
    world.clock.pass(5_000);
    world.log.faults.borrow_mut().push_back(LogFault::ReplyLost);
    let again = world.assert_as("ann", &assertion()).unwrap();
    assert_eq!((again.fact_id, again.timestamp), (first.fact_id, START_MS));
    assert_eq!(world.log.size(), 1);
    let other = AssertionInput {
        object: "Bob".into(),
        ..assertion()
    };
    let error = world.assert_as("ann", &other).unwrap_err();
    assert_eq!(error.code(), "IDEMPOTENCY_KEY_CONFLICT");
    // Another's key of the same name is another key; without a key each call says it again.
    world.assert_as("bob", &other).unwrap();
    let without = AssertionInput {
        idempotency_key: None,
        ..assertion()
    };
    for _ in 0..2 {
        world.assert_as("ann", &without).unwrap();
    }
    assert_eq!(world.log.size(), 4);
}

#[test]
fn facts_that_are_too_large_or_not_the_callers_to_say_are_refused() {
    let world = World::new(vec![]);
    for source in ["fortress-mcp", " Chittyos-Coordinator", "fortress-keys"] {
        let input = AssertionInput {
            source: source.into(),
            ..assertion()
        };
        let error = world.assert_as("ann", &input).unwrap_err();
        assert_eq!(error.code(), "SOURCE_TAKEN", "{source}");
    }
    for (subject, predicate) in [
        ("s", "recorded"),
        ("s", " Content_Erased"),
        ("s", "custody_event"),
        ("row:secure_executions:1", "p"),
        (" FORTRESS:key:1", "p"),
    ] {
        let input = AssertionInput {
            subject: subject.into(),
            predicate: predicate.into(),
            ..assertion()
        };
        let error = world.assert_as("ann", &input).unwrap_err();
        assert_eq!(error.code(), "NAME_TAKEN", "{subject} {predicate}");
    }
    // Fits its field, and in canonical form not the entry of a log.
    let large = AssertionInput {
        object: "\u{1}".repeat(32_768),
        ..assertion()
    };
    large.validate().unwrap();
    let error = world.assert_as("ann", &large).unwrap_err();
    assert_eq!(error.code(), "INVALID_FACT");
    assert!(error.to_string().contains("65535"), "{error}");
    let larger = AssertionInput {
        object: "a".repeat(65_536),
        ..assertion()
    };
    assert!(larger.validate().unwrap_err().to_string().contains("32768"));
    let nul = AssertionInput {
        object: "a\0".into(),
        ..assertion()
    };
    assert_eq!(
        world.assert_as("ann", &nul).unwrap_err().code(),
        "INVALID_FACT"
    );
    assert_eq!(world.log.size(), 0);
}

#[test]
fn facts_are_found_by_what_they_say_page_by_page() {
    let world = World::new(vec![]);
    for n in 0..7 {
        let input = AssertionInput {
            object: format!("object {n}"),
            idempotency_key: None,
            subject: if n < 5 { "case/1" } else { "case/2" }.into(),
            ..assertion()
        };
        world.assert_as("ann", &input).unwrap();
        world.clock.pass(1_000);
    }
    let ann = caller("ann", &["chain:verify"]);
    let objects = |found: &ChainQueryOutput| -> Vec<String> {
        found.facts.iter().map(|fact| fact.object.clone()).collect()
    };
    let all = world.query(&ann, json!({}));
    assert_eq!(
        (all.count, all.facts.len(), all.next_cursor.as_ref()),
        (7, 7, None)
    );
    assert_eq!(objects(&all)[0], "object 6");
    let mut paged = Vec::new();
    let mut wanted = json!({ "subject": "case/1", "limit": 2 });
    for _ in 0..3 {
        let page = world.query(&ann, wanted.clone());
        paged.extend(objects(&page));
        wanted["cursor"] = json!(page.next_cursor);
    }
    assert!(wanted["cursor"].is_null());
    assert_eq!(
        paged,
        ["object 4", "object 3", "object 2", "object 1", "object 0"]
    );
    let between = json!({ "start_time": START_MS + 1_000, "end_time": START_MS + 2_000 });
    assert_eq!(
        objects(&world.query(&ann, between)),
        ["object 2", "object 1"]
    );
    let by = |wanted| world.query(&ann, wanted).count;
    assert_eq!(
        by(json!({ "object": "object 3", "source": "office", "predicate": "reviewed_by" })),
        1
    );
    assert_eq!(by(json!({ "source": "else" })), 0);
    assert_eq!(by(json!({ "verified_only": true })), 0);

    assert_eq!(
        world
            .query(&caller("bob", &["chain:verify"]), json!({}))
            .count,
        0
    );
    assert_eq!(
        world
            .query(&caller("bob", &["chain:read_all"]), json!({}))
            .count,
        7
    );
    let bad: ChainQueryInput = serde_json::from_value(json!({ "cursor": "!" })).unwrap();
    let error = world.clock.run(world.service.query_facts(&ann, &bad));
    assert_eq!(error.unwrap_err().code(), "INVALID_INPUT");
}

#[test]
fn evidence_is_put_on_file_once_for_its_key() {
    let world = World::new(vec![hi()]);
    let wanted = json!({
        "evidence_type": "document", "description": "A contract", "case_id": "CASE-1",
        "metadata": { "pages": 3, "case_id": "not this" }, "idempotency_key": "K"
    });
    let made = world.put_on_file("ann", wanted.clone()).unwrap();
    assert_eq!(
        (made.status.as_str(), made.completed_at.as_ref()),
        ("pending", None)
    );
    assert_eq!(
        json!(made.metadata),
        json!({ "pages": 3, "case_id": "CASE-1", "evidence_type": "document", "description": "A contract" })
    );
    assert_eq!(
        world.put_on_file("ann", wanted.clone()).unwrap().id,
        made.id
    );
    assert_ne!(
        world.put_on_file("bob", wanted.clone()).unwrap().id,
        made.id
    );
    let mut other = wanted;
    other["description"] = json!("Another");
    let error = world.put_on_file("ann", other).unwrap_err();
    assert_eq!(error.code(), "IDEMPOTENCY_KEY_CONFLICT");

    let run = world.execute(&input()).unwrap();
    let of_run = json!({
        "evidence_type": "ai_execution", "description": "A run", "fortress_job_id": run.job_id
    });
    assert_eq!(
        world.put_on_file("bob", of_run.clone()).unwrap_err().code(),
        "JOB_NOT_FOUND"
    );
    let made = world.put_on_file("ann", of_run).unwrap();
    assert_eq!(
        (made.status.as_str(), &made.chain_facts),
        ("completed", &vec![run.assertion_id])
    );
    assert_eq!(made.pgp_signature, Some(run.signature));
    assert_eq!(made.output_hash, Some(crate::digest::sha256_hex("Hi")));
}

#[test]
fn evidence_is_listed_by_case_and_status_to_its_owner() {
    let world = World::new(vec![]);
    for n in 0..5 {
        let case = if n % 2 == 0 { "CASE-1" } else { "CASE-2" };
        let wanted =
            json!({ "evidence_type": "document", "description": n.to_string(), "case_id": case });
        world.put_on_file("ann", wanted).unwrap();
        // Two of a moment are told apart by their ids.
        world.clock.pass(i64::from(n % 2));
    }
    let mut found = Vec::new();
    let mut wanted = json!({ "limit": 2 });
    for _ in 0..3 {
        let page = world.list("ann", wanted.clone());
        assert_eq!(page.count, page.evidence.len());
        found.extend(page.evidence.into_iter().map(|one| one.id));
        wanted["cursor"] = json!(page.next_cursor);
    }
    assert!(wanted["cursor"].is_null());
    let unique: std::collections::BTreeSet<&String> = found.iter().collect();
    assert_eq!((found.len(), unique.len()), (5, 5));
    assert_eq!(world.list("ann", json!({ "case_id": "CASE-1" })).count, 3);
    assert_eq!(world.list("ann", json!({ "status": "pending" })).count, 5);
    assert_eq!(world.list("ann", json!({ "status": "verified" })).count, 0);
    assert_eq!(world.list("ann", json!({ "offset": 4 })).count, 1);
    assert_eq!(world.list("bob", json!({})).count, 0);
}

#[test]
fn a_trail_tells_what_happened_in_order_and_to_its_owner() {
    let world = World::new(vec![hi()]);
    let run = world.execute(&input()).unwrap();
    let about = AssertionInput {
        evidence_id: None,
        execution_id: None,
        ..assertion()
    };
    world.assert_as("ann", &about).unwrap();
    world.clock.pass(1_000);
    let evidence = json!({
        "evidence_type": "ai_execution", "description": "A run", "fortress_job_id": run.job_id
    });
    let evidence = world.put_on_file("ann", evidence).unwrap();
    let trail = world.trail("ann", json!({ "job_id": run.job_id })).unwrap();
    let mut kinds: Vec<TrailKind> = trail.events.iter().map(|event| event.event).collect();
    assert!(trail.events.is_sorted_by_key(|event| event.at.clone()));
    // The log of these tests has a clock of its own.
    kinds.retain(|kind| *kind != TrailKind::FactLogged);
    let expected = [
        TrailKind::Ingested,
        TrailKind::Started,
        TrailKind::Signed,
        TrailKind::EvidenceCreated,
        TrailKind::EvidenceCompleted,
    ];
    assert_eq!(kinds, expected);
    assert_eq!(trail.events.len(), expected.len() + 1);
    assert_eq!(trail.events[2].detail, Some(run.verified_by.clone()));
    let facts = trail.chain_facts.unwrap();
    assert_eq!((facts.len(), &facts[0].uuid), (1, &run.assertion_id));
    assert_eq!(facts[0].fortress_signature, Some(run.signature));

    let by_evidence = json!({ "evidence_id": "E-1", "include_chain_facts": false });
    let trail = world.trail("ann", by_evidence).unwrap();
    assert!(trail.events.len() == 4 && trail.chain_facts.is_none());
    let by_record = world
        .trail("ann", json!({ "evidence_id": evidence.id }))
        .unwrap();
    assert_eq!(by_record.events.len(), 2);

    for (owner, wanted, code) in [
        ("bob", json!({ "job_id": run.job_id }), "RECORD_NOT_FOUND"),
        (
            "bob",
            json!({ "evidence_id": evidence.id }),
            "RECORD_NOT_FOUND",
        ),
        ("ann", json!({ "job_id": "JOB-none" }), "RECORD_NOT_FOUND"),
        ("ann", json!({}), "INVALID_INPUT"),
    ] {
        assert_eq!(world.trail(owner, wanted).unwrap_err().code(), code);
    }
}
