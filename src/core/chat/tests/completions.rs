//! What a call answers, and what it leaves on file.

use super::*;

#[test]
fn a_completion_carries_text_usage_and_cost() {
    let world = World::new(vec![hi()]);
    let output = world.complete(None, &input(&json!({}))).unwrap();
    let expected = CompletionOutput {
        response: "Hi".into(),
        usage: Some(UsageView {
            prompt_tokens: 9,
            completion_tokens: 3,
            total_tokens: 12,
        }),
        model: "gpt-4-0613".into(),
        session_id: None,
        history: None,
        cost_usd: Some("0.00045".into()),
        cost_nanos: Some(HI_NANOS),
        cost_status: CostStatus::Priced,
        cost_note: None,
        finish_reason: "stop".into(),
        provider_request_id: Some("req_1".into()),
        recorded: true,
    };
    assert_eq!(output, expected);
    let sent = world.http.body(0);
    assert_eq!(sent["model"], "gpt-4");
    assert_eq!(sent["max_tokens"], 1000);
    assert_eq!(sent["temperature"], 0.7);
    assert_eq!(
        sent["messages"][1],
        json!({"role": "user", "content": "Hello"})
    );
    assert!(world.messages().is_empty());
    let usage = world.rows("SELECT * FROM usage_analytics");
    assert_eq!(usage.len(), 1);
    assert_eq!(usage[0].opt_text("session_id").unwrap(), None);
    assert_eq!(usage[0].text("user_id").unwrap(), "alice");
    assert_eq!(usage[0].int("cost_nanos").unwrap(), HI_NANOS);
    assert_eq!(
        (
            usage[0].text("date").unwrap().as_str(),
            usage[0].int("hour").unwrap()
        ),
        ("2026-11-21", 11)
    );
}

#[test]
fn newer_models_get_a_temperature_only_if_it_is_asked_for() {
    let world = World::new(vec![hi(), hi()]);
    world
        .complete(None, &input(&json!({"model": "gpt-5-mini"})))
        .unwrap();
    world
        .complete(
            None,
            &input(&json!({"model": "gpt-5-mini", "temperature": 1.0})),
        )
        .unwrap();
    assert!(world.http.body(0).get("temperature").is_none());
    assert_eq!(world.http.body(0)["max_completion_tokens"], 1000);
    assert_eq!(world.http.body(1)["temperature"], 1.0);
}

#[test]
fn unpriced_is_null_and_counted_apart() {
    let no_usage =
        r#"{"model":"gpt-4","choices":[{"message":{"content":"a"},"finish_reason":"stop"}]}"#;
    let unknown = answer_json("b").replace("gpt-4-0613", "llama3.2");
    let world = World::new(vec![reply(200, no_usage), reply(200, &unknown)]);
    let first = world.complete(None, &in_session()).unwrap();
    assert_eq!(
        (
            first.usage,
            first.cost_usd,
            first.cost_nanos,
            first.cost_status
        ),
        (None, None, None, CostStatus::Unpriced)
    );
    assert_eq!(
        first.cost_note.unwrap(),
        "the provider reported no token usage"
    );
    let second = world.complete(Some("x"), &in_session()).unwrap();
    assert_eq!(
        second.cost_note.as_deref(),
        Some("no price is known for the model llama3.2 of the provider openai")
    );
    assert_eq!(
        world.complete(Some("x"), &in_session()).unwrap(),
        second,
        "the same from file"
    );
    let session = world.session("s-1");
    assert_eq!(
        (
            session.unpriced_messages,
            session.total_cost_nanos,
            session.total_tokens
        ),
        (2, 0, 12)
    );
    let answers = world.rows("SELECT * FROM chat_messages WHERE role = 'assistant'");
    assert!(
        answers
            .iter()
            .all(|row| row.opt_int("cost_nanos").unwrap().is_none()
                && row.text("cost_status").unwrap() == "unpriced")
    );
    let usage = world.rows("SELECT sum(unpriced_count) AS n FROM usage_analytics");
    assert_eq!(usage[0].int("n").unwrap(), 2);
}

#[test]
fn a_stream_hands_text_over_and_ends_with_the_whole() {
    let world = World::new(vec![reply(200, &stream_text())]);
    let mut heard = Vec::new();
    let output = world
        .run(
            world
                .service
                .stream(ALICE, None, &in_session(), &mut |text| {
                    heard.push(text.to_owned());
                }),
        )
        .unwrap();
    assert_eq!(heard, ["Grüße ", "😀!"]);
    assert_eq!(output.completion.response, "Grüße 😀!");
    assert_eq!(output.completion.cost_nanos, Some(9 * 30_000 + 4 * 60_000));
    let json = serde_json::to_value(&output).unwrap();
    assert_eq!(
        (&json["status"], &json["session_id"]),
        (&json!("completed"), &json!("s-1"))
    );
}

