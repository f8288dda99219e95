//! Facts read again and checked.

use super::*;

fn check(world: &World, more: Value) -> ChainCheck {
    let input = serde_json::from_value(more).unwrap();
    let found = world
        .clock
        .run(world.service.verify_chain(&world.asker(), &input));
    found.unwrap().verification
}

/// A world with one verified execution, and the ids of its two facts.
fn logged() -> (World, Vec<String>) {
    let world = World::new();
    let done = world.done(SecurityLevel::Verified);
    (world, done.results.chain_facts)
}

/// Whether some problem of the check says this.
fn says(check: &ChainCheck, words: &str) -> bool {
    let mut problems = check.facts.iter().flat_map(|fact| &fact.problems);
    problems.any(|problem| problem.contains(words))
}

#[test]
fn facts_that_hold_have_their_verdicts_apart() {
    let (world, ids) = logged();
    let found = check(&world, json!({"fact_ids": ids}));
    assert!(found.all_valid);
    assert_eq!((found.facts_verified, found.facts.len()), (2, 2));
    let run = &found.facts[0];
    assert_eq!(
        (run.fact_id.as_str(), run.leaf_index, run.tree_size),
        (ids[0].as_str(), Some(0), Some(2))
    );
    assert_eq!(
        (run.signature_valid, run.database_agrees),
        (Some(true), Some(true))
    );
    let log = run.log.as_ref().unwrap();
    for verdict in ["integrity", "completeness", "signer"] {
        assert_eq!(log[verdict]["verdict"], "holds");
    }
    assert_eq!(log["content"], "present");
    let comparison = &found.facts[1];
    assert_eq!(
        (comparison.signature_valid, comparison.database_agrees),
        (None, Some(true))
    );
    let rows = world.rows("SELECT * FROM chitty_chain_facts WHERE verified = 1");
    assert_eq!(rows.len(), 2);
    assert_eq!(
        rows[0].text("verification_method").unwrap(),
        "inclusion_proof"
    );
    assert!(found.checkpoint.starts_with("example.com/test-log\n2\n"));
}

#[test]
fn what_is_not_asked_for_is_not_said() {
    let (world, ids) = logged();
    let more = json!({"fact_ids": ids, "verify_signatures": false, "cross_reference": false});
    world.rows("DELETE FROM chitty_chain_facts");
    world.rows("UPDATE fortress_jobs SET signature = 'x'");
    let found = check(&world, more);
    assert!(found.all_valid);
    assert_eq!(
        (
            found.facts[0].signature_valid,
            found.facts[0].database_agrees
        ),
        (None, None)
    );
}

#[test]
fn a_check_that_leaves_something_out_marks_nothing() {
    let (world, ids) = logged();
    let marked = || {
        let found = world.rows("SELECT uuid FROM chitty_chain_facts WHERE verified = 1");
        found.len()
    };
    world.rows("UPDATE fortress_jobs SET signature = 'x'");
    assert!(!check(&world, json!({"fact_ids": ids})).all_valid);
    assert_eq!(marked(), 1);
    for left_out in ["verify_signatures", "cross_reference"] {
        check(&world, json!({"fact_ids": ids, left_out: false}));
        assert_eq!(marked(), 1, "{left_out}");
    }
}

#[test]
fn a_fact_named_twice_counts_once() {
    let (world, ids) = logged();
    let found = check(&world, json!({"fact_ids": [ids[0], ids[1], ids[0]]}));
    assert_eq!((found.facts_verified, found.facts.len()), (2, 2));
    assert!(found.all_valid);
}

#[test]
fn the_database_is_asked_as_often_for_many_facts_as_for_one() {
    let (world, ids) = logged();
    let calls = |facts: &[String]| {
        let before = world.db.calls.get();
        check(&world, json!({"fact_ids": facts}));
        world.db.calls.get() - before
    };
    assert_eq!(calls(&ids), calls(&ids[..1]));
}

#[test]
fn a_changed_row_is_noticed_in_every_column() {
    for change in [
        "UPDATE chitty_chain_facts SET subject = 'x' WHERE leaf_index = 0",
        "UPDATE chitty_chain_facts SET predicate = 'x' WHERE leaf_index = 0",
        "UPDATE chitty_chain_facts SET object = 'x' WHERE leaf_index = 0",
        "UPDATE chitty_chain_facts SET source = 'x' WHERE leaf_index = 0",
        "UPDATE chitty_chain_facts SET timestamp = timestamp + 1 WHERE leaf_index = 0",
        "UPDATE chitty_chain_facts SET ingested_at = ingested_at - 1 WHERE leaf_index = 0",
        "UPDATE chitty_chain_facts SET user_id = 'bob' WHERE leaf_index = 0",
        "UPDATE chitty_chain_facts SET metadata = '{}' WHERE leaf_index = 0",
        "UPDATE chitty_chain_facts SET fact_json = fact_json || ' ' WHERE leaf_index = 0",
        "UPDATE chitty_chain_facts SET leaf_index = 9 WHERE leaf_index = 0",
        "UPDATE chitty_chain_facts SET leaf_hash = uuid WHERE leaf_index = 0",
        "DELETE FROM chitty_chain_facts WHERE leaf_index = 0",
    ] {
        let (world, ids) = logged();
        world.rows(change);
        let found = check(&world, json!({"fact_ids": ids}));
        assert_eq!(
            (found.all_valid, found.facts_verified),
            (false, 1),
            "{change}"
        );
        assert_eq!(found.facts[0].database_agrees, Some(false), "{change}");
        assert!(says(&found, "differs from the log"));
        assert!(found.facts[1].valid);
        let marked = world.rows("SELECT uuid FROM chitty_chain_facts WHERE verified = 1");
        assert_eq!(marked.len(), 1, "{change}");
    }
}

