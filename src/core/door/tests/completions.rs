use serde_json::{Value, json};

use super::{KEY, World, chunks, header, question};
use crate::http::Body;
use crate::llm::Dialect;
use crate::llm::scripted::{Piece, answer_json, chunk, pieces, reply, stream_text};
use crate::ports::HttpError;
use crate::sql::Statement;
use crate::testing::block_on;

#[test]
fn a_completion_has_all_that_openais_clients_read() {
    let world = World::new(vec![reply(200, &answer_json("A wrong."))]);
    let answer = world.complete(&question());
    assert_eq!(answer.status, 200);
    assert_eq!(header(&answer, "content-type"), Some("application/json"));
    assert_eq!(header(&answer, "x-request-id"), Some("r-1"));
    assert_eq!(header(&answer, "x-chitty-cost-usd"), Some("0.00045"));
    assert_eq!(header(&answer, "x-ratelimit-limit-requests"), Some("60"));
    assert_eq!(
        header(&answer, "x-ratelimit-remaining-requests"),
        Some("59")
    );
    let body = world.json(answer);
    assert!(body["id"].as_str().unwrap().starts_with("chatcmpl-"));
    assert_eq!(body["object"], "chat.completion");
    assert_eq!(body["model"], "gpt-4-0613");
    assert_eq!(body["service_tier"], "default");
    let choice = json!({
        "index": 0,
        "message": {"role": "assistant", "content": "A wrong.", "refusal": null},
        "logprobs": null,
        "finish_reason": "stop",
    });
    assert_eq!(body["choices"], json!([choice]));
    assert_eq!(body["usage"]["total_tokens"], 12);
    assert_eq!(body["usage"]["chitty"]["cost_usd"], "0.00045");
    assert_eq!(body["usage"]["chitty"]["cost_status"], "priced");
}

#[test]
fn what_was_not_as_asked_is_told_beside_the_cost() {
    let message = json!({
        "type": "message", "role": "assistant", "model": "claude-sonnet-5", "stop_reason": "end_turn",
        "content": [{"type": "text", "text": "A wrong."}],
        "usage": {"input_tokens": 9, "output_tokens": 3},
    });
    let world = World::of(
        Dialect::AnthropicMessages,
        vec![reply(200, &message.to_string())],
    );
    let mut asked = question();
    asked["model"] = json!("claude-sonnet-5");
    asked["max_tokens"] = Value::Null;
    asked["seed"] = json!(7);
    let told = world.json(world.complete(&asked))["usage"]["chitty"].take();
    assert_eq!(told["dropped_parameters"], json!(["seed"]));
    assert!(told["default_max_tokens"].as_u64().unwrap() > 0);
    let world = World::new(vec![reply(200, &answer_json("A wrong."))]);
    let told = world.json(world.complete(&question()))["usage"]["chitty"].take();
    assert!(told.get("dropped_parameters").is_none(), "{told}");
}

#[test]
fn what_nobody_here_knows_goes_through() {
    let world = World::new(vec![reply(200, &answer_json("x"))]);
    let mut asked = question();
    asked["logit_bias"] = json!({"50256": -100});
    asked["messages"][0]["name"] = json!("counsel");
    world.complete(&asked);
    let sent = world.http.body(0);
    assert_eq!(sent["logit_bias"], json!({"50256": -100}));
    assert_eq!(sent["messages"][0]["name"], "counsel");
    assert!(sent.get("stream").is_none_or(|stream| stream == false));
}

