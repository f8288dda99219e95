//! Tools as plain HTTP operations: the same credentials, scopes and checks as over MCP.

use super::*;
use crate::actions::MAX_ANSWER;

const WHO: &str = "/gpt/tools/who_am_i";

fn tool(path: &'static str, body: &'static str, headers: &[(&'static str, &str)]) -> Sent {
    Sent {
        path,
        body: Ok(body),
        ..post(headers)
    }
}

#[test]
fn a_call_gives_the_bare_result() {
    let world = World::new();
    for body in ["{}", ""] {
        let got = world.send(&tool(WHO, body, &[("authorization", TOKEN)]));
        assert_eq!((got.status, got.json()), (200, json!({ "user_id": "ann" })));
        assert_eq!(got.header("x-request-id").as_deref(), Some("request-1"));
        assert_eq!(got.header("cache-control").as_deref(), Some("no-store"));
    }
    let statement = said("fortress", &["chitty:read"]);
    let got = world.send(&tool(WHO, "{}", &[(assertion::HEADER, &statement)]));
    assert_eq!(got.json(), json!({ "user_id": "bob" }));
}

#[test]
fn who_may_not_call_is_told_before_the_body_is_read() {
    let world = World::new();
    let got = world.refuses(&tool(WHO, "{}", &[]), 401);
    assert!(
        got.header("www-authenticate")
            .unwrap()
            .starts_with("Bearer")
    );
    let headers = [("authorization", TOKEN), ("origin", "https://evil.example")];
    world.refuses(&tool(WHO, "{}", &headers), 403);
    let elsewhere = Sent {
        host: "evil.example",
        ..tool(WHO, "{}", &[("authorization", TOKEN)])
    };
    world.refuses(&elsewhere, 403);
    let none = tool("/gpt/tools/none", "{}", &[("authorization", TOKEN)]);
    assert_eq!(
        world.refuses(&none, 404).json()["error"]["code"],
        "TOOL_NOT_FOUND"
    );
    world.refuses(&get("GET", WHO), 405);
    world.refuses(&get("POST", "/gpt/openapi.json"), 405);
}

#[test]
fn a_missing_scope_is_challenged() {
    let world = World::new();
    let statement = said("fortress", &["other:read"]);
    let got = world.send(&tool(WHO, "{}", &[(assertion::HEADER, &statement)]));
    assert_eq!(got.status, 403, "{}", got.body);
    assert_eq!(got.json()["error"]["code"], "INSUFFICIENT_SCOPE");
    let challenge = got.header("www-authenticate").unwrap();
    assert!(challenge.contains("scope=\"chitty:read\""), "{challenge}");
    assert!(challenge.contains("resource_metadata="), "{challenge}");
}

#[test]
fn arguments_are_checked_as_over_mcp() {
    let world = World::new();
    for (body, code) in [
        (r#"{"more":1}"#, "INVALID_ARGUMENTS"),
        ("[]", "INVALID_JSON"),
        ("{", "INVALID_JSON"),
    ] {
        let got = world.send(&tool(WHO, body, &[("authorization", TOKEN)]));
        assert_eq!(got.status, 400, "{}", got.body);
        let error = &got.json()["error"];
        assert_eq!(
            (&error["code"], &error["request_id"]),
            (&json!(code), &json!("request-1"))
        );
    }
    let mut plain = tool(WHO, "{}", &[("authorization", TOKEN)]);
    plain.headers.retain(|(name, _)| *name != "content-type");
    assert_eq!(world.send(&plain).status, 415);
    let large = Sent {
        body: Err(BodyFault::TooLarge),
        ..tool(WHO, "", &[("authorization", TOKEN)])
    };
    assert_eq!(world.send(&large).status, 413);
}

#[test]
fn an_answer_that_does_not_fit_is_refused_whole() {
    let world = World::new();
    let ask = |body: &'static str| {
        world.send(&tool(
            "/gpt/tools/repeat",
            body,
            &[("authorization", TOKEN)],
        ))
    };
    let fits = ask(r#"{"times":99989}"#);
    assert_eq!((fits.status, fits.body.len()), (200, MAX_ANSWER));
    let got = ask(r#"{"times":99990}"#);
    assert_eq!(got.status, 422);
    let error = &got.json()["error"];
    assert_eq!(error["code"], "ANSWER_TOO_LARGE");
    assert_eq!(error["details"]["bytes"], 100_001);
    assert!(error["message"].as_str().unwrap().contains("ask for less"));
}

#[test]
fn documents_are_for_everybody() {
    let world = World::new();
    for (path, version) in [
        ("/gpt/openapi.json", "3.1.0"),
        ("/gpt/openapi-3.0.json", "3.0.1"),
    ] {
        let got = world.send(&get("GET", path));
        assert_eq!(got.status, 200);
        let document = got.json();
        assert_eq!(document["openapi"], version);
        assert_eq!(document["servers"][0]["url"], "http://localhost:8787");
        assert!(document["paths"].get(WHO).is_some());
        let origin = got.header("access-control-allow-origin");
        assert_eq!(origin.as_deref(), Some("*"));
    }
}

#[test]
fn the_challenge_of_the_app_directory_is_told_where_one_is_set() {
    let mut world = World::new();
    let path = "/.well-known/openai-apps-challenge";
    world.refuses(&get("GET", path), 404);
    world.apps_challenge = Some("token-1");
    let got = world.send(&get("GET", path));
    assert_eq!((got.status, got.body.as_str()), (200, "token-1"));
    let kind = got.header("content-type").unwrap();
    assert!(kind.starts_with("text/plain"));
    assert_eq!(world.send(&get("POST", path)).status, 404);
}
