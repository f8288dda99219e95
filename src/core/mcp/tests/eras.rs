//! The handshake of each era, and what belongs to one of them alone.

use serde_json::{Value, json};

use super::super::era::{META_SERVER, MODERN, SUPPORTED};
use super::super::error::{
    HEADER_MISMATCH, INVALID_PARAMS, INVALID_REQUEST, METHOD_NOT_FOUND, MISSING_CAPABILITY, PARSE,
    UNSUPPORTED_VERSION,
};
use super::super::http::{MAX_BODY, body_too_large, method_not_allowed};
use super::world::{Caller, legacy_headers, modern_headers, request, with_meta};
use crate::testing::block_on;

#[test]
fn the_modern_era_discovers() {
    let answered = Caller::new().modern("server/discover", json!({}));
    let result = answered.result();
    assert_eq!(answered.status, 200);
    assert_eq!(answered.last()["id"], 7);
    assert_eq!(result["supportedVersions"], json!(SUPPORTED));
    assert_eq!(result["resultType"], "complete");
    assert_eq!(result["instructions"], "Call a tool.");
    assert_eq!(result["_meta"][META_SERVER]["name"], "world");
    // Without prompts and resources none are declared, nor served.
    assert!(result["capabilities"].get("prompts").is_none());
    assert_eq!(
        Caller::new().modern("prompts/list", json!({})).code(),
        METHOD_NOT_FOUND
    );
    let completed = Caller::new().modern("completion/complete", json!({}));
    assert_eq!(
        (completed.status, completed.code()),
        (404, METHOD_NOT_FOUND)
    );
}

#[test]
fn the_handshake_era_initializes_and_remembers_nothing() {
    let caller = Caller::new();
    for (asked, given) in [
        ("2025-11-25", "2025-11-25"),
        ("2025-06-18", "2025-06-18"),
        ("2025-03-26", "2025-03-26"),
        ("2024-11-05", "2025-11-25"),
        (MODERN, "2025-11-25"),
    ] {
        let params = json!({ "protocolVersion": asked, "capabilities": {}, "clientInfo": {} });
        let answered = caller.legacy("initialize", &params);
        assert_eq!(answered.result()["protocolVersion"], given);
        assert_eq!(answered.result()["serverInfo"]["name"], "world");
        assert!(answered.result().get("resultType").is_none());
    }
    let initialized = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    assert_eq!(caller.post(&legacy_headers(), &initialized).status, 202);
    assert_eq!(*caller.legacy("ping", &json!({})).result(), json!({}));
    assert_eq!(
        *caller
            .legacy("logging/setLevel", &json!({ "level": "debug" }))
            .result(),
        json!({})
    );
    assert_eq!(
        caller
            .legacy("logging/setLevel", &json!({ "level": 3 }))
            .code(),
        INVALID_PARAMS
    );
}

#[test]
fn methods_of_the_other_era_are_unknown() {
    let caller = Caller::new();
    for method in [
        "initialize",
        "ping",
        "logging/setLevel",
        "resources/subscribe",
        "roots/list",
    ] {
        let answered = caller.modern(method, json!({}));
        assert_eq!(
            (answered.status, answered.code()),
            (404, METHOD_NOT_FOUND),
            "{method}"
        );
    }
    for method in [
        "server/discover",
        "subscriptions/listen",
        "resources/subscribe",
        "nonsense",
    ] {
        let answered = caller.legacy(method, &json!({}));
        assert_eq!(
            (answered.status, answered.code()),
            (200, METHOD_NOT_FOUND),
            "{method}"
        );
    }
}

