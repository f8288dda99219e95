//! The same question in each dialect, field by field.

use serde_json::{Value, from_value};

use super::*;

/// A request that says a little of everything.
fn rich() -> Value {
    json!({
        "model": "asked", "max_tokens": 50, "temperature": 0.5, "top_p": 0.9, "user": "u-1",
        "parallel_tool_calls": false, "reasoning_effort": "low", "service_tier": "default",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [
                {"type": "text", "text": "What is it?"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA", "detail": "low"}},
                {"type": "image_url", "image_url": {"url": "https://x.example/a.png"}}
            ]},
            {"role": "assistant", "content": "I look.", "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{\"at\":1}"}},
                {"id": "c2", "type": "function", "function": {"name": "look", "arguments": ""}}
            ]},
            {"role": "tool", "tool_call_id": "c1", "content": "a cat"},
            {"role": "tool", "tool_call_id": "c2", "content": "a dog"},
            {"role": "developer", "content": "Now answer."}
        ],
        "tools": [{"type": "function", "function": {
            "name": "look", "description": "Looks.", "parameters": {"type": "object", "properties": {"at": {"type": "integer"}}}
        }}],
        "tool_choice": "required",
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "strict": true, "schema": {"type": "object"}}}
    })
}

fn with(more: &Value) -> Value {
    let mut request = json!({"model": "asked", "messages": [{"role": "user", "content": "Hi"}]});
    for (key, value) in more.as_object().unwrap() {
        request[key] = value.clone();
    }
    request
}

/// What goes out, and what came of the call. The script has an answer no dialect reads.
fn sent(dialect: Dialect, model: &str, request: Value, streamed: bool) -> (Option<Value>, Called) {
    let clock = JumpClock::at(START_MS);
    let http = ScriptedHttp::new(&clock, vec![reply(400, "{}")]);
    let models = client(&clock, &http);
    let route = [provider(dialect).serving(model)];
    let request: ModelRequest = from_value(request).unwrap();
    let stop = Stop::default();
    let called = if streamed {
        clock.run(models.stream(&request, &route, Limits::default(), &stop, &mut |_| ()))
    } else {
        clock.run(models.complete(&request, &route, Limits::default()))
    };
    let was_sent = !http.seen.borrow().is_empty();
    (was_sent.then(|| http.body(0)), called)
}

fn body(dialect: Dialect, model: &str, request: Value, streamed: bool) -> Value {
    sent(dialect, model, request, streamed).0.unwrap()
}

fn unsupported(dialect: Dialect, request: Value) -> String {
    let (body, called) = sent(dialect, "m", request, false);
    assert_eq!(body, None);
    let error = called.result.unwrap_err();
    assert_eq!(error.code(), "MODEL_UNSUPPORTED_PARAMETER");
    assert!(error.is_callers() && !error.may_have_billed());
    error.to_string()
}

#[test]
fn chat_completions_take_the_request_as_it_is() {
    let mut expected = rich();
    expected["model"] = json!("gpt-4o");
    let plain = body(Dialect::ChatCompletions, "gpt-4o", rich(), false);
    assert_eq!(plain, expected);

    let newer = body(
        Dialect::ChatCompletions,
        "gpt-5-mini",
        with(&json!({"max_tokens": 9, "stream": false})),
        false,
    );
    assert_eq!(newer["max_completion_tokens"], 9);
    assert!(newer.get("max_tokens").is_none() && newer.get("stream").is_none());

    let unknown = json!({"n": 3, "seed": 4, "stop": ["x"], "logit_bias": {"1": 2}, "brand_new": [1],
        "stream_options": {"include_usage": false, "include_obfuscation": false}});
    let streamed = body(Dialect::ChatCompletions, "m", with(&unknown), true);
    let options = json!({"include_usage": true, "include_obfuscation": false});
    assert_eq!(streamed["stream_options"], options);
    assert_eq!(streamed["stream"], true);
    for (name, value) in unknown.as_object().unwrap() {
        assert!(
            name == "stream_options" || streamed[name] == *value,
            "{name}"
        );
    }
    let whole = body(Dialect::ChatCompletions, "m", with(&unknown), false);
    assert!(whole.get("stream_options").is_none());
}

