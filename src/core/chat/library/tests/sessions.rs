//! Sessions made, read, changed, put away and deleted.

use super::*;

#[test]
fn a_session_keeps_what_it_belongs_to() {
    let world = World::new();
    let made = world.make(
        "ann",
        &json!({
            "initial_system_prompt": "Be kind.", "case_id": "c-1", "document_ids": ["d-2", "d-1"],
            "labels": ["urgent"], "metadata": {"court": "north"},
        }),
    );
    assert_eq!(made.user_id, "ann");
    assert_eq!(
        (made.case_id.as_deref(), made.labels.as_slice()),
        (Some("c-1"), &["urgent".to_owned()][..])
    );
    assert_eq!(made.document_ids, ["d-1", "d-2"]);
    assert_eq!(made.metadata["court"], "north");
    assert_eq!(made.metadata["model_provider"], "openai");
    assert_eq!(
        (made.messages[0].role, made.messages[0].content.as_str()),
        (Role::System, "Be kind.")
    );
    assert_eq!(made.messages[0].case_id.as_deref(), Some("c-1"));
    assert_eq!((made.total_messages, made.total_cost.as_str()), (1, "0"));
    let read = world.read("ann", &json!({"session_id": made.id})).unwrap();
    assert_eq!((read.session, read.next_after_seq), (made, None));
}

#[test]
fn messages_come_in_pages_without_gaps() {
    let world = World::new();
    let id = world.make("ann", &json!({})).id;
    for at in 0..25 {
        world.say("ann", &id, &format!("message {at}"));
    }
    let (mut after, mut heard) = (None, Vec::new());
    let mut pages = 0;
    loop {
        let mut json = json!({"session_id": id, "message_limit": 10});
        if let Some(after) = after {
            json["after_seq"] = json!(after);
        }
        let page = world.read("ann", &json).unwrap();
        heard.extend(page.session.messages.iter().map(|message| message.seq));
        (after, pages) = (page.next_after_seq, pages + 1);
        if after.is_none() {
            break;
        }
    }
    assert_eq!(heard, (0..25).collect::<Vec<_>>());
    assert_eq!(pages, 3);
    let bare = json!({"session_id": id, "include_messages": false});
    let bare = world.read("ann", &bare).unwrap();
    assert!(bare.session.messages.is_empty() && bare.next_after_seq.is_none());
    assert_eq!(bare.session.total_messages, 25);
}

#[test]
fn long_messages_end_a_page_early_and_none_is_lost() {
    let world = World::new();
    let id = world.make("ann", &json!({})).id;
    for _ in 0..9 {
        world.say("ann", &id, &"x".repeat(262_144));
    }
    let first = world.read("ann", &json!({"session_id": id})).unwrap();
    assert_eq!(first.session.messages.len(), 4);
    assert_eq!(first.next_after_seq, Some(3));
    let second = json!({"session_id": id, "after_seq": 3});
    let second = world.read("ann", &second).unwrap();
    assert_eq!(
        (second.session.messages.len(), second.next_after_seq),
        (4, Some(7))
    );
    let last = json!({"session_id": id, "after_seq": 7});
    let last = world.read("ann", &last).unwrap();
    assert_eq!(
        (last.session.messages.len(), last.next_after_seq),
        (1, None)
    );
}

#[test]
fn an_update_changes_what_is_given_and_nothing_else() {
    let world = World::new();
    let made = world.make(
        "ann",
        &json!({"case_id": "c-1", "labels": ["a"], "document_ids": ["d"], "metadata": {"x": 1}}),
    );
    let update = |more: &Value| {
        let mut json = json!({"session_id": made.id});
        merge(&mut json, more);
        block_on(world.library.update_session("ann", &input(&json)))
            .unwrap()
            .session
    };
    let named = update(&json!({"session_name": "Renamed"}));
    let expected = SessionView {
        session_name: "Renamed".into(),
        ..made.clone()
    };
    assert_eq!(named, expected);
    let linked = update(&json!({"labels": ["c", "b", "c"], "document_ids": []}));
    assert_eq!(linked.labels, ["b", "c"]);
    assert!(linked.document_ids.is_empty());
    let noted = update(&json!({"metadata": {"y": 2, "model_provider": "mine"}}));
    assert_eq!(
        Value::Object(noted.metadata),
        json!({"y": 2, "model_provider": "openai"})
    );
    assert_eq!(noted.case_id.as_deref(), Some("c-1"));
    assert_eq!(update(&json!({"case_id": ""})).case_id, None);
    assert_eq!(update(&json!({})).labels, ["b", "c"]);
}