#[test]
fn a_stream_is_what_the_clients_parsers_want() {
    let world = World::new(vec![pieces(
        200,
        vec![Piece::Bytes(stream_text().into_bytes())],
    )]);
    let mut asked = question();
    asked["stream"] = json!(true);
    asked["stream_options"] = json!({"include_usage": true});
    let answer = world.complete(&asked);
    assert_eq!(header(&answer, "content-type"), Some("text/event-stream"));
    assert_eq!(header(&answer, "x-ratelimit-limit-requests"), Some("60"));
    assert_eq!(
        header(&answer, "x-ratelimit-remaining-requests"),
        Some("59")
    );
    assert_eq!(header(&answer, "x-chitty-budget-warning"), None);
    assert!(matches!(answer.body, Body::Stream(_)));
    let (chunks, done) = chunks(&world.body(answer));
    assert!(done);
    let ids: std::collections::BTreeSet<_> =
        chunks.iter().map(|chunk| chunk["id"].to_string()).collect();
    assert_eq!(ids.len(), 1);
    assert_eq!(chunks[0]["choices"][0]["delta"]["role"], "assistant");
    for chunk in &chunks {
        assert_eq!(chunk["object"], "chat.completion.chunk");
        assert!(chunk["choices"].is_array());
    }
    let text: String = chunks
        .iter()
        .filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str())
        .collect();
    assert!(!text.is_empty());
    let (last, before) = (&chunks[chunks.len() - 1], &chunks[chunks.len() - 2]);
    assert_eq!(before["choices"][0]["finish_reason"], "stop");
    assert_eq!(last["choices"], json!([]));
    assert!(last["usage"]["total_tokens"].as_u64().unwrap() > 0);
    let roles = chunks
        .iter()
        .filter(|chunk| chunk["choices"][0]["delta"].get("role").is_some());
    assert_eq!(roles.count(), 1);
}

#[test]
fn usage_is_in_a_stream_only_where_it_is_asked_for() {
    let world = World::new(vec![pieces(
        200,
        vec![Piece::Bytes(stream_text().into_bytes())],
    )]);
    let mut asked = question();
    asked["stream"] = json!(true);
    let (chunks, done) = chunks(&world.body(world.complete(&asked)));
    assert!(done && chunks.iter().all(|chunk| chunk.get("usage").is_none()));
    // The provider is asked for it all the same: the bill needs it.
    assert_eq!(world.http.body(0)["stream_options"]["include_usage"], true);
}

#[test]
fn what_a_provider_says_beside_the_text_comes_in_its_pieces_too() {
    let text = [
        chunk(
            &json!({"role": "assistant", "content": "", "audio": null}),
            None,
        ),
        chunk(&json!({"reasoning_content": "Let me "}), None),
        chunk(&json!({"reasoning_content": "see."}), None),
        chunk(
            &json!({"content": "Hi", "annotations": [{"type": "url_citation"}]}),
            None,
        ),
        chunk(&json!({}), Some("stop")),
        "data: [DONE]\n\n".to_owned(),
    ];
    let bytes = Piece::Bytes(text.concat().into_bytes());
    let world = World::new(vec![pieces(200, vec![bytes])]);
    let mut asked = question();
    asked["stream"] = json!(true);
    let (chunks, done) = chunks(&world.body(world.complete(&asked)));
    assert!(done);
    let delta = |chunk: &Value| chunk["choices"][0]["delta"].clone();
    let all: Vec<Value> = chunks.iter().map(delta).collect();
    let thought = |delta: &Value| delta["reasoning_content"].as_str().map(str::to_owned);
    assert_eq!(
        all.iter().filter_map(thought).collect::<String>(),
        "Let me see."
    );
    assert!(
        all.iter()
            .any(|delta| delta["annotations"][0]["type"] == "url_citation")
    );
    assert!(all.iter().all(|delta| delta.get("audio").is_none()));
}

#[test]
fn tool_calls_come_in_pieces_that_fit_together() {
    let first = json!({"role": "assistant", "content": null, "tool_calls": [
        {"index": 0, "id": "call_1", "type": "function", "function": {"name": "find", "arguments": ""}}]});
    let more =
        |piece: &str| json!({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]});
    let text = [
        chunk(&first, None),
        chunk(&more("{\"a\":"), None),
        chunk(&more("1}"), None),
        chunk(&json!({}), Some("tool_calls")),
        "data: [DONE]\n\n".to_owned(),
    ];
    let world = World::new(vec![pieces(
        200,
        vec![Piece::Bytes(text.concat().into_bytes())],
    )]);
    let mut asked = question();
    asked["stream"] = json!(true);
    asked["tools"] = json!([{"type": "function", "function": {"name": "find"}}]);
    let (chunks, done) = chunks(&world.body(world.complete(&asked)));
    assert!(done);
    let calls: Vec<&Value> = chunks
        .iter()
        .filter_map(|chunk| chunk["choices"][0]["delta"]["tool_calls"].get(0))
        .collect();
    assert_eq!(calls[0]["id"], "call_1");
    assert_eq!(calls[0]["type"], "function");
    assert_eq!(calls[0]["function"]["name"], "find");
    let arguments: String = calls
        .iter()
        .map(|call| call["function"]["arguments"].as_str().unwrap())
        .collect();
    assert_eq!(arguments, "{\"a\":1}");
    for later in &calls[1..] {
        assert!(later.get("id").is_none() && later["function"].get("name").is_none());
    }
    assert_eq!(
        chunks.last().unwrap()["choices"][0]["finish_reason"],
        "tool_calls"
    );
}

