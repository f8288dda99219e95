use serde_json::{Value, json};

use super::{KEY, World, header, question};
use crate::llm::scripted::{Piece, answer_json, pieces, reply, stream_text, with_header};

fn error(world: &World, answer: crate::http::HttpReply) -> (u16, Value) {
    let status = answer.status;
    let body = world.json(answer);
    let error = body["error"].clone();
    for member in ["message", "type", "param", "code"] {
        assert!(
            error.get(member).is_some(),
            "{member} is missing in {error}"
        );
    }
    (status, error)
}

#[test]
fn callers_without_a_key_or_a_scope_hear_it_in_openais_words() {
    let world = World::new(vec![]);
    let body = question().to_string();
    for key in [
        None,
        Some("sk-openai"),
        Some("chitty_key_ffffffffffffffffffffffffffffffff"),
    ] {
        let answer = world.send("POST", "/v1/chat/completions", key, body.as_bytes());
        let (status, error) = error(&world, answer);
        assert_eq!(
            (status, error["code"].as_str()),
            (401, Some("invalid_api_key"))
        );
    }
    world.admit("chatgpt:sessions");
    let (status, error) = error(&world, world.complete(&question()));
    assert_eq!(
        (status, error["type"].as_str()),
        (403, Some("insufficient_permissions"))
    );
}

#[test]
fn a_body_of_another_shape_is_told_what_is_wrong() {
    let world = World::new(vec![]);
    let asked = |change: &dyn Fn(&mut Value)| {
        let mut body = question();
        change(&mut body);
        body
    };
    for (body, param) in [
        (json!([]), Value::Null),
        (asked(&|body| body["model"] = json!(3)), json!("model")),
        (
            asked(&|body| body["messages"] = json!("x")),
            json!("messages"),
        ),
        (
            asked(&|body| body["messages"] = json!([])),
            json!("messages"),
        ),
        (
            asked(&|body| body["messages"] = json!([{"role": "judge", "content": "x"}])),
            Value::Null,
        ),
        (asked(&|body| body["n"] = json!(9)), json!("n")),
        (
            asked(&|body| body["max_tokens"] = json!(0)),
            json!("max_tokens"),
        ),
        (asked(&|body| body["max_tokens"] = json!(-1)), Value::Null),
    ] {
        let (status, error) = error(&world, world.complete(&body));
        assert_eq!((status, &error["param"]), (400, &param), "{error}");
        assert_eq!(error["type"], "invalid_request_error");
    }
    let garbled = world.send("POST", "/v1/chat/completions", Some(KEY), b"{");
    assert_eq!(error(&world, garbled).0, 400);
    assert!(world.http.seen.borrow().is_empty());
}

#[test]
fn an_exhausted_budget_is_not_retried_and_a_limit_is_after_a_while() {
    let world = World::new(vec![]);
    world.ledger.cap(1);
    let answer = world.complete(&question());
    assert_eq!(header(&answer, "x-should-retry"), Some("false"));
    let (status, found) = error(&world, answer);
    assert_eq!(
        (status, found["type"].as_str()),
        (429, Some("insufficient_quota"))
    );

    let world = World::new(vec![reply(200, &answer_json("x")); 60]);
    for _ in 0..60 {
        assert_eq!(
            world
                .complete(&json!({"model": "gpt-4o-mini", "max_tokens": 1,
            "messages": [{"role": "user", "content": "x"}]}))
                .status,
            200
        );
    }
    let answer = world.complete(&question());
    assert!(header(&answer, "retry-after").is_some());
    assert_eq!(header(&answer, "x-should-retry"), None);
    assert_eq!(header(&answer, "x-ratelimit-remaining-requests"), Some("0"));
    let (status, error) = error(&world, answer);
    assert_eq!(
        (status, error["code"].as_str()),
        (429, Some("rate_limit_exceeded"))
    );
}

