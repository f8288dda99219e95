use super::*;
use totp_rs::{Algorithm, TOTP};

/// The code for the secret that the account page shows.
fn code(html: &str, now_ms: i64) -> String {
    let secret = html.split("<code>").find_map(|part| {
        let text = part.split("</code>").next()?.replace(' ', "");
        (text.len() == 32
            && text
                .bytes()
                .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit()))
        .then_some(text)
    });
    let secret = totp_rs::Secret::Encoded(secret.unwrap())
        .to_bytes()
        .unwrap();
    let totp = TOTP::new_unchecked(Algorithm::SHA1, 6, 0, 30, secret);
    totp.generate(u64::try_from(now_ms / 1000).unwrap())
}

fn now(world: &World) -> i64 {
    use crate::ports::Clock;
    world.clock.now_ms()
}

fn act(browser: &Visitor<'_>, action: &str, code: &str) -> Seen {
    let ticket = browser.get("/account").ticket("/account");
    let form = [
        ("ticket", ticket.as_str()),
        ("action", action),
        ("code", code),
    ];
    browser.post("/account", &form)
}

/// The page with the secret.
fn enrol(world: &World, browser: &Visitor<'_>) -> String {
    browser.sign_in(KEY);
    act(browser, "start_totp", "");
    let html = browser.get("/account").html;
    assert!(html.contains("<svg class=\"qr\""));
    let done = act(browser, "confirm_totp", &code(&html, now(world)));
    assert_eq!(done.location.as_deref(), Some("/account?done=confirm_totp"));
    world.clock.advance(30_000);
    html
}

#[test]
fn the_code_is_asked_for_after_the_key_and_counts_once() {
    let world = world();
    let browser = visitor(&world);
    let secret = enrol(&world, &browser);
    let other = visitor(&world);
    let step = other.sign_in(KEY);
    assert!(step.html.contains("Enter your code"));
    assert_eq!(other.cookie("session"), None);
    let ticket = step.ticket("/sign-in");
    let right = code(&secret, now(&world));
    let wrong = if right == "000000" {
        "000001"
    } else {
        "000000"
    };
    let page = other.post("/sign-in", &[("ticket", &ticket), ("code", wrong)]);
    assert_eq!(page.status, 403);
    let page = browser.post("/sign-in", &[("ticket", &ticket), ("code", &right)]);
    assert_eq!(page.status, 400, "another browser");
    let done = other.post("/sign-in", &[("ticket", &ticket), ("code", &right)]);
    assert_eq!(done.status, 303);
    let sessions = world.rows("SELECT * FROM login_sessions WHERE second_factor = 1");
    assert_eq!(sessions.len(), 2);
    let third = visitor(&world);
    let ticket = third.sign_in(KEY).ticket("/sign-in");
    let page = third.post("/sign-in", &[("ticket", &ticket), ("code", &right)]);
    assert_eq!(page.status, 403, "used");
    assert_eq!(third.cookie("session"), None);
    assert!(world.refusals().contains(&"sign_in wrong_code".to_owned()));
}

#[test]
fn codes_cannot_be_tried_at_will() {
    let world = world();
    let browser = visitor(&world);
    let secret = enrol(&world, &browser);
    let other = visitor(&world);
    let ticket = other.sign_in(KEY).ticket("/sign-in");
    let right = code(&secret, now(&world));
    let wrong = if right == "000000" {
        "000001"
    } else {
        "000000"
    };
    // One of the ten was the confirmation.
    for _ in 0..9 {
        other.post("/sign-in", &[("ticket", &ticket), ("code", wrong)]);
    }
    let page = other.post("/sign-in", &[("ticket", &ticket), ("code", &right)]);
    assert_eq!(page.status, 403);
    assert!(page.html.contains("Too many tries"));
    assert_eq!(other.cookie("session"), None);
}

#[test]
fn patience_does_not_help_who_tries_codes() {
    const WINDOW_MS: i64 = 5 * 60 * 1000;
    let world = world();
    let browser = visitor(&world);
    let secret = enrol(&world, &browser);
    let other = visitor(&world);
    let attempt = |code: &str| {
        let ticket = other.sign_in(KEY).ticket("/sign-in");
        other.post("/sign-in", &[("ticket", &ticket), ("code", code)])
    };
    // One of the hundred was the confirmation.
    for tried in 1..100 {
        let right = code(&secret, now(&world));
        let wrong = if right == "000000" {
            "000001"
        } else {
            "000000"
        };
        assert!(attempt(wrong).html.contains("not accepted"), "{tried}");
        if tried % 9 == 0 {
            world.clock.advance(WINDOW_MS);
        }
    }
    world.clock.advance(WINDOW_MS);
    let page = attempt(&code(&secret, now(&world)));
    assert_eq!(page.status, 403);
    assert!(
        page.html.contains("Too many tries. Wait 23 hours"),
        "{}",
        page.html
    );
    assert_eq!(other.cookie("session"), None);
    world.clock.advance(23 * 60 * 60 * 1000);
    assert_eq!(attempt(&code(&secret, now(&world))).status, 303);
}

