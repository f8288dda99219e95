//! Errors of clients that nobody vouches for, before a person was asked (RFC 9700 section
//! 4.11.2).

use serde_json::json;

use super::*;
use crate::http::Body;

const SITE: &str = "https://evil.example/landing?x=1";
const HERE: &str = "http://127.0.0.1:3118/cb";
const APP: &str = "com.example.app:/cb";

fn registered(world: &World) -> String {
    let headers = vec![("content-type", "application/json")];
    let body = json!({
        "client_name": "<b>Bank</b>", "redirect_uris": [SITE, HERE, APP],
        "token_endpoint_auth_method": "none",
    });
    let body = body.to_string();
    let request = web("POST", "/register", "", &headers, body.as_bytes());
    let answer = crate::oauth::tests::world::json(&block_on(world.server.register(&request)));
    answer["client_id"].as_str().unwrap().to_owned()
}

fn bad(client: &str, redirect: &str, what: (&str, &str)) -> String {
    query(&[("client_id", client), ("redirect_uri", redirect), what])
}

#[test]
fn its_site_is_reached_by_a_link_and_not_by_itself() {
    let world = world();
    let id = registered(&world);
    for what in [
        ("response_type", "token"),
        ("code_challenge", ""),
        ("scope", "nonsense"),
        ("resource", "https://evil.example/mcp"),
        ("prompt", "none"),
    ] {
        let reply = ask(&world, &bad(&id, SITE, what));
        assert_eq!((reply.status, header(&reply, "location")), (400, None));
        let Body::Bytes(html) = &reply.body else {
            panic!("no page")
        };
        let html = std::str::from_utf8(html).unwrap();
        assert!(
            html.contains("&lt;b&gt;Bank&lt;/b&gt;") && html.contains("Return to evil.example")
        );
        let link = html
            .split("<a class=\"button full\" href=\"https://evil.example")
            .nth(1)
            .unwrap();
        let link = link.split('"').next().unwrap();
        assert!(link.starts_with("/landing?x=1&amp;error="), "{link}");
        assert!(link.contains("&amp;state=s+t%26a%3Dte&amp;iss=https%3A%2F%2Fmcp.example.com"));
        assert!(!html.contains("http-equiv") && !html.contains("<script"));
    }
    assert_eq!(world.refusals().len(), 5);
}

#[test]
fn what_stays_on_the_persons_machine_or_in_a_frame_is_answered_at_once() {
    let world = world();
    let id = registered(&world);
    for redirect in [HERE, APP] {
        let reply = ask(&world, &bad(&id, redirect, ("response_type", "token")));
        assert_eq!(reply.status, 303, "{redirect}");
        let location = header(&reply, "location").unwrap();
        assert!(location.starts_with(&format!("{redirect}?error=")));
    }
    let silent = bad(&id, SITE, ("prompt", "none"));
    for (dest, status) in [("iframe", 303), ("document", 400), ("empty", 400)] {
        let headers = vec![("sec-fetch-dest", dest)];
        let request = web("GET", "/authorize", &silent, &headers, b"");
        let reply = block_on(world.server.authorize(&request));
        assert_eq!(reply.status, status, "{dest}");
    }
}
