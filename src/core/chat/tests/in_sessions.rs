//! Calls within a session: whose it is, what it keeps and brings along.

use super::*;

#[test]
fn a_session_is_made_and_keeps_question_answer_and_totals() {
    let world = World::new(vec![hi(), hi()]);
    world.complete(None, &in_session()).unwrap();
    let output = world.complete(Some("x-2"), &in_session()).unwrap();
    assert_eq!(output.session_id.as_deref(), Some("s-1"));
    assert_eq!(world.db.batches.get(), 10);

    let rows = world.messages();
    let seen: Vec<_> = rows
        .iter()
        .map(|row| {
            (
                row.int("seq").unwrap(),
                row.text("role").unwrap(),
                row.text("content").unwrap(),
            )
        })
        .collect();
    let expected = [
        (0, "user", "Hello"),
        (1, "assistant", "Hi"),
        (2, "user", "Hello"),
        (3, "assistant", "Hi"),
    ];
    assert_eq!(
        seen,
        expected.map(|(seq, role, text)| (seq, role.to_owned(), text.to_owned()))
    );
    assert_eq!(
        rows[2].json("metadata").unwrap(),
        json!({"exchange_id": "x-2", "state": "answered"})
    );
    assert_eq!(rows[2].text("cost_status").unwrap(), "none");
    assert_eq!(rows[3].text("id").unwrap(), "x-2.a");
    assert_eq!(rows[3].int("cost_nanos").unwrap(), HI_NANOS);
    assert_eq!(rows[3].text("model").unwrap(), "gpt-4-0613");
    let notes = rows[3].json("metadata").unwrap();
    assert_eq!(notes["model_asked"], "gpt-4");
    assert_eq!(notes["price_id"], "openai/gpt-4/default/start");

    let session = world.session("s-1");
    assert_eq!(
        (
            session.total_messages,
            session.total_tokens,
            session.total_cost_nanos
        ),
        (4, 24, 2 * HI_NANOS)
    );
    assert_eq!(
        (
            session.user_id.as_str(),
            session.session_name.as_str(),
            session.unpriced_messages
        ),
        ("alice", "s-1", 0)
    );
    let usage = world.rows("SELECT * FROM usage_analytics");
    assert_eq!(usage.len(), 1, "one bucket an hour");
    assert_eq!(
        (
            usage[0].int("messages_count").unwrap(),
            usage[0].int("tokens_used").unwrap()
        ),
        (4, 24)
    );
}

#[test]
fn somebody_elses_session_does_not_exist() {
    let world = World::new(vec![]);
    world
        .clock
        .run(world.service.sessions.ensure("s-1", "bob", START_MS))
        .unwrap();
    let error = world.complete(None, &in_session()).unwrap_err();
    assert_eq!(error.code(), "SESSION_NOT_FOUND");
    assert_eq!((world.calls(), world.messages().len()), (0, 0));
    let sessions = &world.service.sessions;
    assert_eq!(
        world
            .clock
            .run(sessions.find_owned("s-1", "alice"))
            .unwrap(),
        None
    );
    assert_eq!(
        world
            .clock
            .run(sessions.ensure("s-1", "alice", START_MS))
            .unwrap_err()
            .code(),
        "SESSION_NOT_FOUND"
    );
    let bobs = world.rows("SELECT * FROM chat_sessions");
    assert_eq!(
        (
            bobs.len(),
            bobs[0].text("user_id").unwrap().as_str(),
            bobs[0].int("total_messages").unwrap()
        ),
        (1, "bob", 0)
    );
}

#[test]
fn a_deleted_session_takes_nothing() {
    let world = World::new(vec![hi()]);
    world.complete(None, &in_session()).unwrap();
    world.rows("UPDATE chat_sessions SET status = 'deleted'");
    assert_eq!(
        world.complete(None, &in_session()).unwrap_err().code(),
        "SESSION_NOT_FOUND"
    );
    assert_eq!(world.calls(), 1);
}

#[test]
fn a_session_is_created_with_its_prompt_and_metadata() {
    let world = World::new(vec![hi()]);
    let input: SessionCreateInput = serde_json::from_value(json!({
        "session_name": "Case notes", "initial_system_prompt": "Be kind.",
        "metadata": {"case_id": "c-1", "model_provider": "mine"}
    }))
    .unwrap();
    let session = world
        .clock
        .run(world.library().create_session("alice", &input))
        .unwrap()
        .session;
    assert_eq!(
        (session.user_id.as_str(), session.created_at.as_str()),
        ("alice", "2026-11-21T11:59:09.000Z")
    );
    assert_eq!(
        Value::Object(session.metadata.clone()),
        json!({"case_id": "c-1", "model_provider": "openai"})
    );
    assert_eq!(
        (
            session.messages[0].role,
            session.messages[0].content.as_str()
        ),
        (Role::System, "Be kind.")
    );
    let question = super::input(&json!({"session_id": session.id}));
    world.complete(None, &question).unwrap();
    assert_eq!(world.session(&session.id).total_messages, 3);
    let seqs: Vec<_> = world
        .messages()
        .iter()
        .map(|row| row.int("seq").unwrap())
        .collect();
    assert_eq!(seqs, [0, 1, 2]);
    let stored = world.session(&session.id);
    assert_eq!(
        (stored.session_name.as_str(), stored.created_at_ms),
        ("Case notes", START_MS)
    );
    assert_eq!(world.clock.now_ms(), START_MS);
}

#[test]
fn the_next_question_of_a_session_brings_its_history_along() {
    let world = World::new(vec![hi(), hi()]);
    let first = world.complete(None, &in_session()).unwrap();
    assert_eq!(first.history.unwrap().sent, 2);
    let next = json!({"session_id": "s-1", "messages": [{"role": "user", "content": "And then?"}]});
    let second = world
        .complete(None, &serde_json::from_value(next).unwrap())
        .unwrap();
    let said: Vec<String> = world.http.body(1)["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|message| message["content"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(said, ["Hello", "Hi", "And then?"]);
    let history = second.history.unwrap();
    assert_eq!(
        (history.sent, history.dropped, history.window_known),
        (3, 0, true)
    );
}