#[test]
fn absurd_input_is_refused_before_anything_is_written() {
    let world = World::new(vec![]);
    for (more, field) in [
        (json!({"messages": []}), "messages"),
        (
            json!({"messages": [{"role": "user", "content": ""}]}),
            "messages[0].content",
        ),
        (
            json!({"messages": vec![json!({"role": "user", "content": "x"}); 257]}),
            "messages",
        ),
        (
            json!({"messages": vec![json!({"role": "user", "content": "x".repeat(200_000)}); 6]}),
            "messages",
        ),
        (
            json!({"messages": [{"role": "user", "content": "x".repeat(262_145)}]}),
            "messages[0].content",
        ),
        (
            json!({"session_id": "s", "messages": [{"role": "system", "content": "x"}]}),
            "messages",
        ),
        (json!({"model": ""}), "model"),
        (json!({"model": "../etc"}), "model"),
        (json!({"model": "gpt-4\nx"}), "model"),
        (json!({"max_tokens": 0}), "max_tokens"),
        (json!({"max_tokens": 4_000_000}), "max_tokens"),
        (json!({"temperature": -0.1}), "temperature"),
        (json!({"temperature": 2.1}), "temperature"),
        (json!({"session_id": ""}), "session_id"),
        (json!({"session_id": "a\u{0}b"}), "session_id"),
        (json!({"session_id": "x".repeat(201)}), "session_id"),
    ] {
        let error = world.complete(None, &input(&more)).unwrap_err();
        assert_eq!(error.code(), "INVALID_INPUT");
        assert!(
            error.to_string().starts_with(&format!("{field}:")),
            "{field}: {error}"
        );
    }
    for unknown in [
        json!({"messages": [], "stream": true}),
        json!({"messages": [{"role": "tool", "content": "x"}]}),
        json!({"messages": [], "max_tokens": -1}),
    ] {
        assert!(serde_json::from_value::<CompletionInput>(unknown).is_err());
    }
    let large: SessionCreateInput =
        serde_json::from_value(json!({"session_name": "x", "metadata": {"a": "x".repeat(9_000)}}))
            .unwrap();
    assert!(
        large
            .validate()
            .unwrap_err()
            .to_string()
            .starts_with("metadata:")
    );
    assert_eq!((world.calls(), world.db.batches.get()), (0, 0));
}

#[test]
fn the_input_schema_says_what_the_validation_does() {
    let schema = serde_json::to_value(schemars::schema_for!(CompletionInput)).unwrap();
    assert_eq!(schema["required"], json!(["messages"]));
    assert_eq!(schema["additionalProperties"], false);
    let properties = &schema["properties"];
    assert_eq!(properties["model"]["maxLength"], 128);
    assert_eq!(properties["max_tokens"]["maximum"], 131_072);
    assert_eq!(properties["temperature"]["maximum"], 2.0);
    assert_eq!(properties["messages"]["maxItems"], 256);
    assert_eq!(properties["session_id"]["maxLength"], 200);
    assert_eq!(
        schema["$defs"]["ChatMessage"]["properties"]["content"]["maxLength"],
        262_144
    );
    for (name, property) in properties.as_object().unwrap() {
        assert!(
            property["description"]
                .as_str()
                .is_some_and(|text| text.len() > 20),
            "{name}"
        );
    }
}

#[test]
fn a_config_fills_in_what_the_call_leaves_out() {
    let world = World::new(vec![hi(), hi(), hi()]);
    let config = |more: Value| {
        let mut json = json!({"messages": [{"role": "user", "content": "Hello"}]});
        for (key, value) in more.as_object().unwrap() {
            json[key] = value.clone();
        }
        serde_json::from_value::<CompletionInput>(json).unwrap()
    };
    world
        .complete(
            None,
            &config(json!({"config": "technical-gpt4", "max_tokens": 7})),
        )
        .unwrap();
    let sent = world.http.body(0);
    assert_eq!(
        (&sent["model"], &sent["max_tokens"]),
        (&json!("gpt-4"), &json!(7))
    );
    assert_eq!(sent["messages"][0]["role"], "system");
    let unknown = world
        .complete(None, &config(json!({"config": "nobody's"})))
        .unwrap_err();
    assert!(unknown.to_string().contains("nobody's"), "{unknown}");
    // Who names a model has stated enough: no default config comes between.
    world
        .complete(None, &config(json!({"model": "gpt-4o"})))
        .unwrap();
    assert_eq!(world.http.body(1)["messages"].as_array().unwrap().len(), 1);
}
