//! Tools as resources: methods, statuses, and the same checks as over MCP.

use super::*;

const ME: &str = "/api/v1/me";
const SIGNED: [(&str, &str); 1] = [("authorization", TOKEN)];

fn sent(method: &'static str, path: &'static str, headers: &[(&'static str, &str)]) -> Sent {
    Sent {
        method,
        path,
        body: Ok(""),
        ..post(headers)
    }
}

fn code(got: &Got) -> String {
    let error = &got.json()["error"];
    assert_eq!(error["request_id"], "request-1");
    error["code"].as_str().unwrap().to_owned()
}

#[test]
fn an_operation_gives_the_bare_result() {
    let world = World::new();
    for method in ["GET", "HEAD"] {
        let got = world.send(&sent(method, ME, &SIGNED));
        assert_eq!((got.status, got.json()), (200, json!({ "user_id": "ann" })));
        for (name, value) in [
            ("x-request-id", "request-1"),
            ("cache-control", "no-store"),
            ("access-control-allow-origin", "*"),
        ] {
            assert_eq!(got.header(name).as_deref(), Some(value), "{name}");
        }
    }
    for body in ["", "{}", r#"{"times":3}"#] {
        let asked = Sent {
            body: Ok(body),
            ..sent("POST", "/api/v1/repeats/3", &SIGNED)
        };
        let got = world.send(&asked);
        assert_eq!((got.status, got.json()), (201, json!({ "text": "xxx" })));
    }
}

#[test]
fn an_answer_of_any_length_is_given_whole() {
    let got = World::new().send(&sent("POST", "/api/v1/repeats/200000", &SIGNED));
    assert_eq!(got.status, 201);
    assert_eq!(got.json()["text"].as_str().unwrap().len(), 200_000);
}

#[test]
fn who_may_not_call_is_told_before_the_body_is_read() {
    let world = World::new();
    let got = world.refuses(&sent("POST", "/api/v1/repeats/3", &[]), 401);
    let challenge = got.header("www-authenticate").unwrap();
    assert!(challenge.starts_with("Bearer"), "{challenge}");
    let elsewhere = Sent {
        host: "evil.example",
        ..sent("GET", ME, &SIGNED)
    };
    assert_eq!(code(&world.refuses(&elsewhere, 403)), "HOST_REFUSED");
    let statement = said("fortress", &["other:read"]);
    let got = world.send(&sent("GET", ME, &[(assertion::HEADER, &statement)]));
    assert_eq!(
        (got.status, code(&got).as_str()),
        (403, "INSUFFICIENT_SCOPE")
    );
    let challenge = got.header("www-authenticate").unwrap();
    assert!(challenge.contains("scope=\"chitty:read\""), "{challenge}");
}

#[test]
fn what_does_not_fit_is_a_400_that_names_it() {
    let world = World::new();
    let repeats = "/api/v1/repeats/3";
    for (method, path, query, body, words) in [
        ("GET", ME, "user=ann", "", "no query parameter \"user\""),
        (
            "POST",
            repeats,
            "times=3",
            "",
            "no query parameter \"times\"",
        ),
        ("POST", repeats, "", r#"{"times":4}"#, "times is one thing"),
        (
            "POST",
            "/api/v1/repeats/many",
            "",
            "",
            "times: invalid type",
        ),
        ("POST", repeats, "", "[]", "one JSON object"),
        ("POST", repeats, "", "{", "no JSON"),
    ] {
        let asked = Sent {
            query,
            body: Ok(body),
            ..sent(method, path, &SIGNED)
        };
        let got = world.send(&asked);
        assert_eq!(got.status, 400, "{}", got.body);
        assert!(code(&got).starts_with("INVALID_"), "{}", got.body);
        let message = got.json()["error"]["message"].to_string();
        assert!(message.replace('\\', "").contains(words), "{message}");
    }
    let mut plain = sent("POST", repeats, &SIGNED);
    plain.headers.retain(|(name, _)| *name != "content-type");
    plain.body = Ok("{}");
    assert_eq!(world.send(&plain).status, 415);
    plain.body = Err(BodyFault::TooLarge);
    assert_eq!(world.send(&plain).status, 413);
}

#[test]
fn methods_that_a_path_does_not_take_are_405_and_say_which_it_does() {
    let world = World::new();
    for (path, method, allow) in [
        (ME, "POST", "GET, HEAD, OPTIONS"),
        (ME, "TRACE", "GET, HEAD, OPTIONS"),
        ("/api/v1/repeats/3", "HEAD", "POST, OPTIONS"),
        ("/api/v1/openapi.json", "DELETE", "GET, HEAD, OPTIONS"),
    ] {
        let got = world.refuses(&sent(method, path, &[]), 405);
        assert_eq!(got.header("allow").as_deref(), Some(allow));
        let origin = got.header("access-control-allow-origin");
        assert_eq!(origin.as_deref(), Some("*"));
    }
    let preflight = world.send(&sent("OPTIONS", ME, &[]));
    assert_eq!(preflight.status, 204);
    let methods = preflight.header("access-control-allow-methods");
    assert_eq!(methods.as_deref(), Some("GET, HEAD, OPTIONS"));
    world.refuses(&sent("GET", "/api/v1/none", &SIGNED), 404);
}

#[test]
fn other_paths_stay_the_domains_own() {
    let world = World::new();
    assert_eq!(world.send(&sent("GET", "/api/v1/open", &[])).status, 200);
    assert_eq!(world.send(&sent("GET", "/api/v1/status", &[])).status, 200);
}

#[test]
fn the_document_is_for_everybody() {
    let got = World::new().send(&sent("GET", "/api/v1/openapi.json", &[]));
    assert_eq!(got.status, 200);
    let document = got.json();
    assert_eq!(document["servers"][0]["url"], "http://localhost:8787");
    let paths: Vec<_> = document["paths"].as_object().unwrap().keys().collect();
    assert_eq!(paths, [ME, "/api/v1/repeats/{times}"]);
    let origin = got.header("access-control-allow-origin");
    assert_eq!(origin.as_deref(), Some("*"));
}
