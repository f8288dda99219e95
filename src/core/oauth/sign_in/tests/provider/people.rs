//! Who may come in, and as whom.

use super::*;

#[test]
fn a_person_is_one_row_with_roles_that_are_the_operators() {
    let provider = provider();
    let world = upstream_world(&provider);
    let before = visitor(&world);
    assert_eq!(come_back(&provider, &before).status, 303);
    let row = &world.rows("SELECT * FROM identities")[0];
    assert_eq!(row.text("name").unwrap(), "Ada <b>");
    assert_eq!(row.json("roles").unwrap(), json!(["analyst"]));
    let id = row.text("id").unwrap();
    let session = &live_sessions(&world)[0];
    assert_eq!(session.text("user_id").unwrap(), id);
    assert_eq!(session.opt_text("token_id").unwrap(), None);
    assert!(
        session
            .json("scopes")
            .unwrap()
            .to_string()
            .contains("execution:run")
    );
    run(&world, "UPDATE identities SET roles = '[\"reader\"]'");
    let page = before.authorize(&request(), QUERY);
    assert!(
        !page.html.contains("allow:execution:run"),
        "in open browsers"
    );
    provider.set("email", json!("ada@new.example"));
    provider.set("nonce", Value::Null);
    let browser = visitor(&world);
    assert_eq!(come_back(&provider, &browser).status, 303);
    let rows = world.rows("SELECT * FROM identities");
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].text("id").unwrap(), id);
    assert_eq!(rows[0].text("email").unwrap(), "ada@new.example");
    let page = browser.authorize(&request(), QUERY);
    assert!(page.html.contains("Ada &lt;b&gt;") && !page.html.contains("allow:execution:run"));
    provider.set("sub", json!("43"));
    provider.set("nonce", Value::Null);
    come_back(&provider, &visitor(&world));
    assert_eq!(world.rows("SELECT * FROM identities").len(), 2);
}

#[test]
fn a_suspended_person_is_not_let_in() {
    let provider = provider();
    let world = upstream_world(&provider);
    come_back(&provider, &visitor(&world));
    run(&world, "UPDATE identities SET status = 'suspended'");
    run(&world, "DELETE FROM login_sessions");
    provider.set("nonce", Value::Null);
    let page = come_back(&provider, &visitor(&world));
    assert_eq!(page.status, 403);
    assert!(page.html.contains("suspended"));
    assert!(live_sessions(&world).is_empty());
}

#[test]
fn only_verified_addresses_of_the_allowed_domains_come_in() {
    for (email, verified, enters) in [
        ("ada@Example.org", true, true),
        ("ada@example.org", false, false),
        ("ada@sub.example.org", true, false),
        ("ada@notexample.org", true, false),
        ("ada@example.org@evil.example", true, false),
        ("example.org", true, false),
    ] {
        let provider = provider();
        provider.set("email", json!(email));
        provider.set("email_verified", json!(verified));
        let mut world = upstream_world(&provider);
        let mut settings = Settings::clone(&world.server.settings);
        let upstream = settings.upstream.as_mut().unwrap();
        upstream.allowed_domains = vec!["example.org".into()];
        world.server.settings = Rc::new(settings);
        let browser = visitor(&world);
        let seen = come_back(&provider, &browser);
        assert_eq!(seen.status != 403, enters, "{email} {verified}");
        let people = world.rows("SELECT id FROM identities");
        assert_eq!(people.len(), usize::from(enters), "{email} {verified}");
    }
}

#[test]
fn factors_used_there_count_and_ours_is_asked_for_all_the_same() {
    let provider = provider();
    let world = upstream_world(&provider);
    provider.set("amr", json!(["pwd", "mfa"]));
    assert_eq!(come_back(&provider, &visitor(&world)).status, 303);
    let row = &live_sessions(&world)[0];
    assert!(row.boolean("second_factor").unwrap());
    run(
        &world,
        "INSERT INTO credentials (id, user_id, kind, secret, confirmed_at, created_at)
         SELECT 'c', id, 'totp', 'v1.x', 1, 1 FROM identities",
    );
    provider.set("nonce", Value::Null);
    let browser = visitor(&world);
    assert!(
        come_back(&provider, &browser)
            .html
            .contains("Enter your code")
    );
    assert_eq!(browser.cookie("session"), None);
}
