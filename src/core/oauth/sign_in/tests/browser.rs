use super::*;

#[test]
fn a_key_opens_a_session_and_leads_back_to_the_request() {
    let world = world();
    let browser = visitor(&world);
    let page = browser.authorize(&request(), QUERY);
    assert_eq!(page.status, 200);
    assert!(page.html.contains("An &lt;App&gt;") && page.html.contains("app.test"));
    assert!(
        page.html
            .contains("type=\"password\" name=\"key\" autocomplete=\"current-password\"")
    );
    let ticket = page.ticket("/sign-in");
    let done = browser.post("/sign-in", &[("ticket", &ticket), ("key", KEY)]);
    assert_eq!(done.status, 303);
    assert_eq!(
        done.location.as_deref(),
        Some("/authorize?client_id=app&state=s")
    );
    assert_eq!(done.cookies.len(), 1);
    assert!(done.cookies[0].starts_with("__Host-chitty-session="));
    assert!(done.cookies[0].ends_with("; Path=/; HttpOnly; SameSite=Lax; Max-Age=43200; Secure"));
    let row = &live_sessions(&world)[0];
    assert_eq!(row.text("user_id").unwrap(), "ada");
    assert_eq!(row.text("token_id").unwrap(), "TOKEN-ada");
    let scopes = row.json("scopes").unwrap();
    assert_eq!(
        scopes,
        serde_json::json!(["chain:verify", "execution:read", "execution:run"])
    );
    let cookie = browser.cookie("session").unwrap();
    assert_ne!(row.text("id").unwrap(), cookie);
    let page = browser.authorize(&request(), QUERY);
    assert!(
        page.html
            .contains("Allow An &lt;App&gt; to use your account?")
    );
}

#[test]
fn allowing_grants_what_is_ticked_and_the_person_has() {
    let world = world();
    let browser = visitor(&world);
    browser.sign_in(KEY);
    let page = browser.authorize(&request(), QUERY);
    assert!(!page.html.contains("allow:admin:*"));
    assert!(!page.html.contains("allow:offline_access"));
    let ticket = page.ticket("/consent");
    let form = [
        ("ticket", ticket.as_str()),
        ("decision", "allow"),
        ("allow:execution:read", "yes"),
        ("allow:openid", "yes"),
        ("allow:admin:*", "yes"),
        ("allow:fortress:execute", "yes"),
    ];
    let done = browser.post("/consent", &form);
    assert_eq!(done.status, 303);
    let location = done.location.unwrap();
    assert!(location.starts_with("https://app.test/cb?code=chitty_code_"));
    assert!(location.contains("&state=s&iss=https%3A%2F%2Fmcp.example.com"));
    let grants = world.rows("SELECT * FROM oauth_grants");
    assert_eq!(grants.len(), 1);
    let granted = grants[0].json("scopes").unwrap();
    assert_eq!(
        granted,
        serde_json::json!(["execution:read", "offline_access", "openid"])
    );
    assert_eq!(grants[0].text("user_id").unwrap(), "ada");
    assert_eq!(grants[0].text("token_id").unwrap(), "TOKEN-ada");
    assert_eq!(grants[0].text("resource").unwrap(), request().resource);
    assert_eq!(
        world.rows("SELECT * FROM oauth_authorization_codes").len(),
        1
    );
    let again = browser.authorize(&request(), QUERY);
    assert!(again.html.contains("Allow An"), "asked each time");
}

#[test]
fn denying_or_ticking_nothing_grants_nothing() {
    let world = world();
    let browser = visitor(&world);
    browser.sign_in(KEY);
    let page = browser.authorize(&request(), QUERY);
    let ticket = page.ticket("/consent");
    let none = browser.post("/consent", &[("ticket", &ticket), ("decision", "allow")]);
    assert!(none.html.contains("Nothing is ticked"));
    let ticket = none.ticket("/consent");
    let form = [
        ("ticket", ticket.as_str()),
        ("decision", "deny"),
        ("allow:execution:read", "yes"),
    ];
    let done = browser.post("/consent", &form);
    let location = done.location.unwrap();
    assert!(location.starts_with("https://app.test/cb?error=access_denied&"));
    let form = [("ticket", ticket.as_str()), ("allow:execution:read", "yes")];
    assert_eq!(browser.post("/consent", &form).status, 400);
    assert!(world.rows("SELECT * FROM oauth_grants").is_empty());
    let refusals = ["consent denied_by_user", "page stale_or_malformed"];
    assert_eq!(world.refusals(), refusals);
}

#[test]
fn each_sign_in_has_a_session_of_its_own_and_the_one_before_ends() {
    let world = world();
    let browser = visitor(&world);
    let planted = "a".repeat(64);
    let name = "__Host-chitty-session".to_owned();
    browser.cookies.borrow_mut().insert(name, planted.clone());
    browser.sign_in(KEY);
    let first = browser.cookie("session").unwrap();
    assert_ne!(first, planted);
    browser.sign_in(KEY);
    assert_ne!(browser.cookie("session").unwrap(), first);
    assert_eq!(live_sessions(&world).len(), 1);
    let other = visitor(&world);
    other
        .cookies
        .borrow_mut()
        .insert("__Host-chitty-session".into(), first);
    assert!(other.get("/account").html.contains("Your key"));
}

