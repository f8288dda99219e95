//! Lists, filters and search.

use super::*;

fn list(world: &World, owner: &str, more: &Value) -> SessionListOutput {
    block_on(world.library.list_sessions(owner, &input(more))).unwrap()
}

fn names(found: &SessionListOutput) -> Vec<&str> {
    let names = found.sessions.iter();
    names.map(|session| session.session_name.as_str()).collect()
}

fn search(world: &World, owner: &str, json: &Value) -> SearchOutput {
    block_on(world.library.search(owner, &input(json))).unwrap()
}

#[test]
fn the_last_changed_come_first_in_pages_with_their_links() {
    let world = World::new();
    for at in 0..5 {
        world.make(
            "ann",
            &json!({"session_name": format!("s{at}"), "labels": ["all"]}),
        );
    }
    world.make("bob", &json!({}));
    let first = list(&world, "ann", &json!({"limit": 2}));
    assert_eq!((names(&first), first.count), (vec!["s4", "s3"], 2));
    let cursor = first.next_cursor.clone().unwrap();
    assert!(
        first
            .sessions
            .iter()
            .all(|session| session.labels == ["all"])
    );
    let second = list(&world, "ann", &json!({"limit": 2, "cursor": cursor}));
    assert_eq!(names(&second), ["s2", "s1"]);
    let last = list(&world, "ann", &json!({"limit": 2, "offset": 4}));
    assert_eq!((names(&last), &last.next_cursor), (vec!["s0"], &None));
    assert_eq!(list(&world, "ann", &json!({})).count, 5);
    let nobody = list(&world, "carl", &json!({}));
    assert_eq!((nobody.count, nobody.next_cursor), (0, None));
    let wide = list(&world, "ann", &json!({"limit": 99, "query": "s"}));
    assert_eq!(wide.count, 5);
    for json in [
        json!({"limit": 0}),
        json!({"limit": 100}),
        json!({"offset": 10_001}),
        json!({"query": ""}),
        json!({"query": "s", "offset": 1}),
        json!({"cursor": "x"}),
    ] {
        let refused = block_on(world.library.list_sessions("ann", &input(&json)));
        assert_eq!(code(refused), INVALID, "{json}");
    }
}

#[test]
fn filters_narrow_the_list_and_add_up() {
    let world = World::new();
    let a = world.make(
        "ann",
        &json!({"session_name": "a", "case_id": "c-1", "labels": ["x"], "document_ids": ["d"]}),
    );
    let b = world.make("ann", &json!({"session_name": "b", "labels": ["x", "y"]}));
    let json = json!({"session_id": b.id, "role": "user", "content": "m", "case_id": "c-1", "labels": ["on message"]});
    block_on(world.library.add_message("ann", &input(&json))).unwrap();
    let archive = json!({"session_id": a.id});
    block_on(world.library.archive_session("ann", &input(&archive))).unwrap();
    for (filter, expected) in [
        (json!({}), vec!["a", "b"]),
        (json!({"status": "active"}), vec!["b"]),
        (json!({"status": "archived"}), vec!["a"]),
        (json!({"case_id": "c-1"}), vec!["a", "b"]),
        (json!({"case_id": "c-1", "label": "y"}), vec!["b"]),
        (json!({"label": "x"}), vec!["a", "b"]),
        (json!({"label": "d"}), vec![]),
        (json!({"document_id": "d"}), vec!["a"]),
        (json!({"label": "on message"}), vec!["b"]),
        (json!({"case_id": "c-2"}), vec![]),
        (json!({"label": "x' OR '1'='1"}), vec![]),
    ] {
        let found = list(&world, "ann", &filter);
        let mut found = names(&found);
        found.sort_unstable();
        assert_eq!(found, expected, "{filter}");
        assert_eq!(list(&world, "bob", &filter).count, 0);
    }
}