#[test]
fn failures_of_the_provider_have_a_status_that_clients_act_upon() {
    let told = |status: u16, kind: &str| {
        let body = json!({"error": {"message": "m", "type": kind, "code": kind}}).to_string();
        let world = World::new(vec![reply(status, &body); 4]);
        let answer = world.complete(&question());
        let retry = header(&answer, "x-should-retry").map(str::to_owned);
        let (status, error) = error(&world, answer);
        (
            status,
            error["code"].as_str().unwrap_or_default().to_owned(),
            retry,
        )
    };
    let never = Some("false".to_owned());
    assert_eq!(
        told(400, "invalid_request_error"),
        (400, "invalid_request_error".to_owned(), None)
    );
    assert_eq!(
        told(401, "invalid_api_key"),
        (502, "provider_refused_key".into(), never.clone())
    );
    assert_eq!(
        told(429, "insufficient_quota"),
        (429, "insufficient_quota".into(), never)
    );
    assert_eq!(
        told(404, "model_not_found"),
        (404, "model_not_found".into(), None)
    );
    assert_eq!(told(503, "server_error").0, 503);
}

#[test]
fn who_would_come_too_early_is_told_not_to_come() {
    let busy = r#"{"error":{"message":"m","type":"requests","code":"rate_limit_exceeded"}}"#;
    for (seconds, forbidden) in [(30_u64, None), (3_600, Some("false"))] {
        let text = seconds.to_string();
        let world = World::new(vec![with_header(reply(429, busy), "retry-after", &text)]);
        let answer = world.complete(&question());
        assert_eq!(header(&answer, "retry-after"), Some(text.as_str()));
        assert_eq!(header(&answer, "x-should-retry"), forbidden);
    }
}

#[test]
fn limits_and_budgets_stand_on_every_answer_that_was_admitted() {
    let stream = || pieces(200, vec![Piece::Bytes(stream_text().into_bytes())]);
    let bad = || {
        reply(
            400,
            r#"{"error":{"message":"m","type":"invalid_request_error"}}"#,
        )
    };
    for (step, streamed, status) in [
        (reply(200, &answer_json("x")), false, 200),
        (stream(), true, 200),
        (bad(), false, 400),
        (bad(), true, 400),
    ] {
        let world = World::new(vec![step]);
        world.ledger.soft_cap(1);
        let mut asked = question();
        asked["stream"] = json!(streamed);
        let answer = world.complete(&asked);
        assert_eq!(answer.status, status);
        for name in ["x-ratelimit-remaining-tokens", "x-chitty-budget-warning"] {
            assert!(header(&answer, name).is_some(), "{name} of {status}");
        }
    }
}

#[test]
fn what_is_not_served_says_so_before_it_asks_who_calls() {
    let world = World::new(vec![]);
    for (method, path, allow) in [
        ("GET", "/v1/chat/completions", "POST, OPTIONS"),
        ("DELETE", "/v1/chat/completions", "POST, OPTIONS"),
        ("POST", "/v1/models", "GET, OPTIONS"),
        ("DELETE", "/v1/models/gpt-4o", "GET, OPTIONS"),
    ] {
        let answer = world.send(method, path, None, b"");
        assert_eq!(header(&answer, "allow"), Some(allow));
        assert_eq!(header(&answer, "x-request-id"), Some("r-1"));
        assert_eq!(error(&world, answer).0, 405, "{method} {path}");
    }
    for path in [
        "/v1/embeddings",
        "/v1/models/",
        "/v1/chat/completions/x",
        "/v1/",
    ] {
        let answer = world.send("POST", path, None, b"");
        let (status, error) = error(&world, answer);
        assert_eq!(
            (status, &error["code"]),
            (404, &json!("unknown_url")),
            "{path}"
        );
        assert!(error["message"].as_str().unwrap().contains(path));
    }
}

#[test]
fn bodies_are_read_where_there_is_a_question_and_the_front_refuses_in_the_same_words() {
    use crate::door::{body_limit, knows, refusal};
    assert!(body_limit("/v1/chat/completions") > 1_000_000);
    assert_eq!((body_limit("/v1/models"), body_limit("/v1/files")), (0, 0));
    assert!(knows("/v1/files") && !knows("/v1") && !knows("/v10/x") && !knows("/mcp"));
    let world = World::new(vec![]);
    for (status, kind) in [(413, "invalid_request_error"), (503, "server_error")] {
        let (told, error) = error(&world, refusal(status, "why"));
        assert_eq!(
            (told, &error["type"], &error["message"]),
            (status, &json!(kind), &json!("why"))
        );
    }
}