#[test]
fn the_secret_is_sealed_and_goes_when_nobody_confirms_it() {
    let world = world();
    let browser = visitor(&world);
    browser.sign_in(KEY);
    act(&browser, "start_totp", "");
    let stored = world.rows("SELECT * FROM credentials")[0]
        .text("secret")
        .unwrap();
    assert!(stored.starts_with("v1."));
    assert_eq!(act(&browser, "confirm_totp", "000000").status, 403);
    assert_eq!(visitor(&world).sign_in(KEY).status, 303, "not yet on");
    world.clock.advance(16 * 60 * 1000);
    assert!(!browser.get("/account").html.contains("class=\"qr\""));
    assert!(
        browser
            .get("/account")
            .html
            .contains("value=\"start_totp\"")
    );
}

#[test]
fn turning_it_off_takes_a_code_and_another_cannot_replace_it() {
    let world = world();
    let browser = visitor(&world);
    let secret = enrol(&world, &browser);
    let before = world.rows("SELECT * FROM credentials")[0]
        .text("secret")
        .unwrap();
    assert_eq!(act(&browser, "start_totp", "").status, 409);
    assert_eq!(
        world.rows("SELECT * FROM credentials")[0]
            .text("secret")
            .unwrap(),
        before
    );
    assert_eq!(act(&browser, "remove_totp", "000000").status, 403);
    let done = act(&browser, "remove_totp", &code(&secret, now(&world)));
    assert_eq!(done.status, 303);
    assert!(world.rows("SELECT * FROM credentials").is_empty());
}

#[test]
fn where_it_is_required_nothing_else_is_open_before() {
    let world = world_with(Settings {
        require_second_factor: true,
        ..settings()
    });
    let browser = visitor(&world);
    browser.sign_in(KEY);
    let page = browser.authorize(&request(), QUERY);
    assert!(page.html.contains("Set up a second factor first"));
    let account = browser.get("/account");
    assert!(!account.html.contains("Your keys"));
    let ticket = account.ticket("/account");
    let form = [
        ("ticket", ticket.as_str()),
        ("action", "revoke_key"),
        ("id", "TOKEN-ada"),
    ];
    assert_eq!(browser.post("/account", &form).status, 400);
    act(&browser, "start_totp", "");
    let html = browser.get("/account").html;
    act(&browser, "confirm_totp", &code(&html, now(&world)));
    assert!(
        browser
            .authorize(&request(), QUERY)
            .html
            .contains("Allow An")
    );
    assert!(browser.get("/account").html.contains("Your keys"));
}

#[test]
fn turning_it_on_signs_out_the_persons_other_browsers() {
    const BOBS: &str = "chitty_key_b0b0456789abcdef0123456789abcdef";
    let world = world();
    admit(&world, "TOKEN-bob", "bob", BOBS, &["chain:verify"]);
    let (thief, bob, ada) = (visitor(&world), visitor(&world), visitor(&world));
    thief.sign_in(KEY);
    bob.sign_in(BOBS);
    ada.sign_in(KEY);
    act(&ada, "start_totp", "");
    assert_eq!(act(&ada, "confirm_totp", "000000").status, 403);
    assert_eq!(live_sessions(&world).len(), 3, "a wrong code ends nothing");
    let html = ada.get("/account").html;
    act(&ada, "confirm_totp", &code(&html, now(&world)));
    assert!(ada.get("/account").html.contains("Your account"));
    assert!(bob.get("/account").html.contains("Your account"));
    assert!(thief.get("/account").html.contains("Your key"));
    assert_eq!(live_sessions(&world).len(), 2);
}

#[test]
fn a_session_that_owes_the_code_cannot_enrol_another() {
    let world = world_with(Settings {
        require_second_factor: true,
        ..settings()
    });
    let browser = visitor(&world);
    enrol(&world, &browser);
    run(&world, "UPDATE login_sessions SET second_factor = 0");
    let secret = || world.rows("SELECT secret FROM credentials")[0].text("secret");
    let before = secret().unwrap();
    assert_eq!(act(&browser, "start_totp", "").status, 409);
    assert_eq!(act(&browser, "confirm_totp", "000000").status, 403);
    assert_eq!(secret().unwrap(), before);
}
