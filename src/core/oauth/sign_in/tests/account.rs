use super::*;

const OTHER: &str = "chitty_key_eeee456789abcdef0123456789abcdef";

fn act(browser: &Visitor<'_>, action: &str, id: &str) -> Seen {
    let ticket = browser.get("/account").ticket("/account");
    let form = [("ticket", ticket.as_str()), ("action", action), ("id", id)];
    browser.post("/account", &form)
}

fn grant(world: &World, id: &'static str, user: &'static str) {
    let statement = Statement::new(
        "INSERT INTO oauth_grants (id, kind, user_id, client_id, client_name, resource, scopes,
            token_id, created_at, expires_at, last_used_at)
         VALUES (?1, 'code', ?2, 'app', 'Some <b>App</b>', 'https://mcp.example.com/mcp',
            '[\"execution:read\"]', 'TOKEN-' || ?2, ?3, ?4, ?3)",
    )
    .bind(id)
    .bind(user)
    .timestamp(NOW)
    .timestamp(NOW + 1_000_000);
    block_on(world.database.run(statement)).unwrap();
}

#[test]
fn people_see_and_end_what_is_theirs_and_nothing_else() {
    let world = world();
    admit(&world, "TOKEN-eve", "eve", OTHER, &["admin:*"]);
    grant(&world, "of-ada", "ada");
    grant(&world, "of-eve", "eve");
    let (ada, eve) = (visitor(&world), visitor(&world));
    ada.sign_in(KEY);
    eve.sign_in(OTHER);
    let html = ada.get("/account").html;
    assert!(html.contains("Some &lt;b&gt;App&lt;/b&gt;"));
    assert!(html.contains("See your executions and search your records"));
    assert!(html.contains("of-ada") && !html.contains("of-eve"));
    assert!(html.contains("TOKEN-ada") && !html.contains("TOKEN-eve"));
    let of_eve = world.rows("SELECT id FROM login_sessions WHERE user_id = 'eve'")[0]
        .text("id")
        .unwrap();
    for (action, id) in [
        ("revoke_grant", "of-eve"),
        ("revoke_key", "TOKEN-eve"),
        ("end_session", of_eve.as_str()),
        ("revoke_grant", ""),
    ] {
        assert_eq!(act(&ada, action, id).status, 404, "{action} {id}");
    }
    assert_eq!(act(&ada, "unheard_of", "x").status, 400);
    assert_eq!(
        world
            .rows("SELECT * FROM oauth_grants WHERE revoked_at IS NULL")
            .len(),
        2
    );
    let done = act(&ada, "revoke_grant", "of-ada");
    assert_eq!(done.location.as_deref(), Some("/account?done=revoke_grant"));
    let revoked = world.rows("SELECT * FROM oauth_grants WHERE revoked_at IS NOT NULL");
    assert_eq!(revoked[0].text("id").unwrap(), "of-ada");
    assert!(
        ada.get("/account?done=revoke_grant")
            .html
            .contains("may not use your account any more")
    );
    assert!(!ada.get("/account?done=%3Ci%3E").html.contains("<i>"));
}

#[test]
fn an_app_and_the_row_of_its_end_go_together() {
    let world = world();
    let ada = visitor(&world);
    ada.sign_in(KEY);
    grant(&world, "of-ada", "ada");
    world.background.run_all();
    let rows = || {
        world.rows(
            "SELECT * FROM audit_logs WHERE action = 'account_revoke_grant' AND outcome = 'allow'",
        )
    };
    assert_eq!(act(&ada, "revoke_grant", "of-ada").status, 303);
    assert_eq!(rows().len(), 1, "before anything ran in the background");
    assert_eq!(rows()[0].text("resource_id").unwrap(), "of-ada");
    assert_eq!(rows()[0].text("user_id").unwrap(), "ada");
    assert_eq!(act(&ada, "revoke_grant", "of-ada").status, 404);
    world.background.run_all();
    assert_eq!(rows().len(), 1);
    grant(&world, "other", "ada");
    run(&world, "ALTER TABLE audit_logs RENAME TO away");
    assert_eq!(act(&ada, "revoke_grant", "other").status, 503);
    let live = world.rows("SELECT id FROM oauth_grants WHERE revoked_at IS NULL");
    assert_eq!(live.len(), 1, "what cannot be told is not done");
}