#[test]
fn archiving_is_undone_and_repeated_without_harm() {
    let world = World::new();
    let id = world.make("ann", &json!({})).id;
    let archive = |archived: bool| {
        let json = json!({"session_id": id, "archived": archived});
        let done = block_on(world.library.archive_session("ann", &input(&json)));
        done.unwrap().session
    };
    let away = archive(true);
    assert_eq!(away.status, SessionStatus::Archived);
    world.clock.advance(5_000);
    assert_eq!(archive(true), away);
    assert_eq!(archive(false).status, SessionStatus::Active);
}

#[test]
fn a_deleted_session_is_gone_with_its_content_and_its_id_is_not_taken_anew() {
    let world = World::new();
    let made = world.make("ann", &json!({"labels": ["a"], "case_id": "c"}));
    let message = json!({"session_id": made.id, "role": "assistant", "content": "secret", "tokens_used": 5, "cost": "0.5", "labels": ["m"]});
    block_on(world.library.add_message("ann", &input(&message))).unwrap();
    let delete = || {
        let json = json!({"session_id": made.id});
        block_on(world.library.delete_session("ann", &input(&json)))
    };
    let first = delete().unwrap();
    assert_eq!((first.deleted, first.messages), (true, 1));
    let again = delete().unwrap();
    assert_eq!((again.deleted, again.messages), (true, 0));
    assert_eq!(world.count("SELECT COUNT(*) AS n FROM chat_messages"), 0);
    assert_eq!(world.count("SELECT COUNT(*) AS n FROM chat_links"), 0);
    let left = &world.rows("SELECT * FROM chat_sessions")[0];
    assert_eq!(left.text("session_name").unwrap(), "");
    assert_eq!(left.opt_text("case_id").unwrap(), None);
    // What it cost stays.
    assert_eq!(left.int("total_cost_nanos").unwrap(), 500_000_000);
    assert_eq!(
        world.count("SELECT SUM(cost_nanos) AS n FROM usage_analytics"),
        500_000_000
    );
    for json in [
        json!({"session_id": made.id}),
        json!({"session_id": made.id, "include_messages": false}),
    ] {
        assert_eq!(code(world.read("ann", &json)), NOT_THERE);
    }
    assert_eq!(
        code(block_on(world.library.add_message("ann", &input(&message)))),
        NOT_THERE
    );
}

#[test]
fn what_is_somebody_elses_is_not_there() {
    let world = World::new();
    let made = world.make("ann", &json!({"labels": ["a"]}));
    world.say("ann", &made.id, "mine");
    let before = world.read("ann", &json!({"session_id": made.id})).unwrap();
    let library = &world.library;
    let id = json!({"session_id": made.id});
    assert_eq!(code(world.read("bob", &id)), NOT_THERE);
    let update =
        json!({"session_id": made.id, "session_name": "x", "labels": ["b"], "document_ids": ["d"]});
    let update = input(&update);
    assert_eq!(
        code(block_on(library.update_session("bob", &update))),
        NOT_THERE
    );
    assert_eq!(
        code(block_on(library.archive_session("bob", &input(&id)))),
        NOT_THERE
    );
    assert_eq!(
        code(block_on(library.delete_session("bob", &input(&id)))),
        NOT_THERE
    );
    assert_eq!(
        code(block_on(library.export_session("bob", &input(&id)))),
        NOT_THERE
    );
    let message = json!({"session_id": made.id, "role": "user", "content": "x", "labels": ["b"]});
    assert_eq!(
        code(block_on(library.add_message("bob", &input(&message)))),
        NOT_THERE
    );
    assert_eq!(world.read("ann", &id).unwrap(), before);
    assert_eq!(
        world.count("SELECT COUNT(*) AS n FROM chat_links WHERE value <> 'a'"),
        0
    );
}

#[test]
fn inputs_have_limits() {
    let world = World::new();
    let id = world.make("ann", &json!({})).id;
    for json in [
        json!({"session_id": ""}),
        json!({"session_id": "a\nb"}),
        json!({"session_id": id, "message_limit": 0}),
        json!({"session_id": id, "message_limit": 501}),
        json!({"session_id": id, "after_seq": -1}),
    ] {
        assert_eq!(code(world.read("ann", &json)), INVALID, "{json}");
    }
    for more in [
        json!({"session_name": ""}),
        json!({"labels": vec!["x"; 33]}),
        json!({"labels": ["x".repeat(65)]}),
        json!({"labels": [""]}),
        json!({"document_ids": ["a\u{0}"]}),
        json!({"case_id": "x".repeat(201)}),
        json!({"metadata": {"x": "y".repeat(9_000)}}),
    ] {
        let mut json = json!({"session_id": id});
        merge(&mut json, &more);
        let update = block_on(world.library.update_session("ann", &input(&json)));
        assert_eq!(code(update), INVALID, "{more}");
    }
    let unknown = json!({"session_id": id, "sesion_name": "x"});
    assert!(serde_json::from_value::<SessionUpdateInput>(unknown).is_err());
}
