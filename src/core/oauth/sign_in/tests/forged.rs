//! Forms that nobody was shown, or somebody else was.

use super::*;
use crate::oauth::sign_in::ticket::TICKET_MS;

#[test]
fn tickets_are_for_one_kind_browser_session_and_ten_minutes() {
    let world = world();
    let (ada, eve) = (visitor(&world), visitor(&world));
    ada.sign_in(KEY);
    let page = ada.authorize(&request(), QUERY);
    let consent = page.ticket("/consent");
    let sign_out = page.ticket("/sign-out");
    let account = ada.get("/account").ticket("/account");
    let sign_in = ada.get("/sign-in").ticket("/sign-in");
    eve.sign_in(KEY);
    let of_eve = eve.authorize(&request(), QUERY).ticket("/consent");
    let mut tampered = consent.clone().into_bytes();
    let last = tampered.len() - 1;
    tampered[last] = if tampered[last] == b'A' { b'B' } else { b'A' };
    let tampered = String::from_utf8(tampered).unwrap();
    for wrong in [
        &sign_out, &account, &sign_in, &of_eve, &tampered, "", "v1.x.y",
    ] {
        let form = [
            ("ticket", wrong),
            ("decision", "allow"),
            ("allow:execution:read", "yes"),
        ];
        let page = ada.post("/consent", &form);
        assert_eq!(page.status, 400, "{wrong}");
        assert!(page.html.contains("Nothing was done"));
    }
    for wrong in [&consent, &account, &sign_out] {
        let page = ada.post("/sign-in", &[("ticket", wrong), ("key", KEY)]);
        assert_eq!(page.status, 400);
        let page = ada.post("/sign-in", &[("ticket", wrong), ("code", "123456")]);
        assert_eq!(page.status, 400);
    }
    for wrong in [&consent, &sign_out, &sign_in] {
        let form = [
            ("ticket", wrong.as_str()),
            ("action", "revoke_key"),
            ("id", "TOKEN-ada"),
        ];
        assert_eq!(ada.post("/account", &form).status, 400);
    }
    assert_eq!(ada.post("/sign-out", &[("ticket", &account)]).status, 400);
    world.clock.advance(TICKET_MS);
    let form = [
        ("ticket", consent.as_str()),
        ("decision", "allow"),
        ("allow:execution:read", "yes"),
    ];
    assert_eq!(ada.post("/consent", &form).status, 400);
    assert!(world.rows("SELECT * FROM oauth_grants").is_empty());
    assert_eq!(
        world
            .rows("SELECT * FROM api_tokens WHERE status = 'active'")
            .len(),
        1
    );
}

#[test]
fn a_consent_is_for_the_session_that_was_asked() {
    let world = world();
    let browser = visitor(&world);
    browser.sign_in(KEY);
    let ticket = browser.authorize(&request(), QUERY).ticket("/consent");
    browser.sign_in(KEY);
    let form = [
        ("ticket", ticket.as_str()),
        ("decision", "allow"),
        ("allow:execution:read", "yes"),
    ];
    assert_eq!(browser.post("/consent", &form).status, 400);
    browser.cookies.borrow_mut().remove("__Host-chitty-session");
    assert_eq!(browser.post("/consent", &form).status, 400);
    assert!(world.rows("SELECT * FROM oauth_grants").is_empty());
}

#[test]
fn forms_of_other_sites_do_nothing() {
    let world = world();
    let browser = visitor(&world);
    browser.sign_in(KEY);
    let page = browser.authorize(&request(), QUERY);
    let form = [
        ("ticket", &*page.ticket("/consent")),
        ("decision", "allow"),
        ("allow:execution:read", "yes"),
    ];
    for header in [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("sec-fetch-site", "none"),
        ("origin", "https://evil.test"),
        ("origin", "http://mcp.example.com"),
        ("origin", "https://mcp.example.com.evil.test"),
    ] {
        for path in ["/consent", "/sign-in", "/account", "/sign-out"] {
            let reply = browser.send("POST", path, "", &form, &[header]);
            assert_eq!(reply.status, 403, "{path} {header:?}");
        }
    }
    assert!(world.rows("SELECT * FROM oauth_grants").is_empty());
    assert_eq!(live_sessions(&world).len(), 1);
    for headers in [
        vec![],
        vec![("origin", "null")],
        vec![("origin", "https://mcp.example.com")],
        vec![("origin", "null"), ("sec-fetch-site", "same-origin")],
    ] {
        let reply = browser.send("POST", "/consent", "", &form, &headers);
        assert_ne!(reply.status, 403, "{headers:?}");
    }
    assert_eq!(world.rows("SELECT * FROM oauth_grants").len(), 4);
}

#[test]
fn forms_are_of_the_one_type_that_asks_for_no_leave() {
    let world = world();
    let browser = visitor(&world);
    let ticket = browser.get("/sign-in").ticket("/sign-in");
    let form = [("ticket", ticket.as_str()), ("key", KEY)];
    let cookie = format!(
        "__Host-chitty-browser={}",
        browser.cookie("browser").unwrap()
    );
    for kind in ["text/plain", "multipart/form-data", "application/json", ""] {
        let headers = vec![("cookie", cookie.as_str()), ("content-type", kind)];
        let body = Serializer::new(String::new()).extend_pairs(form).finish();
        let request = web("POST", "/sign-in", "", &headers, body.as_bytes());
        let reply = block_on(world.server.answer(&request)).unwrap();
        assert_eq!(reply.status, 400, "{kind}");
    }
    assert!(live_sessions(&world).is_empty());
}

#[test]
fn no_parameter_says_where_a_sign_in_leads() {
    let world = world();
    let browser = visitor(&world);
    for query in [
        "return=https://evil.test",
        "next=//evil.test",
        "return_to=%2F%2Fevil.test&redirect_uri=https://evil.test",
    ] {
        let page = browser.get(&format!("/sign-in?{query}"));
        let ticket = page.ticket("/sign-in");
        let form = [
            ("ticket", ticket.as_str()),
            ("key", KEY),
            ("return", "https://evil.test"),
        ];
        let done = browser.send("POST", "/sign-in", query, &form, &[]);
        assert_eq!(done.location.as_deref(), Some("/account"), "{query}");
    }
    let page = browser.authorize(&request(), "x=/%0d%0aset-cookie:a=b&y=//evil.test\\");
    let ticket = page.ticket("/sign-out");
    let done = browser.post("/sign-out", &[("ticket", &ticket)]);
    let location = done.location.unwrap();
    assert!(location.starts_with("/authorize?x=%2F%0D%0A"), "{location}");
    assert!(location.is_ascii() && !location.contains(['\r', '\n', '\\']));
}
