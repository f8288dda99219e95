//! Which resource and which scopes a request comes down to.

use super::{accepted, error, with_clients, world};
use crate::auth::Scopes;
use crate::oauth::Settings;
use crate::oauth::tests::world::{ORIGIN, World, settings};

#[test]
fn resources_are_ours_in_their_canonical_form() {
    let world = world();
    let own = format!("{ORIGIN}/mcp");
    let fortress = "https://fortress.example.com/mcp";
    for (asked, expected) in [
        ("https://mcp.example.com/mcp", &*own),
        ("https://mcp.example.com/mcp/", &own),
        ("HTTPS://MCP.example.com/mcp", &own),
        ("https://mcp.example.com:443/mcp", &own),
        ("https://mcp.example.com", &own),
        ("https://mcp.example.com/", &own),
        ("https://fortress.example.com/mcp", fortress),
        ("https://fortress.example.com", fortress),
    ] {
        let request = accepted(&world, &[("resource", asked)]);
        assert_eq!(request.resource, expected, "{asked}");
    }
    assert_eq!(
        accepted(&world, &[("client_id", "pointed")]).resource,
        fortress
    );
    let both = [
        ("resource", &*own),
        ("resource", "https://mcp.example.com/"),
    ];
    assert_eq!(accepted(&world, &both).resource, own);
    for asked in [
        "mcp",
        "/mcp",
        "//mcp.example.com/mcp",
        "https://mcp.example.com/mcp//",
        "https://mcp.example.com//mcp",
        "https://mcp.example.com/MCP",
        "https://mcp.example.com/mcp/x",
        "https://mcp.example.com/mcp?x",
        "https://mcp.example.com/mcp#",
        "https://mcp.example.com/mcp#x",
        "https://mcp.example.com:8443/mcp",
        "http://mcp.example.com/mcp",
        "https://u@mcp.example.com/mcp",
        "https://mcp.example.com@evil.example/mcp",
        "https://mcp.example.com\\@evil.example/mcp",
        "https://evil.example/mcp",
        "https://mcp.example.com.evil.example/mcp",
        "https://mcp.example.com /mcp",
        "http://localhost:8787/mcp",
        "urn:mcp",
        "*",
    ] {
        assert_eq!(
            error(&world, &[("resource", asked)]),
            "invalid_target",
            "{asked}"
        );
    }
    let two = [("resource", &*own), ("resource", fortress)];
    assert_eq!(error(&world, &two), "invalid_target");
}

#[test]
fn in_development_workers_stand_on_any_port() {
    let world = World::with(Settings {
        development: true,
        ..with_clients(settings())
    });
    for asked in ["http://localhost:8001/mcp", "http://127.0.0.1:8002/mcp/"] {
        let request = accepted(&world, &[("resource", asked)]);
        assert_eq!(request.resource, asked.trim_end_matches('/'));
    }
    for asked in [
        "http://localhost:8001/other",
        "http://localhost:8001/mcp?x",
        "http://localhost.evil.example/mcp",
        "http://192.168.1.1/mcp",
    ] {
        assert_eq!(
            error(&world, &[("resource", asked)]),
            "invalid_target",
            "{asked}"
        );
    }
}

#[test]
fn a_bare_origin_with_two_resources_means_none_of_them() {
    let world = World::with(Settings {
        resources: vec![format!("{ORIGIN}/other")],
        ..with_clients(settings())
    });
    assert_eq!(error(&world, &[("resource", ORIGIN)]), "invalid_target");
}

#[test]
fn who_asks_for_no_action_gets_the_read_only_ones() {
    let world = world();
    let read_only = crate::auth::catalogue::read_only();
    assert_eq!(accepted(&world, &[]).scopes, read_only);
    let offline = accepted(&world, &[("scope", "offline_access")]).scopes;
    let expected = read_only.iter().chain(["offline_access"]);
    assert_eq!(offline, Scopes::new(expected));
    // Signing in takes no action.
    let sign_in = accepted(&world, &[("scope", "openid email")]).scopes;
    assert_eq!(sign_in, Scopes::new(["openid", "email"]));
    let bound = [
        ("client_id", "bound"),
        ("scope", "chatgpt:complete execution:run"),
    ];
    assert_eq!(
        accepted(&world, &bound).scopes,
        Scopes::new(["chatgpt:complete"])
    );
}
