//! Tool calls: results, errors, messages on the way, and the older form.

use serde_json::{Value, json};

use super::super::era::META_LOG_LEVEL;
use super::super::error::{INTERNAL, INVALID_PARAMS, INVALID_REQUEST};
use super::world::{Answered, Caller, legacy_headers, principal};

fn echo(word: &Value) -> Value {
    json!({ "name": "echo", "arguments": { "word": word } })
}

/// The error that a tool result shows to the model.
fn shown(answered: &Answered) -> Value {
    assert_eq!(answered.status, 200);
    assert_eq!(answered.result()["isError"], true);
    let text = answered.result()["content"][0]["text"].as_str().unwrap();
    serde_json::from_str::<Value>(text).unwrap()["error"].clone()
}

#[test]
fn a_result_is_structured_and_text() {
    let caller = Caller::new();
    for answered in [
        caller.modern("tools/call", echo(&json!("hi"))),
        caller.legacy("tools/call", &echo(&json!("hi"))),
    ] {
        assert!(!answered.streamed);
        assert_eq!(
            answered.result()["structuredContent"],
            json!({ "word": "hi" })
        );
        assert_eq!(answered.result()["content"][0]["text"], r#"{"word":"hi"}"#);
        assert!(answered.result().get("isError").is_none());
    }
}

#[test]
fn arguments_that_do_not_fit_are_shown_to_the_model() {
    let caller = Caller::new();
    for (arguments, sentence) in [
        (json!({}), "missing field `word`"),
        (json!({ "word": 7 }), "word: invalid type"),
        (json!({ "word": "x", "more": 1 }), "unknown field `more`"),
        (json!({ "word": "far too long" }), "word: length"),
    ] {
        let params = json!({ "name": "echo", "arguments": arguments });
        let error = shown(&caller.modern("tools/call", params));
        assert_eq!(error["code"], "INVALID_ARGUMENTS");
        assert_eq!(error["request_id"], "r1");
        let message = error["message"].as_str().unwrap();
        assert!(message.contains(sentence), "{message}");
    }
}

#[test]
fn a_scope_that_is_missing_is_refused_in_the_words_of_every_client() {
    let mut caller = Caller::new();
    caller.principal = principal("bob", &[]);
    let params = json!({ "name": "chatty", "arguments": { "word": "hi" } });
    let older = json!({ "tool": "chatty", "arguments": { "word": "hi" } });
    let modern = caller.modern("tools/call", params.clone());
    let legacy = caller.legacy("tools/call", &params);
    let plain = caller.post(&legacy_headers(), &older);
    for (answered, result) in [
        (&modern, modern.result()),
        (&legacy, legacy.result()),
        (&plain, plain.last()),
    ] {
        assert_eq!(answered.status, 403);
        assert!(!answered.streamed);
        let challenge = answered.challenge.as_deref().unwrap();
        assert!(challenge.starts_with("Bearer error=\"insufficient_scope\""));
        assert!(challenge.contains("scope=\"tests:talk\""), "{challenge}");
        let told = json!([challenge]);
        assert_eq!(result["_meta"]["mcp/www_authenticate"], told);
        assert_eq!(result["isError"], true);
        let text = result["content"][0]["text"].as_str().unwrap();
        let error = &serde_json::from_str::<Value>(text).unwrap()["error"];
        assert_eq!(error["code"], "INSUFFICIENT_SCOPE");
        assert_eq!(error["request_id"], "r1");
        assert_eq!(error["details"]["missing_scopes"], json!(["tests:talk"]));
    }
    assert_eq!(modern.last()["id"], 7);
    assert_eq!(modern.result()["resultType"], "complete");
}

#[test]
fn a_call_that_is_not_refused_has_no_challenge() {
    let caller = Caller::new();
    let answered = caller.modern("tools/call", echo(&json!("hi")));
    assert_eq!(
        (answered.status, answered.challenge.as_deref()),
        (200, None)
    );
    assert!(
        answered.result()["_meta"]
            .get("mcp/www_authenticate")
            .is_none()
    );
}

#[test]
fn an_unknown_tool_is_an_error_of_the_protocol() {
    let caller = Caller::new();
    let params = json!({ "name": "nonsense" });
    for answered in [
        caller.modern("tools/call", params.clone()),
        caller.legacy("tools/call", &params),
    ] {
        assert_eq!((answered.status, answered.code()), (200, INVALID_PARAMS));
    }
}

#[test]
fn progress_comes_in_order_and_before_the_result() {
    let caller = Caller::new();
    let params = json!({
        "name": "chatty",
        "arguments": { "word": "hi" },
        "_meta": { "progressToken": "p", META_LOG_LEVEL: "info" },
    });
    let answered = caller.modern("tools/call", params);
    assert!(answered.streamed);
    assert_eq!(
        answered.methods(),
        [
            "notifications/progress",
            "notifications/progress",
            "notifications/message",
            "notifications/progress",
        ]
    );
    let values: Vec<_> = answered
        .messages
        .iter()
        .filter_map(|m| m["params"]["progress"].as_f64())
        .collect();
    assert_eq!(values, [1.0, 2.0, 3.0]);
    assert_eq!(answered.messages[0]["params"]["progressToken"], "p");
    assert_eq!(answered.messages[2]["params"]["level"], "warning");
    assert_eq!(answered.result()["structuredContent"]["word"], "hi");
    assert_eq!(answered.result()["resultType"], "complete");
}

#[test]
fn nobody_is_told_who_did_not_ask() {
    let caller = Caller::new();
    let params = json!({ "name": "chatty", "arguments": { "word": "hi" } });
    let answered = caller.modern("tools/call", params.clone());
    assert!(!answered.streamed);
    assert!(answered.methods().is_empty());
    // A handshake client gets log messages from `info` on, but no progress.
    let answered = caller.legacy("tools/call", &params);
    assert_eq!(answered.methods(), ["notifications/message"]);
}

#[test]
fn a_caller_that_reads_no_streams_gets_the_result_alone() {
    let caller = Caller::new();
    let mut headers = legacy_headers();
    headers[1] = ("accept", "application/json");
    let params = json!({
        "name": "chatty",
        "arguments": { "word": "hi" },
        "_meta": { "progressToken": 1 },
    });
    let answered = caller.post(&headers, &super::world::request("tools/call", &params));
    assert!(!answered.streamed);
    assert_eq!(answered.messages.len(), 1);
    assert_eq!(answered.result()["structuredContent"]["word"], "hi");
}

#[test]
fn the_older_form_is_answered_with_the_bare_result() {
    let caller = Caller::new();
    let headers = vec![("content-type", "application/json")];
    let good = caller.post(
        &headers,
        &json!({ "tool": "echo", "arguments": { "word": "hi" } }),
    );
    assert_eq!(good.status, 200);
    assert_eq!(good.last()["structuredContent"]["word"], "hi");
    assert!(good.last().get("jsonrpc").is_none());
    let unknown = caller.post(&headers, &json!({ "tool": "nonsense" }));
    assert_eq!((unknown.status, unknown.code()), (400, INVALID_PARAMS));
    let malformed = caller.post(&headers, &json!({ "tool": 7 }));
    assert_eq!((malformed.status, malformed.code()), (400, INVALID_REQUEST));
}

#[test]
fn a_panic_is_an_error_of_its_own_call() {
    let caller = Caller::new();
    let call = json!({ "name": "panicking", "arguments": { "word": "hi" } });
    let refused = caller.modern("tools/call", call.clone());
    assert_eq!((refused.status, refused.code()), (500, INTERNAL));
    assert!(!refused.last().to_string().contains("on purpose"));
    let mut streamed = call;
    streamed["_meta"] = json!({ "progressToken": 1 });
    let refused = caller.modern("tools/call", streamed);
    assert_eq!(refused.methods(), ["notifications/progress"]);
    assert_eq!(refused.code(), INTERNAL);
    assert_eq!(*caller.world.reports.borrow(), ["panic: hi on purpose"; 2]);
    assert_eq!(caller.modern("tools/call", echo(&json!("hi"))).status, 200);
}