#[test]
fn words_are_looked_for_in_names_and_messages() {
    let world = World::new();
    let lease = world.make("ann", &json!({"session_name": "Lease 50% off"}));
    world.make("ann", &json!({"session_name": "Lease 500 off"}));
    world.say("ann", &lease.id, "Die KÜNDIGUNG ist_wirksam");
    for (query, expected) in [
        ("lease", 2),
        ("50%", 1),
        ("50_", 0),
        ("kündigung", 1),
        ("lease kündigung", 1),
        ("ist_wirksam", 1),
        ("istxwirksam", 0),
        ("absent", 0),
        ("' OR 1=1 --", 0),
    ] {
        let found = list(&world, "ann", &json!({"query": query}));
        assert_eq!(found.count, expected, "{query}");
        assert_eq!(list(&world, "bob", &json!({"query": query})).count, 0);
    }
    let both = json!({"query": "lease", "label": "none"});
    assert_eq!(list(&world, "ann", &both).count, 0);
}

#[test]
fn search_finds_messages_of_ones_own() {
    let world = World::new();
    let a = world.make(
        "ann",
        &json!({"session_name": "A", "case_id": "c-1", "labels": ["s"]}),
    );
    let b = world.make("ann", &json!({"session_name": "B"}));
    let other = world.make("bob", &json!({}));
    world.say("ann", &a.id, "the first needle of them");
    world.clock.advance(1_000);
    world.say("ann", &b.id, "another Needle");
    world.say("bob", &other.id, "needle of somebody else");
    let found = search(&world, "ann", &json!({"query": "needle"}));
    let sessions: Vec<_> = found
        .results
        .iter()
        .map(|hit| hit.session_name.as_str())
        .collect();
    assert_eq!((sessions, found.count), (vec!["B", "A"], 2));
    assert_eq!(found.results[1].snippet, "the first needle of them");
    assert_eq!(found.results[1].case_id.as_deref(), Some("c-1"));
    for (more, expected) in [
        (json!({"session_id": a.id}), 1),
        (json!({"session_id": other.id}), 0),
        (json!({"case_id": "c-1"}), 1),
        (json!({"label": "s"}), 1),
        (json!({"label": "t"}), 0),
        (json!({"limit": 1}), 1),
    ] {
        let mut json = json!({"query": "needle"});
        merge(&mut json, &more);
        assert_eq!(search(&world, "ann", &json).count, expected, "{more}");
    }
    let page = search(&world, "ann", &json!({"query": "needle", "limit": 1}));
    let json = json!({"query": "needle", "limit": 1, "cursor": page.next_cursor});
    let next = search(&world, "ann", &json);
    assert_eq!((next.count, next.next_cursor), (1, None));
    assert_ne!(next.results, page.results);
    let delete = json!({"session_id": a.id});
    block_on(world.library.delete_session("ann", &input(&delete))).unwrap();
    assert_eq!(search(&world, "ann", &json!({"query": "needle"})).count, 1);
}

#[test]
fn what_an_older_worker_wrote_without_its_owner_is_found_after_a_while() {
    let world = World::new();
    let ann = world.make("ann", &json!({"labels": ["x"]}));
    let bob = world.make("bob", &json!({}));
    for (owner, session) in [("ann", &ann), ("bob", &bob)] {
        let json = json!({"session_id": session.id, "role": "user", "content": "indemnity", "labels": ["x"]});
        block_on(world.library.add_message(owner, &input(&json))).unwrap();
    }
    let query = json!({"query": "indemnity", "label": "x"});
    let found = |owner| search(&world, owner, &query).results.len();
    let hits = ["ann", "bob"].map(found);
    world.rows("UPDATE chat_messages SET user_id = ''");
    world.rows("UPDATE chat_links SET user_id = ''");
    assert_eq!(["ann", "bob"].map(found), [0, 0]);
    block_on(world.library.name_owners()).unwrap();
    assert_eq!((["ann", "bob"].map(found), hits), ([1, 1], [1, 1]));
    let nobodys = "SELECT session_id FROM chat_links WHERE user_id = ''";
    assert!(world.rows(nobodys).is_empty());
}
