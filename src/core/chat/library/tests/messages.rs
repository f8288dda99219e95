//! Messages put into a session by hand.

use super::*;

fn message(session_id: &str, more: &Value) -> MessageAddInput {
    let mut json = json!({"session_id": session_id, "role": "assistant", "content": "Hi"});
    merge(&mut json, more);
    input(&json)
}

#[test]
fn a_message_is_kept_with_what_the_caller_states() {
    let world = World::new();
    let id = world.make("ann", &json!({"case_id": "c-1"})).id;
    let stated = message(
        &id,
        &json!({"tokens_used": 12, "cost": "0.00045", "model": "gpt-4", "labels": ["l"], "document_ids": ["d"]}),
    );
    let added = block_on(world.library.add_message("ann", &stated)).unwrap();
    let added = added.message;
    assert_eq!(
        (added.seq, added.role, added.content.as_str()),
        (0, Role::Assistant, "Hi")
    );
    assert_eq!(
        (added.tokens_used, added.cost.as_deref()),
        (Some(12), Some("0.00045"))
    );
    assert_eq!(
        (added.cost_status.as_str(), added.model.as_deref()),
        ("stated", Some("gpt-4"))
    );
    assert_eq!(added.case_id.as_deref(), Some("c-1"));
    let read = world
        .read("ann", &json!({"session_id": id}))
        .unwrap()
        .session;
    assert_eq!(read.messages, [added]);
    assert_eq!(
        (
            read.total_messages,
            read.total_tokens,
            read.total_cost.as_str()
        ),
        (1, 12, "0.00045")
    );
    assert!(read.labels.is_empty(), "the message's labels are its own");
    let usage = &world.rows("SELECT * FROM usage_analytics")[0];
    assert_eq!(usage.int("cost_nanos").unwrap(), 450_000);
    assert_eq!(usage.text("model").unwrap(), "gpt-4");
}

#[test]
fn nothing_stated_costs_nothing() {
    let world = World::new();
    let id = world.make("ann", &json!({})).id;
    let plain = message(&id, &json!({"case_id": "c-2"}));
    let added = block_on(world.library.add_message("ann", &plain)).unwrap();
    assert_eq!(
        (added.message.cost, added.message.cost_status.as_str()),
        (None, "none")
    );
    assert_eq!(added.message.case_id.as_deref(), Some("c-2"));
    let free = message(&id, &json!({"cost": 0}));
    let free = block_on(world.library.add_message("ann", &free)).unwrap();
    assert_eq!(
        (
            free.message.cost.as_deref(),
            free.message.cost_status.as_str()
        ),
        (Some("0"), "stated")
    );
}

#[test]
fn what_does_not_fit_is_refused_before_anything_is_written() {
    let world = World::new();
    let id = world.make("ann", &json!({})).id;
    for more in [
        json!({"cost": "1e3"}),
        json!({"cost": -1}),
        json!({"cost": "0.0000000001"}),
        json!({"tokens_used": -1}),
        json!({"content": ""}),
        json!({"content": "a\u{0}b"}),
        json!({"content": "x".repeat(262_145)}),
        json!({"model": "no model"}),
    ] {
        let added = block_on(world.library.add_message("ann", &message(&id, &more)));
        assert_eq!(code(added), INVALID, "{more}");
    }
    assert_eq!(world.count("SELECT COUNT(*) AS n FROM chat_messages"), 0);
    let elsewhere = message("no-such-session", &json!({}));
    let elsewhere = block_on(world.library.add_message("ann", &elsewhere));
    assert_eq!(code(elsewhere), NOT_THERE);
    assert_eq!(world.count("SELECT COUNT(*) AS n FROM usage_analytics"), 0);
}

#[test]
fn many_at_once_get_a_place_each_and_totals_lose_nothing() {
    const CALLERS: i64 = 24;
    let world = World::new();
    let id = world.make("ann", &json!({})).id;
    let one = message(&id, &json!({"tokens_used": 3, "cost": "0.000000001"}));
    let calls = (0..CALLERS).map(|_| world.library.add_message("ann", &one));
    let mut seqs: Vec<_> = block_on(join_all(calls))
        .into_iter()
        .map(|added| added.unwrap().message.seq)
        .collect();
    seqs.sort_unstable();
    assert_eq!(seqs, (0..CALLERS).collect::<Vec<_>>());
    let session = world
        .read("ann", &json!({"session_id": id}))
        .unwrap()
        .session;
    assert_eq!(
        (
            session.total_messages,
            session.total_tokens,
            session.total_cost.as_str()
        ),
        (CALLERS, 3 * CALLERS, "0.000000024")
    );
    assert_eq!(
        world.count("SELECT SUM(messages_count) AS n FROM usage_analytics"),
        CALLERS
    );
}