#[test]
fn responses_get_items_and_store_nothing() {
    let expected = json!({
        "model": "gpt-5-mini", "store": false, "max_output_tokens": 50, "temperature": 0.5, "top_p": 0.9,
        "user": "u-1", "parallel_tool_calls": false, "reasoning": {"effort": "low"}, "service_tier": "default",
        "input": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [
                {"type": "input_text", "text": "What is it?"},
                {"type": "input_image", "image_url": "data:image/png;base64,AAAA", "detail": "low"},
                {"type": "input_image", "image_url": "https://x.example/a.png", "detail": "auto"}
            ]},
            {"role": "assistant", "content": "I look."},
            {"type": "function_call", "call_id": "c1", "name": "look", "arguments": "{\"at\":1}"},
            {"type": "function_call", "call_id": "c2", "name": "look", "arguments": ""},
            {"type": "function_call_output", "call_id": "c1", "output": "a cat"},
            {"type": "function_call_output", "call_id": "c2", "output": "a dog"},
            {"role": "developer", "content": "Now answer."}
        ],
        "tools": [{"type": "function", "name": "look", "description": "Looks.", "strict": false,
            "parameters": {"type": "object", "properties": {"at": {"type": "integer"}}}}],
        "tool_choice": "required",
        "text": {"format": {"type": "json_schema", "name": "n", "strict": true, "schema": {"type": "object"}}}
    });
    let plain = body(Dialect::Responses, "gpt-5-mini", rich(), false);
    assert_eq!(plain, expected);
    let more = json!({"verbosity": "low", "prompt_cache_key": "k", "tools": [{"type": "function", "function": {"name": "f"}}],
        "tool_choice": {"type": "function", "function": {"name": "f"}}, "response_format": {"type": "json_object"}});
    let streamed = body(Dialect::Responses, "m", with(&more), true);
    assert_eq!(streamed["stream"], true);
    assert_eq!(
        streamed["stream_options"],
        json!({"include_obfuscation": false})
    );
    assert_eq!(
        streamed["text"],
        json!({"format": {"type": "json_object"}, "verbosity": "low"})
    );
    assert_eq!(
        streamed["tool_choice"],
        json!({"type": "function", "name": "f"})
    );
    let tool = json!([{"type": "function", "name": "f", "strict": false, "parameters": null}]);
    assert_eq!(
        (&streamed["tools"], &streamed["prompt_cache_key"]),
        (&tool, &json!("k"))
    );
}

#[test]
fn anthropic_gets_turns_blocks_and_a_limit() {
    let expected = json!({
        "model": "sonnet", "max_tokens": 50, "temperature": 0.5, "top_p": 0.9,
        "metadata": {"user_id": "u-1"}, "service_tier": "standard_only",
        "system": [{"type": "text", "text": "Be brief."}, {"type": "text", "text": "Now answer."}],
        "messages": [
            {"role": "user", "content": [
                {"type": "text", "text": "What is it?"},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
                {"type": "image", "source": {"type": "url", "url": "https://x.example/a.png"}}
            ]},
            {"role": "assistant", "content": [
                {"type": "text", "text": "I look."},
                {"type": "tool_use", "id": "c1", "name": "look", "input": {"at": 1}},
                {"type": "tool_use", "id": "c2", "name": "look", "input": {}}
            ]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "c1", "content": [{"type": "text", "text": "a cat"}]},
                {"type": "tool_result", "tool_use_id": "c2", "content": [{"type": "text", "text": "a dog"}]}
            ]}
        ],
        "tools": [{"name": "look", "description": "Looks.",
            "input_schema": {"type": "object", "properties": {"at": {"type": "integer"}}}}],
        "tool_choice": {"type": "any", "disable_parallel_tool_use": true},
        "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": {"type": "object"}}}
    });
    let plain = body(Dialect::AnthropicMessages, "sonnet", rich(), false);
    assert_eq!(plain, expected);
    let more = json!({"stop": "END", "top_k": 5, "service_tier": "auto", "reasoning_effort": "none",
        "tools": [{"type": "function", "function": {"name": "f"}}],
        "tool_choice": {"type": "function", "function": {"name": "f"}},
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}},
            {"type": "text", "text": ""}, {"type": "file", "file": {"file_data": "data:application/pdf;base64,BBBB"}}]}]});
    let streamed = body(Dialect::AnthropicMessages, "m", with(&more), true);
    let expected = json!({
        "model": "m", "max_tokens": 4096, "stream": true, "stop_sequences": ["END"], "top_k": 5,
        "service_tier": "auto", "thinking": {"type": "disabled"},
        "tools": [{"name": "f", "input_schema": {"type": "object"}}], "tool_choice": {"type": "tool", "name": "f"},
        "messages": [{"role": "user", "content": [
            {"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}},
            {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "BBBB"}}
        ]}]
    });
    assert_eq!(streamed, expected);
}

