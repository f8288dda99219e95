//! Search over more than a page looks at: exact, in order, by indexes.

use super::*;

const SESSIONS: i64 = 1_200;

/// `SESSIONS` sessions of ann's with a message each, an hour apart; one in a hundred of the
/// case, the label and the document, some by the session and some by the message. Others have
/// the same.
fn fill(world: &World) {
    world.rows(
        "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 1199), \
            u(name) AS (VALUES ('ann'), ('bob')) \
         INSERT INTO chat_sessions (id, user_id, session_name, created_at, updated_at, case_id) \
         SELECT name || printf('%04d', i), name, 'Notes', i * 3600000, i * 3600000, \
            CASE WHEN i % 200 = 0 THEN 'case-1' END FROM n, u",
    );
    world.rows(
        "INSERT INTO chat_messages (id, session_id, user_id, seq, role, content, timestamp, case_id) \
         SELECT 'm-' || id, id, user_id, 0, 'user', 'needle ' || id, created_at, \
            CASE WHEN created_at / 3600000 % 200 = 100 THEN 'case-1' END FROM chat_sessions",
    );
    for (kind, value) in [("label", "urgent"), ("document", "d-1")] {
        let sql = format!(
            "INSERT INTO chat_links (session_id, message_id, kind, value, user_id) \
             SELECT session_id, CASE WHEN timestamp / 3600000 % 200 = 0 THEN '' ELSE id END, \
             '{kind}', '{value}', user_id FROM chat_messages WHERE timestamp / 3600000 % 100 = 0"
        );
        block_on(world.db.inner.run(Statement::new(sql))).unwrap();
    }
}

/// All that pages find, and how many pages there were.
fn walk(world: &World, filter: &Value) -> (Vec<String>, usize) {
    let (mut found, mut pages, mut cursor) = (Vec::new(), 0, None::<String>);
    loop {
        let mut json = json!({"query": "needle", "limit": 5, "cursor": cursor});
        merge(&mut json, filter);
        let page = block_on(world.library.search("ann", &input(&json))).unwrap();
        found.extend(page.results.into_iter().map(|hit| hit.session_id));
        (cursor, pages) = (page.next_cursor, pages + 1);
        if cursor.is_none() {
            return (found, pages);
        }
    }
}

#[test]
fn every_filter_finds_all_there_is_newest_first() {
    let world = World::new();
    fill(&world);
    let hundredth: Vec<String> = (0..SESSIONS)
        .rev()
        .filter(|i| i % 100 == 0)
        .map(|i| format!("ann{i:04}"))
        .collect();
    for filter in [
        json!({"case_id": "case-1"}),
        json!({"label": "urgent"}),
        json!({"document_id": "d-1"}),
        json!({"case_id": "case-1", "label": "urgent", "document_id": "d-1"}),
    ] {
        assert_eq!(walk(&world, &filter), (hundredth.clone(), 3), "{filter}");
    }
    let (of_session, _) = walk(&world, &json!({"session_id": "ann0000", "label": "urgent"}));
    assert_eq!(of_session, ["ann0000"]);
    assert!(walk(&world, &json!({"session_id": "bob0000"})).0.is_empty());
    let (all, _) = walk(&world, &json!({}));
    assert_eq!(all.len(), 1_200);
    assert!(all.is_sorted_by(|a, b| a > b));
}

#[test]
fn what_is_rare_and_old_is_found_over_pages_that_find_nothing() {
    let world = World::new();
    fill(&world);
    let (found, pages) = walk(&world, &json!({"query": "ann0003"}));
    assert_eq!((found, pages), (vec!["ann0003".to_owned()], 2));
    let (mut found, mut cursors, mut cursor) = (Vec::new(), 0, None::<String>);
    loop {
        let json = json!({"query": "ann0003", "cursor": cursor});
        let page = block_on(world.library.list_sessions("ann", &input(&json))).unwrap();
        found.extend(page.sessions.into_iter().map(|session| session.id));
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
        cursors += 1;
    }
    assert_eq!((found, cursors), (vec!["ann0003".to_owned()], 2));
    let list = |filter: &Value| {
        let found = block_on(world.library.list_sessions("ann", &input(filter)));
        found.unwrap().count
    };
    assert_eq!(list(&json!({"case_id": "case-1", "query": "needle"})), 12);
    assert_eq!(list(&json!({"label": "urgent"})), 12);
}

/// How SQLite would go about it.
fn plan(world: &World, statement: &Statement) -> String {
    let mut explained = statement.clone();
    explained.sql = format!("EXPLAIN QUERY PLAN {}", statement.sql).into();
    let rows = block_on(world.db.inner.run(explained)).unwrap().rows;
    let steps: Vec<String> = rows.iter().map(|row| row.text("detail").unwrap()).collect();
    steps.join("\n")
}

#[test]
fn no_search_reads_a_whole_table() {
    let world = World::new();
    let filters = [
        json!({}),
        json!({"session_id": "s"}),
        json!({"case_id": "c"}),
        json!({"label": "l"}),
        json!({"document_id": "d"}),
        json!({"case_id": "c", "label": "l", "document_id": "d"}),
    ];
    for filter in &filters {
        for after in [None, Some((5, "s".to_owned(), 3))] {
            let mut json = json!({"query": "two words"});
            merge(&mut json, filter);
            for statement in search::search("ann", &input(&json), after) {
                let plan = plan(&world, &statement);
                let steps = plan.lines().filter(|step| step.starts_with("SCAN"));
                assert!(
                    steps
                        .clone()
                        .all(|step| step == "SCAN c" || step == "SCAN n"),
                    "{plan}"
                );
            }
        }
        let mut json = json!({"query": "two words", "status": "active"});
        merge(&mut json, filter);
        json.as_object_mut().unwrap().remove("session_id");
        for statement in list::list("ann", &input(&json), Some((5, "s".to_owned()))) {
            let plan = plan(&world, &statement);
            let mut scans = plan.lines().filter(|step| step.starts_with("SCAN"));
            assert!(scans.all(|step| step == "SCAN s"), "{plan}");
        }
    }
}
