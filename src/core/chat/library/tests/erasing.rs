//! A user's data deleted for good.

use super::*;
use crate::auth::keys::Asking;
use crate::auth::{AuditLog, Principal, PrincipalKind, RequestInfo, Scopes};
use crate::sql::Value as Stored;
use crate::testing::{FakeBackground, FakeLog};

fn erase(
    world: &World,
    owner: &str,
    confirm: Option<&str>,
) -> Result<UserDataDeleteOutput, ChatError> {
    let audit = AuditLog {
        queue: Rc::default(),
        database: Rc::clone(&world.db) as Rc<dyn Database>,
        clock: Rc::new(world.clock.clone()),
        entropy: Rc::clone(&world.library.entropy),
        // The caller hangs up at once: nothing that is left for later is done.
        background: Rc::new(FakeBackground::default()),
        log: Rc::new(FakeLog::default()),
    };
    let principal = Principal {
        user_id: owner.into(),
        name: "key".into(),
        kind: PrincipalKind::User,
        scopes: Scopes::new(["chatgpt:erase"]),
        token_id: "t".into(),
        client_id: None,
    };
    let request = RequestInfo {
        request_id: "erasing".into(),
        ..RequestInfo::default()
    };
    let order = ErasureOrder {
        owner,
        asking: Asking {
            principal: &principal,
            request: &request,
        },
        audit: &audit,
    };
    let json = confirm.map_or(json!({}), |confirm| json!({"confirm": confirm}));
    block_on(world.library.erase_user(order, &input(&json)))
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
    let kept = world.rows("SELECT * FROM usage_analytics WHERE user_id = ''");
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].opt_text("session_id").unwrap(), None);
    let event = &world.rows("SELECT * FROM usage_events WHERE user_id IS NULL")[0];
    assert_eq!(event.opt_text("session_id").unwrap(), None);
    assert_eq!(event.int("cost_nanos").unwrap(), 5);
    let again = erase(&world, "ann", Some("ann")).unwrap();
    assert_eq!(
        (again.sessions, again.usage_rows_kept, again.complete),
        (0, 0, true)
    );
    assert_ne!(again.erasure_id, done.erasure_id);
}

/// Words that many rows have: they point at nobody.
const SHARED: [&str; 9] = [
    "provider",
    "model_asked",
    "model",
    "service_tier",
    "cost_status",
    "outcome",
    "scope",
    "date",
    "price_id",
];

/// All rows, each with its table in front.
fn all_rows(world: &World) -> Vec<(String, Row)> {
    let tables = world.rows("SELECT name FROM sqlite_master WHERE type = 'table'");
    let rows_of = |table: &Row| {
        let table = table.text("name").unwrap();
        let sql = format!("SELECT * FROM {table}");
        let rows = block_on(world.db.inner.run(Statement::new(sql)))
            .unwrap()
            .rows;
        rows.into_iter().map(move |row| (table.clone(), row))
    };
    tables.iter().flat_map(rows_of).collect()
}

/// What could tell which row it is: ids, names and moments.
fn marks(row: &Row) -> Vec<String> {
    let told = |(column, value): (&str, &Stored)| match value {
        _ if SHARED.contains(&column) => None,
        Stored::Text(text) if text.len() > 2 => Some(text.clone()),
        Stored::Int(number) if *number > 1_000_000_000_000 => Some(number.to_string()),
        _ => None,
    };
    row.columns().filter_map(told).collect()
}

fn names(row: &Row, user: &str) -> bool {
    marks(row).iter().any(|mark| mark.contains(user))
}

#[test]
fn no_row_that_stays_leads_from_the_cost_to_the_user() {
    let world = World::new();
    for user in ["ann-of-here", "bob-of-here"] {
        fill(&world, user);
    }
    // What names both the user and the calls: audit rows, a kept answer, and the moment itself.
    world.rows("UPDATE usage_events SET started_at = 1795262350123, case_id = 'case-7'");
    world.rows(
        "INSERT INTO audit_logs (id, user_id, token_id, request_id, action, resource_type, \
        resource_id, details, created_at) VALUES ('audit-1', 'ann-of-here', 'key-1', \
        'e-ann-of-here', 'chat', 'session', 'session-1', '{\"case\":\"case-7\"}', 1795262350123)",
    );
    world.rows(
        "INSERT INTO idempotent_calls (user_id, key_hash, body_hash, call_id, expires_at) \
        VALUES ('ann-of-here', 'hash', 'hash', 'e-ann-of-here', 1795262350123)",
    );
    let before: Vec<String> = all_rows(&world)
        .iter()
        .filter(|(_, row)| names(row, "ann-of-here"))
        .flat_map(|(_, row)| marks(row))
        .collect();
    let done = erase(&world, "ann-of-here", Some("ann-of-here")).unwrap();
    let after = all_rows(&world);
    let money = |table: &str| table.starts_with("usage_");
    let (cost, rest): (Vec<_>, Vec<_>) = after
        .iter()
        .filter(|(_, row)| !names(row, "bob-of-here"))
        .partition(|(table, _)| money(table));
    assert!(cost.len() > 2, "{cost:?}");
    let told: Vec<String> = cost.iter().flat_map(|(_, row)| marks(row)).collect();
    assert!(!told.is_empty());
    for mark in &told {
        assert!(!mark.contains(&done.erasure_id) && !mark.contains("ann-of-here"));
        assert!(!before.contains(mark), "{mark} was beside the user");
        let beside = rest.iter().find(|(_, row)| marks(row).contains(mark));
        assert!(beside.is_none(), "{mark}: {beside:?}");
    }
    let staying: Vec<&str> = rest
        .iter()
        .filter(|(_, row)| names(row, "ann-of-here"))
        .map(|(table, _)| table.as_str())
        .collect();
    assert_eq!(staying, ["audit_logs", "audit_logs"]);
}

#[test]
fn an_erasure_and_its_audit_row_are_written_together() {
    let world = World::new();
    fill(&world, "ann");
    world.rows("ALTER TABLE audit_logs RENAME TO away");
    let before = rows_of(&world, "ann");
    erase(&world, "ann", Some("ann")).unwrap_err();
    assert_eq!(rows_of(&world, "ann"), before);
    world.rows("ALTER TABLE away RENAME TO audit_logs");
    let done = erase(&world, "ann", Some("ann")).unwrap();
    let rows = world.rows("SELECT * FROM audit_logs");
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].text("action").unwrap(), "user_data_delete");
    assert_eq!(rows[0].text("resource_id").unwrap(), "ann");
    let details = rows[0].json("details").unwrap();
    assert_eq!(
        details,
        json!({"erasure_id": done.erasure_id, "sessions": 1})
    );
}

#[test]
fn the_cost_of_several_erased_users_adds_up() {
    let world = World::new();
    for user in ["ann", "bob"] {
        fill(&world, user);
        erase(&world, user, Some(user)).unwrap();
    }
    let rows = world.rows("SELECT * FROM usage_analytics");
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].int("cost_nanos").unwrap(), 3_000_000_000);
    assert_eq!(rows[0].int("messages_count").unwrap(), 2);
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