#[test]
fn each_dialect_shows_the_key_in_its_own_header() {
    for (dialect, path, header) in [
        (
            Dialect::ChatCompletions,
            "/chat/completions",
            "authorization",
        ),
        (Dialect::Responses, "/responses", "authorization"),
        (Dialect::AnthropicMessages, "/messages", "x-api-key"),
    ] {
        let clock = JumpClock::at(START_MS);
        let http = ScriptedHttp::new(&clock, vec![reply(400, "{}")]);
        let route = [provider(dialect).serving("m")];
        let models = client(&clock, &http);
        let _ = clock.run(models.complete(&request(), &route, Limits::default()));
        let seen = http.seen.borrow();
        assert_eq!(seen[0].url, format!("https://model.example/v1{path}"));
        let carries: Vec<_> = seen[0]
            .headers
            .iter()
            .filter(|(_, v)| v.contains(KEY))
            .collect();
        assert!(carries.len() == 1 && carries[0].0 == header, "{carries:?}");
        let version = seen[0]
            .headers
            .iter()
            .any(|(name, _)| *name == "anthropic-version");
        assert_eq!(version, dialect == Dialect::AnthropicMessages);
    }
}

#[test]
fn what_would_change_the_answer_is_refused_by_name() {
    let custom = json!({"tools": [{"type": "custom", "custom": {"name": "x"}}]});
    let audio = json!([{"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}]);
    for (name, value) in [
        ("n", json!(2)),
        ("logit_bias", json!({"5": -100})),
        ("logprobs", json!(true)),
        ("top_logprobs", json!(3)),
        ("functions", json!([{"name": "f"}])),
        ("modalities", json!(["text", "audio"])),
        ("web_search_options", json!({})),
    ] {
        for dialect in [Dialect::Responses, Dialect::AnthropicMessages] {
            let said = unsupported(dialect, with(&json!({name: value})));
            let parameter = format!("no parameter like {name}: leave it out, or name a model");
            assert!(said.contains(&parameter), "{said}");
        }
    }
    for dialect in [Dialect::Responses, Dialect::AnthropicMessages] {
        let said = unsupported(dialect, with(&json!({"messages": audio})));
        assert!(said.contains("content[].input_audio"), "{said}");
        assert!(unsupported(dialect, with(&custom)).contains("type function"));
    }
    assert!(unsupported(Dialect::ChatCompletions, with(&custom)).contains("type function"));
    let functions = with(&json!({"functions": [{"name": "f"}]}));
    assert!(unsupported(Dialect::ChatCompletions, functions).contains("as tools"));
    assert!(unsupported(Dialect::Responses, with(&json!({"stop": "x"}))).contains("stop"));
    let anthropic = |more: Value| unsupported(Dialect::AnthropicMessages, with(&more));
    assert!(anthropic(json!({"temperature": 1.5})).contains("from 0 to 1"));
    assert!(anthropic(json!({"response_format": {"type": "json_object"}})).contains("json_schema"));
    let call = json!({"role": "assistant", "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "[1]"}}]});
    assert!(anthropic(json!({"messages": [call]})).contains("a JSON object"));
}

#[test]
fn what_would_not_is_dropped_and_listed() {
    let more = json!({"seed": 1, "presence_penalty": 0.5, "store": true, "prediction": {"type": "content"}, "brand_new": 1,
        "n": 1, "logprobs": false, "logit_bias": {}, "modalities": ["text"], "web_search_options": null, "stop": []});
    for (dialect, answer) in [
        (Dialect::Responses, super::fixtures::RESPONSE),
        (Dialect::AnthropicMessages, super::fixtures::MESSAGE),
    ] {
        let clock = JumpClock::at(START_MS);
        let http = ScriptedHttp::new(&clock, vec![reply(200, answer)]);
        let models = client(&clock, &http);
        let request: ModelRequest = from_value(with(&more)).unwrap();
        let route = [provider(dialect).serving("m")];
        let called = clock.run(models.complete(&request, &route, Limits::default()));
        let answer = called.result.unwrap();
        let mut dropped = answer.dropped;
        dropped.sort();
        let expected = [
            "brand_new",
            "prediction",
            "presence_penalty",
            "seed",
            "store",
        ];
        assert_eq!(dropped, expected);
        for name in expected {
            assert!(
                name == "store" || http.body(0).get(name).is_none(),
                "{name}"
            );
        }
        let limit = (dialect == Dialect::AnthropicMessages).then_some(4_096);
        assert_eq!(answer.default_max_tokens, limit);
    }
}
