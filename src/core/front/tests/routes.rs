//! What is served where, to whoever asks.

use super::*;

#[test]
fn each_path_has_its_methods() {
    let world = World::new();
    for method in ["GET", "DELETE", "PUT", "PATCH", "HEAD"] {
        let got = world.refuses(&get(method, "/mcp"), 405);
        assert_eq!(got.header("allow").as_deref(), Some("POST, OPTIONS"));
    }
    for (method, path) in [
        ("GET", "/nothing"),
        ("POST", "/"),
        ("POST", "/health"),
        ("GET", "/mcp/"),
        ("GET", ""),
    ] {
        let got = world.refuses(&get(method, path), 404);
        assert!(got.body.contains("/mcp"), "{path}");
    }
    let got = world.send(&get("OPTIONS", "/mcp"));
    assert_eq!(got.status, 204);
    let foreign = Sent {
        headers: vec![("origin", "https://evil.example".into())],
        ..get("OPTIONS", "/mcp")
    };
    assert_eq!(world.send(&foreign).status, 403);
    let welcome = world.send(&get("GET", "/"));
    assert_eq!(welcome.status, 200);
    assert!(welcome.body.contains("cloudflare-fortress-mcp") && welcome.body.contains("POST /mcp"));
    for got in [
        welcome,
        world.send(&get("GET", "/health")),
        world.send(&get("GET", "/api/v1/status")),
    ] {
        assert_eq!(
            got.header("x-content-type-options").as_deref(),
            Some("nosniff")
        );
        assert_eq!(
            got.header("referrer-policy").as_deref(),
            Some("no-referrer")
        );
    }
}

#[test]
fn health_says_yes_or_no_and_no_more() {
    let world = World::new();
    let got = world.send(&get("GET", "/health"));
    assert_eq!(
        (got.status, got.header("cache-control").as_deref()),
        (200, Some("no-store"))
    );
    let body = got.json();
    assert_eq!(
        (&body["status"], &body["service"]),
        (&json!("healthy"), &json!("cloudflare-fortress-mcp"))
    );
    assert!(
        body["timestamp"]
            .as_str()
            .unwrap()
            .starts_with("2026-11-21T")
    );
    world.services.domain.up.set(false);
    world.clock.advance(HEALTH_MS - 1);
    assert_eq!(world.send(&get("GET", "/health")).json(), body);
    world.clock.advance(1);
    let got = world.send(&get("GET", "/health"));
    assert_eq!(
        (got.status, got.json()["status"].clone()),
        (503, json!("unhealthy"))
    );
    assert!(!got.body.contains("http"));
}

#[test]
fn a_request_id_is_taken_from_our_own_workers_alone() {
    let id = |headers: &[(&'static str, &str)]| {
        let found = statement(post(headers).headers(), "fortress", NOW, &sealer());
        parent_request_id(&found).map(str::to_owned)
    };
    let ours = said("fortress", &[]);
    assert_eq!(
        id(&[(assertion::HEADER, &ours)]).as_deref(),
        Some("request-1")
    );
    let elsewhere = said("chatgpt", &[]);
    let forged = format!("{}A", &ours[..ours.len() - 1]);
    let chosen = ("x-request-id", "my-own-request");
    for headers in [
        vec![chosen],
        vec![chosen, (assertion::HEADER, forged.as_str())],
        vec![chosen, (assertion::HEADER, elsewhere.as_str())],
    ] {
        assert_eq!(id(&headers), None);
    }
}

#[test]
fn a_worker_that_is_not_set_up_says_so() {
    let said = |path: &str| {
        let reply = unavailable(path, "request-1");
        assert_eq!(reply.status, 503);
        let Body::Bytes(body) = &reply.body else {
            panic!("no body");
        };
        let mut body: Value = serde_json::from_slice(body).unwrap();
        body["error"].take()
    };
    assert_eq!(said("/mcp")["request_id"], "request-1");
    assert_eq!(said("/v1/models")["type"], "server_error");
}

#[test]
fn a_failure_is_logged_and_told_as_its_blame_says() {
    let world = World::new();
    let told = |blame| {
        let error = world
            .services
            .failure("SOME_CODE", &"words of the cause", blame, None);
        error.to_string()
    };
    assert!(told(Blame::Caller).contains("words of the cause"));
    assert!(world.log.0.borrow().is_empty());
    assert!(told(Blame::Upstream(None)).contains("words of the cause"));
    let hidden = told(Blame::Ours);
    assert!(hidden.contains("SOME_CODE") && hidden.contains("try again"));
    assert!(!hidden.contains("words of the cause"));
    let log = world.log.0.borrow();
    let lines: Vec<_> = log
        .iter()
        .map(|(level, _, fields)| (*level, &fields["code"], &fields["cause"]))
        .collect();
    let code = json!("SOME_CODE");
    assert_eq!(
        lines,
        [
            (Level::Warn, &code, &Value::Null),
            (Level::Error, &code, &json!("words of the cause")),
        ]
    );
}

#[test]
fn outside_development_nothing_is_said_in_the_clear() {
    let mut world = World::new();
    let public = |method, scheme| Sent {
        scheme,
        host: "mcp.example.com",
        query: "a=b%20c",
        ..get(method, "/open")
    };
    let kept = |got: &Got| got.header("strict-transport-security");
    world.origins.development = false;
    for method in ["GET", "HEAD"] {
        let got = world.send(&public(method, "http"));
        assert_eq!(got.status, 308);
        let location = got.header("location");
        assert_eq!(
            location.as_deref(),
            Some("https://mcp.example.com/open?a=b%20c")
        );
        assert_eq!(kept(&got), None, "it means nothing over http");
    }
    for method in ["POST", "OPTIONS", "DELETE"] {
        let sent = public(method, "http");
        let got = world.refuses(&sent, 403);
        assert_eq!(got.json()["error"]["code"], "HTTPS_REQUIRED");
    }
    let worded = Sent {
        path: "/worded",
        ..public("POST", "http")
    };
    let got = world.send(&worded).json();
    let message = got["worded"]["message"].as_str().unwrap();
    assert!(message.contains("https"), "{message}");
    let got = world.send(&public("GET", "https"));
    assert_eq!(got.status, 200);
    assert_eq!(kept(&got).as_deref(), Some("max-age=31536000"));
    assert_eq!(world.send(&get("GET", "/open")).status, 200, "loopback");
    world.origins.development = true;
    assert_eq!(kept(&world.send(&get("GET", "/open"))), None);
}