#[test]
fn refusals_have_the_status_and_code_of_the_specification() {
    let caller = Caller::new();
    let listed = |headers, params: &Value| {
        let answered = caller.post(&headers, &request("tools/list", params));
        assert_eq!(answered.last()["id"], 7);
        (answered.status, answered.code())
    };
    let modern = || modern_headers("tools/list", None);
    let good = with_meta(json!({}), &json!({}));
    assert_eq!(listed(modern(), &json!({})), (400, INVALID_PARAMS));
    assert_eq!(listed(legacy_headers(), &good), (400, HEADER_MISMATCH));
    assert_eq!(
        listed(modern_headers("tools/call", None), &good),
        (400, HEADER_MISMATCH)
    );
    let mut old = legacy_headers();
    old.push(("mcp-protocol-version", "1999-01-01"));
    assert_eq!(listed(old, &json!({})), (400, UNSUPPORTED_VERSION));
    let mut loud = modern();
    loud[1] = ("accept", "Application/JSON;q=0.9, TEXT/event-stream");
    assert_eq!(
        caller.post(&loud, &request("tools/list", &good)).status,
        200
    );
    let mut deaf = modern();
    deaf[1] = ("accept", "text/html");
    assert_eq!(listed(deaf, &good), (406, INVALID_REQUEST));
}

#[test]
fn what_is_no_message_is_refused_without_an_id() {
    let caller = Caller::new();
    let mut form = legacy_headers();
    form[0] = ("content-type", "text/plain");
    let refused = caller.post(&form, &request("ping", &json!({})));
    assert_eq!((refused.status, refused.code()), (415, INVALID_REQUEST));
    let batch = caller.post(&legacy_headers(), &json!([request("ping", &json!({}))]));
    assert_eq!((batch.status, batch.code()), (400, INVALID_REQUEST));
    let large = json!({ "jsonrpc": "2.0", "pad": "x".repeat(MAX_BODY) });
    let large = caller.post(&legacy_headers(), &large);
    assert_eq!((large.status, large.code()), (413, INVALID_REQUEST));
    for refused in [refused, batch, large] {
        assert!(refused.last().get("id").is_none());
        assert_eq!(refused.last()["error"]["data"]["requestId"], "r1");
    }
    assert_eq!(body_too_large("r1").status, 413);
    let put = method_not_allowed("PUT", "r1");
    assert_eq!(put.status, 405);
    assert!(put.headers.contains(&("allow", "POST, OPTIONS".to_owned())));
}

#[test]
fn a_capability_that_was_not_declared_is_not_relied_on() {
    let caller = Caller::new();
    let params = with_meta(
        json!({ "name": "asking", "arguments": { "word": "hi" } }),
        &json!({}),
    );
    let headers = modern_headers("tools/call", Some("asking"));
    let refused = caller.post(&headers, &request("tools/call", &params));
    assert_eq!((refused.status, refused.code()), (400, MISSING_CAPABILITY));
    let data = &refused.last()["error"]["data"];
    assert_eq!(
        data["requiredCapabilities"],
        json!({ "elicitation": { "form": {} } })
    );
    // A client that shows pages alone is not asked by form; one that says nothing is.
    for (elicitation, status) in [
        (json!({ "url": {} }), 400),
        (json!({ "form": {}, "url": {} }), 200),
        (json!({}), 200),
    ] {
        let params = json!({ "name": "asking", "arguments": { "word": "hi" } });
        let params = with_meta(params, &json!({ "elicitation": elicitation }));
        assert_eq!(
            caller
                .post(&headers, &request("tools/call", &params))
                .status,
            status
        );
    }
}

#[test]
fn a_body_that_is_no_json_is_a_parse_error() {
    let caller = Caller::new();
    let post = super::super::http::Post {
        headers: &legacy_headers(),
        body: b"{\"jsonrpc\"",
        principal: super::world::ann(),
        request_id: "r1".to_owned(),
    };
    let reply = block_on(caller.server.post(&caller.world, post));
    let crate::http::Body::Bytes(body) = reply.body else {
        panic!("no body")
    };
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(
        (reply.status, body["error"]["code"].as_i64()),
        (400, Some(i64::from(PARSE)))
    );
}