#[test]
fn a_session_ends_with_time_its_key_and_its_person() {
    let ends: [fn(&World); 4] = [
        |world| world.clock.advance(crate::oauth::settings::LOGIN_MS),
        |world| run(world, "UPDATE api_tokens SET status = 'revoked'"),
        |world| run(world, "UPDATE api_tokens SET expires_at = 1"),
        |world| {
            run(
                world,
                "INSERT INTO identities (id, status, created_at, updated_at) VALUES ('ada', 'suspended', 1, 1)",
            );
        },
    ];
    for end in ends {
        let world = world();
        let browser = visitor(&world);
        browser.sign_in(KEY);
        assert!(browser.get("/account").html.contains("Your account"));
        end(&world);
        assert!(browser.get("/account").html.contains("Your key"));
    }
}

#[test]
fn only_keys_of_people_open_a_session() {
    let world = world();
    let service = "chitty_service_0123456789abcdef0123456789abcdef";
    admit(&world, "TOKEN-s", "robot", service, &["admin:*"]);
    run(
        &world,
        "UPDATE api_tokens SET expires_at = created_at + 1000 WHERE id = 'TOKEN-s'",
    );
    let late = "chitty_key_ffff456789abcdef0123456789abcdef";
    admit(&world, "TOKEN-e", "eve", late, &["admin:*"]);
    run(
        &world,
        "INSERT INTO identities (id, status, created_at, updated_at) VALUES ('eve', 'suspended', 1, 1)",
    );
    let browser = visitor(&world);
    for key in [
        service,
        late,
        "",
        "x",
        "a.b.c",
        &format!("{KEY}0"),
        "' OR 1=1 --",
    ] {
        let page = browser.sign_in(key);
        assert_eq!(page.status, 403, "{key}");
        assert!(page.html.contains("That key was not accepted"));
        assert!(key.is_empty() || key == "x" || !page.html.contains(key));
        assert_eq!(browser.cookie("session"), None);
    }
    assert!(live_sessions(&world).is_empty());
    let refusals = world.refusals();
    for wanted in [
        "sign_in service_key",
        "authenticate inactive",
        "sign_in malformed",
        "authenticate unknown",
    ] {
        assert!(
            refusals.iter().any(|refusal| refusal == wanted),
            "{wanted}: {refusals:?}"
        );
    }
}

#[test]
fn an_address_may_try_ten_wrong_keys_in_five_minutes() {
    let world = world();
    let browser = visitor(&world);
    for _ in 0..10 {
        assert_eq!(browser.sign_in("x").status, 403);
    }
    let refused = browser.sign_in("x");
    assert_eq!(refused.status, 429);
    assert!(refused.html.contains("Wait 5 minutes"));
    assert!(live_sessions(&world).is_empty());
    browser.address.set("192.0.2.2");
    assert_eq!(browser.sign_in("x").status, 403);
    browser.address.set("192.0.2.1");
    world.clock.advance(5 * 60 * 1000);
    assert_eq!(browser.sign_in("x").status, 403);
}

#[test]
fn good_keys_sign_in_whatever_others_of_their_address_try() {
    let world = world();
    let browser = visitor(&world);
    for _ in 0..20 {
        browser.sign_in("x");
    }
    for _ in 0..20 {
        assert_eq!(browser.sign_in(KEY).status, 303);
    }
}

#[test]
fn prompt_login_and_max_age_ask_once_each_request() {
    let world = world();
    let browser = visitor(&world);
    browser.sign_in(KEY);
    let again = AuthorizationRequest {
        sign_in_again: true,
        max_age: Some(0),
        ..request()
    };
    world.clock.advance(5000);
    let page = browser.authorize(&again, QUERY);
    assert!(page.html.contains("asks that you sign in again"));
    let ticket = page.ticket("/sign-in");
    let done = browser.post("/sign-in", &[("ticket", &ticket), ("key", KEY)]);
    let (path, query) = done
        .location
        .as_deref()
        .unwrap()
        .split_once('?')
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .unwrap();
    assert_eq!(path, "/authorize");
    world.clock.advance(2000);
    assert!(browser.authorize(&again, &query).html.contains("Allow An"));
    // The marker is for that request, that session and ten minutes.
    let other = query.replace("state=s", "state=other");
    assert!(browser.authorize(&again, &other).html.contains("Your key"));
    assert!(browser.authorize(&again, QUERY).html.contains("Your key"));
    browser.sign_in(KEY);
    world.clock.advance(1000);
    assert!(browser.authorize(&again, &query).html.contains("Your key"));
    let hour = AuthorizationRequest {
        max_age: Some(3600),
        ..request()
    };
    assert!(browser.authorize(&hour, QUERY).html.contains("Allow An"));
    world.clock.advance(3_600_000);
    assert!(browser.authorize(&hour, QUERY).html.contains("Your key"));
}

#[test]
fn another_account_ends_the_session_and_comes_back() {
    let world = world();
    let browser = visitor(&world);
    browser.sign_in(KEY);
    let page = browser.authorize(&request(), QUERY);
    let ticket = page.ticket("/sign-out");
    let done = browser.post("/sign-out", &[("ticket", &ticket)]);
    assert_eq!(
        done.location.as_deref(),
        Some("/authorize?client_id=app&state=s")
    );
    assert_eq!(browser.cookie("session"), None);
    assert!(live_sessions(&world).is_empty());
}

#[test]
fn over_plain_http_cookies_have_no_prefix() {
    let mut world = world_with(Settings {
        issuer: None,
        development: true,
        ..settings()
    });
    world.server.origin = "http://localhost:8787".into();
    let page = visitor(&world).get("/sign-in");
    assert!(page.cookies[0].starts_with("chitty-browser="));
    assert!(!page.cookies[0].contains("Secure"));
}

#[test]
fn a_request_too_long_to_keep_is_said_so() {
    let world = world();
    let page = visitor(&world).authorize(&request(), &format!("state={}", "s".repeat(6000)));
    assert_eq!(page.status, 414);
}
