//! Paths beside `/mcp`: who may call them, and how much they are told.

use super::*;

fn options(path: &'static str) -> Sent {
    Sent {
        headers: vec![("origin", "https://anything.example".into())],
        ..get("OPTIONS", path)
    }
}

#[test]
fn a_domain_gets_what_was_asked() {
    let world = World::new();
    let asked = Sent {
        path: "/own",
        query: "a=1&b=%20",
        body: Ok("x=y"),
        ..post(&[("cf-connecting-ip", "203.0.113.7")])
    };
    let got = world.send(&asked);
    assert_eq!(got.status, 200);
    let expected = json!({
        "method": "POST",
        "query": "a=1&b=%20",
        "body": "x=y",
        "origin": "http://localhost:8787",
        "ip": "203.0.113.7",
    });
    assert_eq!(got.json(), expected);
    // Only what may have one has its body read.
    let read = get("GET", "/own");
    assert_eq!(world.send(&read).status, 200);
    assert!(!read.body_read.get());
}

#[test]
fn open_paths_are_for_pages_of_any_origin_and_carry_no_cookies() {
    let world = World::new();
    let preflight = world.send(&options("/open"));
    assert_eq!(preflight.status, 204);
    let allowed = preflight.header("access-control-allow-headers").unwrap();
    for name in [
        "authorization",
        "content-type",
        "mcp-protocol-version",
        "dpop",
    ] {
        assert!(allowed.contains(name), "{name}");
    }
    let answered = Sent {
        headers: vec![("origin", "https://anything.example".into())],
        ..get("GET", "/open")
    };
    for got in [preflight, world.send(&answered)] {
        let origin = got.header("access-control-allow-origin");
        assert_eq!(origin.as_deref(), Some("*"));
        assert_eq!(got.header("access-control-allow-credentials"), None);
    }
    for path in ["/own", "/nothing"] {
        let got = world.send(&options(path));
        assert_eq!(got.header("access-control-allow-origin"), None, "{path}");
    }
}

#[test]
fn a_foreign_host_is_refused_before_the_body_is_read() {
    let world = World::new();
    for path in ["/own", "/open", "/.well-known/oauth-protected-resource"] {
        let sent = Sent {
            host: "evil.example",
            path,
            ..post(&[])
        };
        world.refuses(&sent, 403);
    }
}

#[test]
fn what_is_public_answers_under_any_name() {
    let world = World::new();
    let sent = Sent {
        host: "fortress.internal",
        ..get("GET", "/public")
    };
    let got = world.send(&sent);
    assert_eq!(got.status, 200);
    let origin = got.header("access-control-allow-origin");
    assert_eq!(origin.as_deref(), Some("*"));
}

#[test]
fn a_method_that_a_path_does_not_take_is_405() {
    let world = World::new();
    for path in ["/own", "/open", "/.well-known/oauth-protected-resource/mcp"] {
        let got = world.send(&get("DELETE", path));
        assert_eq!(got.status, 405, "{path}");
    }
}

#[test]
fn bodies_past_the_limit_are_refused() {
    let world = World::new();
    let faults = [
        (BodyFault::TooLarge, 413),
        (BodyFault::Interrupted("cut".into()), 400),
    ];
    for (fault, status) in faults {
        let sent = Sent {
            path: "/open",
            body: Err(fault),
            ..post(&[])
        };
        let got = world.send(&sent);
        assert_eq!(got.status, status);
        assert_eq!(got.json()["error"], "invalid_request");
    }
}

#[test]
fn a_path_is_refused_in_its_own_words() {
    let world = World::new();
    let own = |sent: &Sent, status: u16| {
        let got = world.send(sent);
        assert_eq!(got.status, status);
        assert!(got.json()["worded"]["message"].is_string(), "{}", got.body);
        assert!(got.header("x-request-id").is_some());
    };
    for (fault, status) in [
        (BodyFault::TooLarge, 413),
        (BodyFault::Interrupted("cut".into()), 400),
    ] {
        let sent = Sent {
            path: "/worded",
            body: Err(fault),
            ..post(&[])
        };
        own(&sent, status);
    }
    let foreign = Sent {
        path: "/worded",
        host: "evil.example",
        ..post(&[])
    };
    own(&foreign, 403);
}

#[test]
fn where_no_body_is_wanted_none_is_read() {
    let world = World::new();
    let sent = Sent {
        path: "/bodiless",
        ..post(&[])
    };
    assert_eq!(world.send(&sent).status, 200);
    assert!(!sent.body_read.get());
}

#[test]
fn the_metadata_is_at_both_paths_for_everybody() {
    let world = World::new();
    for path in [
        "/.well-known/oauth-protected-resource",
        "/.well-known/oauth-protected-resource/mcp",
    ] {
        let got = world.send(&get("GET", path));
        assert_eq!(got.status, 200);
        assert_eq!(got.json()["resource"], "http://localhost:8787/mcp");
        let issuers = &got.json()["authorization_servers"];
        assert_eq!(*issuers, json!(["https://auth.example"]));
        let origin = got.header("access-control-allow-origin");
        assert_eq!(origin.as_deref(), Some("*"));
        assert!(got.header("cache-control").unwrap().contains("max-age"));
        assert_eq!(world.send(&options(path)).status, 204);
    }
    world.refuses(
        &get("GET", "/.well-known/oauth-protected-resource/other"),
        404,
    );
}

#[test]
fn without_an_issuer_there_is_no_metadata() {
    let mut world = World::new();
    let traits = ResourceTraits {
        name: "Test",
        issuer: None,
        scopes: Scopes::default(),
    };
    let services = Rc::get_mut(&mut world.services).unwrap();
    let made = ProtectedResource::new("http://localhost:8787", &traits);
    services.platform.resource = Some(Rc::new(made));
    world.refuses(&get("GET", "/.well-known/oauth-protected-resource"), 404);
}
