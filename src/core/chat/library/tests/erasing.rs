//! A user's data deleted for good.

use super::*;

fn erase(
    world: &World,
    owner: &str,
    confirm: Option<&str>,
) -> Result<UserDataDeleteOutput, ChatError> {
    let json = confirm.map_or(json!({}), |confirm| json!({"confirm": confirm}));
    block_on(world.library.erase_user(owner, &input(&json)))
}

fn fill(world: &World, owner: &str) -> String {
    let id = world.make(owner, &json!({"labels": ["a"]})).id;
    let json = json!({"session_id": id, "role": "assistant", "content": owner, "cost": "1.5", "tokens_used": 7});
    block_on(world.library.add_message(owner, &input(&json))).unwrap();
    let template = json!({"template_name": owner, "system_prompt": "p"});
    block_on(
        world
            .library
            .create_template(owner, false, &input(&template)),
    )
    .unwrap();
    let config = json!({"config_name": owner});
    block_on(world.library.create_config(owner, &input(&config))).unwrap();
    let key = Statement::new(
        "INSERT INTO api_keys (id, user_id, key_hash, key_name, created_at, updated_at, sealing_key_id, last_four, fingerprint) VALUES (?1, ?2, 'SEALED', 'main', 1, 1, 'v1', 'wxyz', 'PRINT')",
    );
    block_on(
        world
            .db
            .inner
            .run(key.bind(format!("k-{owner}")).bind(owner)),
    )
    .unwrap();
    let event = Statement::new(
        "INSERT INTO usage_events (id, request_id, attempt, user_id, session_id, provider, \
         model_asked, model, cost_nanos, cost_status, outcome, started_at, bucket) \
         VALUES (?1, ?1, 1, ?2, 's', 'openai', 'gpt-4', 'gpt-4', 5, 'priced', 'ok', 1, 0)",
    );
    let event = event.bind(format!("e-{owner}")).bind(owner);
    block_on(world.db.inner.run(event)).unwrap();
    id
}

/// Rows of each table that name the user.
fn rows_of(world: &World, owner: &str) -> i64 {
    [
        "chat_sessions",
        "session_templates",
        "model_configs",
        "api_keys",
        "usage_analytics",
        "usage_events",
    ]
    .into_iter()
    .map(|table| {
        let sql = format!("SELECT COUNT(*) AS n FROM {table} WHERE user_id = ?1");
        let outcome = block_on(world.db.inner.run(Statement::new(sql).bind(owner)));
        outcome.unwrap().first().unwrap().int("n").unwrap()
    })
    .sum()
}

#[test]
fn nothing_goes_before_it_is_confirmed() {
    let world = World::new();
    fill(&world, "ann");
    let before = rows_of(&world, "ann");
    for confirm in [None, Some(""), Some("bob"), Some("ANN")] {
        let refused = erase(&world, "ann", confirm).unwrap_err();
        assert_eq!(refused.code(), "NOT_CONFIRMED");
        assert!(refused.to_string().contains("1 sessions"), "{refused}");
    }
    assert_eq!(rows_of(&world, "ann"), before);
    assert_eq!(code(erase(&world, SHIPPED, Some(SHIPPED))), INVALID);
    assert_eq!(block_on(world.library.configs("ann")).unwrap().count, 4);
}

#[test]
fn content_goes_and_money_stays_as_nobodys() {
    let world = World::new();
    fill(&world, "ann");
    fill(&world, "bob");
    let bobs = rows_of(&world, "bob");
    let done = erase(&world, "ann", Some("ann")).unwrap();
    assert_eq!((done.sessions, done.templates, done.configs), (1, 1, 1));
    assert_eq!((done.provider_keys, done.usage_rows_kept), (1, 2));
    assert!(done.complete);
    assert_eq!((rows_of(&world, "ann"), rows_of(&world, "bob")), (0, bobs));
    assert_eq!(
        world.count("SELECT COUNT(*) AS n FROM chat_messages WHERE content = 'ann'"),
        0
    );
    assert_eq!(world.count("SELECT COUNT(*) AS n FROM chat_links"), 1);
    assert_eq!(
        world.count("SELECT SUM(cost_nanos) AS n FROM usage_analytics"),
        3_000_000_000
    );
    let kept = world.rows("SELECT * FROM usage_analytics WHERE user_id LIKE 'erased-%'");
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].text("user_id").unwrap(), done.erasure_id);
    assert_eq!(kept[0].opt_text("session_id").unwrap(), None);
    let event = &world.rows("SELECT * FROM usage_events WHERE id = 'e-ann'")[0];
    assert_eq!(event.opt_text("user_id").unwrap(), None);
    assert_eq!(event.opt_text("session_id").unwrap(), None);
    assert_eq!(event.int("cost_nanos").unwrap(), 5);
    let again = erase(&world, "ann", Some("ann")).unwrap();
    assert_eq!(
        (again.sessions, again.usage_rows_kept, again.complete),
        (0, 0, true)
    );
    assert_ne!(again.erasure_id, done.erasure_id);
}

#[test]
fn a_deleted_session_is_erased_too() {
    let world = World::new();
    let id = fill(&world, "ann");
    let json = json!({"session_id": id});
    block_on(world.library.delete_session("ann", &input(&json))).unwrap();
    assert_eq!(erase(&world, "ann", Some("ann")).unwrap().sessions, 1);
    assert_eq!(world.count("SELECT COUNT(*) AS n FROM chat_sessions"), 0);
}

#[test]
fn much_is_erased_over_several_calls() {
    let world = World::new();
    let fill = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2050) \
        INSERT INTO chat_sessions (id, user_id, session_name, created_at, updated_at) \
        SELECT 's' || i, 'ann', 'x', 1, 1 FROM n";
    world.rows(fill);
    let first = erase(&world, "ann", Some("ann")).unwrap();
    assert_eq!((first.sessions, first.complete), (2_000, false));
    let second = erase(&world, "ann", Some("ann")).unwrap();
    assert_eq!((second.sessions, second.complete), (50, true));
}