#[test]
fn a_stream_that_breaks_says_so_in_one_chunk_and_ends_without_done() {
    let begun = chunk(&json!({"content": "A wr"}), None);
    let broken = vec![
        Piece::Bytes(begun.into_bytes()),
        Piece::Break(HttpError::Interrupted("reset".into())),
    ];
    let world = World::new(vec![pieces(200, broken)]);
    let mut asked = question();
    asked["stream"] = json!(true);
    let answer = world.complete(&asked);
    assert_eq!(answer.status, 200);
    let (chunks, done) = chunks(&world.body(answer));
    assert!(!done);
    assert_eq!(chunks.len(), 2);
    assert!(
        chunks[1]["error"]["message"]
            .as_str()
            .unwrap()
            .contains("broke off")
    );
}

#[test]
fn what_a_caller_who_leaves_has_caused_is_on_the_books() {
    let world = World::new(vec![pieces(
        200,
        vec![Piece::Bytes(stream_text().into_bytes())],
    )]);
    world.ledger.cap(1_000_000_000);
    let mut asked = question();
    asked["stream"] = json!(true);
    drop(world.complete(&asked));
    world.clock.run(world.background.rest());
    let sql = "SELECT cost_status, user_id, key_id FROM usage_events";
    let outcome = block_on(crate::ports::Database::run(
        &*world.database,
        Statement::new(sql),
    ))
    .unwrap();
    let row = outcome.first().unwrap();
    assert_eq!(row.text("cost_status").unwrap(), "priced");
    assert_eq!(row.text("user_id").unwrap(), "u-1");
    assert_eq!(row.text("key_id").unwrap(), "k-1");
    let spending = world.ledger.state().standing.budgets[0].spending;
    assert!(spending.spent > 0 && spending.reserved == 0 && spending.estimated == 0);
}

#[test]
fn silence_is_filled_so_that_nobody_hangs_up() {
    let begun = chunk(&json!({"content": "A"}), None);
    let slow = vec![Piece::Bytes(begun.into_bytes()), Piece::Hang];
    let world = World::new(vec![pieces(200, slow)]);
    let mut asked = question();
    asked["stream"] = json!(true);
    let text = world.body(world.complete(&asked));
    assert!(text.matches(": keep-alive\n\n").count() > 3, "{text}");
    assert!(text.contains("\"error\""));
}

#[test]
fn a_stream_begins_though_its_model_thinks_for_long() {
    let world = World::new(vec![pieces(200, vec![Piece::Hang])]);
    let mut asked = question();
    asked["stream"] = json!(true);
    let answer = world.complete(&asked);
    assert_eq!(answer.status, 200);
    assert!(header(&answer, "x-ratelimit-limit-requests").is_some());
    let text = world.body(answer);
    assert!(text.starts_with(": keep-alive\n\n"), "{text}");
    assert!(text.contains("\"error\"") && !text.contains("[DONE]"));
}

#[test]
fn models_are_those_that_have_a_price() {
    let world = World::new(vec![]);
    let list = world.json(world.send("GET", "/v1/models", Some(KEY), b""));
    assert_eq!(list["object"], "list");
    let ids: Vec<&str> = list["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|model| model["id"].as_str().unwrap())
        .collect();
    assert!(ids.contains(&"gpt-4o") && !ids.iter().any(|id| id.starts_with("claude")));
    let one = world.json(world.send("GET", "/v1/models/gpt-4o", Some(KEY), b""));
    assert_eq!(
        one,
        json!({"id": "gpt-4o", "object": "model", "created": 0, "owned_by": "openai"})
    );
    let none = world.send("GET", "/v1/models/house-model", Some(KEY), b"");
    assert_eq!(none.status, 404);
    assert_eq!(world.json(none)["error"]["code"], "model_not_found");
}