#[test]
fn a_changed_manifest_or_signature_is_noticed() {
    for (change, words) in [
        (
            "UPDATE fortress_jobs SET manifest = replace(manifest, 'gpt-4', 'gpt-5')",
            "manifest is not the one logged",
        ),
        (
            "UPDATE fortress_jobs SET signature = replace(signature, 'A', 'B')",
            "signature is not the one logged",
        ),
        (
            "UPDATE fortress_jobs SET signature = ''",
            "signature is gone",
        ),
        ("DELETE FROM fortress_jobs", "signature is gone"),
    ] {
        let (world, ids) = logged();
        world.rows(change);
        let found = check(&world, json!({"fact_ids": ids}));
        assert_eq!(found.facts[0].signature_valid, Some(false), "{change}");
        assert!(says(&found, words), "{change}: {found:?}");
        assert!(!found.all_valid && !found.facts[0].valid && found.facts[1].valid);
    }
}

#[test]
fn an_unknown_fact_is_invalid_and_not_marked() {
    let (world, ids) = logged();
    for unknown in ["0".repeat(64), "z".repeat(64), ids[0].to_uppercase()] {
        let found = check(&world, json!({"fact_ids": [unknown]}));
        assert_eq!((found.all_valid, found.facts_verified), (false, 0));
        assert!(says(&found, "no such fact"));
    }
}

#[test]
fn anothers_fact_looks_unknown_and_stays_as_it_is() {
    let (mut world, ids) = logged();
    assert!(check(&world, json!({"fact_ids": ids})).all_valid);
    world.principal = principal("bob");
    let found = check(&world, json!({"fact_ids": ids}));
    assert_eq!((found.all_valid, found.facts_verified), (false, 0));
    assert!(
        found
            .facts
            .iter()
            .all(|fact| fact.log.is_none() && fact.leaf_index.is_none())
    );
    let rows = world.rows("SELECT uuid FROM chitty_chain_facts WHERE verified = 1");
    assert_eq!(rows.len(), 2);
    world.principal.scopes = Scopes::new(["chain:*"]);
    assert!(check(&world, json!({"fact_ids": ids})).all_valid);
}

#[test]
fn without_ids_the_newest_of_ones_own_are_checked_however_busy_others_are() {
    let mut world = World::answering(vec![hi(); 1], vec![hi(); 23]);
    let mine = world.done(SecurityLevel::Verified).results.chain_facts;
    world.principal = principal("bob");
    for _ in 0..22 {
        world.done(SecurityLevel::Fortress);
    }
    let found = check(&world, json!({}));
    assert_eq!((found.facts_verified, found.all_valid), (20, true));
    assert_eq!(found.facts[0].leaf_index, Some(23));
    world.principal = principal("ann");
    let found = check(&world, json!({}));
    assert_eq!((found.facts_verified, found.all_valid), (2, true));
    assert!(found.facts.iter().all(|fact| mine.contains(&fact.fact_id)));
    world.principal = principal("carl");
    let found = check(&world, json!({}));
    assert_eq!((found.facts_verified, found.all_valid), (0, false));
}

#[test]
fn a_row_that_is_gone_is_noticed_without_ids_too() {
    let (world, _) = logged();
    world.rows("DELETE FROM chitty_chain_facts");
    let found = check(&world, json!({}));
    assert_eq!((found.facts.len(), found.all_valid), (2, false));
}

#[test]
fn an_erased_fact_still_has_its_proof() {
    let (world, ids) = logged();
    world.log.erase(1);
    let found = check(&world, json!({"fact_ids": [ids[1]]}));
    assert!(!found.all_valid, "its row still has the content");
    world.rows("DELETE FROM chitty_chain_facts WHERE leaf_index = 1");
    let found = check(&world, json!({"fact_ids": [ids[1]]}));
    assert!(found.all_valid);
    let log = found.facts[0].log.as_ref().unwrap();
    assert_eq!(
        (&log["content"], &log["completeness"]["verdict"]),
        (&json!("erased"), &json!("holds"))
    );
    assert_eq!(log["integrity"]["verdict"], "not_checked");
}

#[test]
fn a_log_or_a_worker_that_is_down_is_said_and_nothing_is_marked() {
    let (world, ids) = logged();
    *world.log.faults.borrow_mut() = [LogFault::RequestLost].into();
    let input = serde_json::from_value(json!({"fact_ids": ids})).unwrap();
    let ask = || {
        let found = world
            .clock
            .run(world.service.verify_chain(&world.asker(), &input));
        found.unwrap_err()
    };
    let error = ask();
    assert_eq!(error.code(), "CHAIN_UNAVAILABLE");
    assert!(!error.to_string().contains("comparison"), "{error}");
    world
        .fortress
        .twist("fortress_verify_signature", Twist::Down);
    assert_eq!(ask().code(), "PEER_UNREACHABLE");
    assert!(
        world
            .rows("SELECT * FROM chitty_chain_facts WHERE verified = 1")
            .is_empty()
    );
}