#[test]
fn an_app_is_shown_with_what_the_persons_roles_leave_it() {
    const RUNS: &str = "run executions";
    let world = world();
    run(
        &world,
        "INSERT INTO identities (id, roles, created_at, updated_at)
         VALUES ('ada', '[\"analyst\"]', 0, 0)",
    );
    let ada = visitor(&world);
    ada.sign_in(KEY);
    grant(&world, "by-roles", "ada");
    let shown = || {
        let html = ada.get("/account").html;
        let of_grant = html.split("Some &lt;b&gt;App").nth(1).unwrap().to_owned();
        of_grant.split("</li>").next().unwrap().to_owned()
    };
    run(
        &world,
        "UPDATE oauth_grants SET token_id = NULL, scopes = '[\"execution:read\",\"execution:run\",\"email\"]'",
    );
    assert!(shown().contains(RUNS), "{}", shown());
    run(&world, "UPDATE identities SET roles = '[\"reader\"]'");
    assert!(!shown().contains(RUNS));
    assert!(shown().contains("ee your executions"), "{}", shown());
    run(&world, "UPDATE oauth_grants SET token_id = 'TOKEN-ada'");
    assert!(shown().contains(RUNS), "a key's own scopes bound that one");
}

#[test]
fn other_keys_are_revoked_only_by_one_that_manages_keys() {
    let world = world();
    admit(&world, "TOKEN-2", "ada", OTHER, &["token:manage"]);
    let browser = visitor(&world);
    browser.sign_in(KEY);
    assert!(
        browser
            .get("/account")
            .html
            .contains("sign in with one that may manage keys")
    );
    assert_eq!(act(&browser, "revoke_key", "TOKEN-2").status, 404);
    let manager = visitor(&world);
    manager.sign_in(OTHER);
    assert_eq!(act(&manager, "revoke_key", "TOKEN-ada").status, 303);
    assert!(
        browser.get("/account").html.contains("Your key"),
        "its session ended too"
    );
    assert_eq!(
        act(&manager, "revoke_key", "TOKEN-2").status,
        303,
        "its own"
    );
}

#[test]
fn other_browsers_are_signed_out_from_here() {
    let world = world();
    let (laptop, phone) = (visitor(&world), visitor(&world));
    laptop.sign_in(KEY);
    phone.sign_in(KEY);
    let cookie = phone.cookie("session").unwrap();
    let id = hex::encode(Sha256::digest(cookie));
    assert_eq!(act(&laptop, "end_session", &id).status, 303);
    assert!(phone.get("/account").html.contains("Your key"));
    assert!(laptop.get("/account").html.contains("Your account"));
    let ticket = laptop.get("/account").ticket("/sign-out");
    let done = laptop.post("/sign-out", &[("ticket", &ticket)]);
    assert_eq!(done.location.as_deref(), Some("/sign-in"));
    assert!(live_sessions(&world).is_empty());
}

#[test]
fn a_database_that_is_away_is_said_so_and_nothing_is_granted() {
    let world = world();
    let browser = visitor(&world);
    browser.sign_in(KEY);
    run(&world, "ALTER TABLE login_sessions RENAME TO away");
    let page = browser.get("/account");
    assert_eq!(page.status, 503);
    assert!(page.html.contains("Wait a few seconds") && page.html.contains("req-1"));
    assert!(!page.html.contains("login_sessions"));
}

#[test]
fn keys_that_others_than_administrators_made_do_not_sign_in() {
    let world = world();
    let text = |n: usize| format!("chitty_key_{n:0>32}");
    admit(&world, "TOKEN-root", "root", &text(9), &["admin:*"]);
    admit(&world, "TOKEN-helper", "bob", &text(8), &["delegation:act"]);
    // Who made each, and whether it signs in.
    let keys = [
        ("a1", "TOKEN-ada", true),
        ("a2", "a1", true),
        ("by_root", "TOKEN-root", true),
        ("of_that", "by_root", true),
        ("by_helper", "TOKEN-helper", false),
        ("of_this", "by_helper", false),
        ("by_app", "GRANT-1", false),
    ];
    for (n, (key, maker, may)) in keys.into_iter().enumerate() {
        let text = text(n);
        admit(&world, key, "ada", &text, &["token:manage"]);
        let made = Statement::new("UPDATE api_tokens SET created_by = ?1 WHERE id = ?2");
        block_on(world.database.run(made.bind(maker).bind(key))).unwrap();
        let browser = visitor(&world);
        let page = browser.sign_in(&text);
        assert_eq!(page.status, if may { 303 } else { 403 }, "{key}");
        assert_eq!(browser.cookie("session").is_some(), may, "{key}");
        assert_eq!(
            page.html.contains("somebody but an administrator made"),
            !may
        );
    }
    let refusals = world.refusals();
    let told = |row: &&String| *row == "sign_in made_by_others";
    assert_eq!(refusals.iter().filter(told).count(), 3);
}

#[test]
fn no_client_is_offered_to_manage_keys() {
    let world = world();
    admit(&world, "TOKEN-2", "ada", OTHER, &["admin:*"]);
    let browser = visitor(&world);
    browser.sign_in(OTHER);
    let asked = AuthorizationRequest {
        scopes: Scopes::new(["token:manage", "execution:read"]),
        ..request()
    };
    let html = browser.authorize(&asked, QUERY).html;
    assert!(html.contains("allow:execution:read") && !html.contains("allow:token:manage"));
    assert!(browser.get("/account").html.contains("Revoke"));
}
