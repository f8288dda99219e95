//! Who comes in, and what is looked at before what.

use super::*;

#[test]
fn a_token_and_a_statement_both_lead_in() {
    let world = World::new();
    let ann = world.send(&post(&[("authorization", TOKEN)]));
    assert_eq!(ann.status, 200, "{}", ann.body);
    assert_eq!(ann.json()["structuredContent"]["user_id"], "ann");
    let statement = said("fortress", &["chitty:read"]);
    let bob = world.send(&post(&[(assertion::HEADER, &statement)]));
    assert_eq!(
        bob.json()["structuredContent"]["user_id"],
        "bob",
        "{}",
        bob.body
    );
}

#[test]
fn who_is_refused_has_no_body_read() {
    let world = World::new();
    let missing = world.refuses(&post(&[]), 401);
    assert_eq!(missing.json()["error"]["code"], "MISSING_CREDENTIAL");
    assert_eq!(
        missing.header("www-authenticate").as_deref(),
        Some("Bearer")
    );
    let unknown = TOKEN.replace("00112233", "ffffffff");
    for credential in [unknown.as_str(), "Basic eDp5", "Bearer", ""] {
        let got = world.refuses(&post(&[("authorization", credential)]), 401);
        assert!(got.header("www-authenticate").is_some(), "{credential}");
        assert!(!got.body.contains("ffffffff"));
    }
}

#[test]
fn an_address_that_keeps_guessing_is_told_to_wait() {
    let world = World::new();
    let guess = [
        ("authorization", "Bearer guess"),
        ("cf-connecting-ip", "192.0.2.1"),
    ];
    for _ in 0..30 {
        world.refuses(&post(&guess), 401);
    }
    let got = world.refuses(&post(&guess), 429);
    assert_eq!(got.json()["error"]["code"], "RATE_LIMITED");
    assert_eq!(got.header("retry-after").as_deref(), Some("60"));
    assert_eq!(got.header("www-authenticate"), None);
    let good = [("authorization", TOKEN), ("cf-connecting-ip", "192.0.2.1")];
    assert_eq!(world.send(&post(&good)).status, 200);
}

#[test]
fn the_origin_is_judged_before_the_caller() {
    let world = World::new();
    let foreign = ("origin", "https://evil.example");
    world.refuses(&post(&[foreign]), 403);
    let got = world.refuses(&post(&[foreign, ("authorization", TOKEN)]), 403);
    assert_eq!(got.header("access-control-allow-origin"), None);
    let host = Sent {
        host: "rebound.example",
        ..post(&[("authorization", TOKEN)])
    };
    world.refuses(&host, 403);
    let page = post(&[("origin", "https://chatgpt.com"), ("authorization", TOKEN)]);
    let got = world.send(&page);
    assert_eq!(got.status, 200);
    let allowed = got.header("access-control-allow-origin");
    assert_eq!(allowed.as_deref(), Some("https://chatgpt.com"));
    // A page may read why it was refused, if it may call at all.
    let got = world.refuses(&post(&[("origin", "https://chatgpt.com")]), 401);
    assert!(got.header("access-control-allow-origin").is_some());
}

#[test]
fn a_statement_passes_the_origin_check_and_no_other() {
    let world = World::new();
    let good = said("fortress", &["chitty:read"]);
    let inside = Sent {
        host: "fortress.internal",
        ..post(&[(assertion::HEADER, &good)])
    };
    assert_eq!(world.send(&inside).status, 200);
    let forged = good.replace("v1.", "v1.x");
    let tampered = format!("{}A", &good[..good.len() - 1]);
    let elsewhere = said("chatgpt", &["chitty:read"]);
    for bad in [forged.as_str(), &tampered, &elsewhere, "", "v1"] {
        // A good token beside it does not help: the statement is what is judged.
        let sent = post(&[
            (assertion::HEADER, bad),
            ("authorization", TOKEN),
            ("origin", "https://evil.example"),
        ]);
        let got = world.refuses(&sent, 401);
        assert_eq!(got.json()["error"]["code"], "AUTHENTICATION_FAILED");
        assert_eq!(got.header("access-control-allow-origin"), None);
    }
    let warned = world.log.0.borrow().len();
    assert!(warned >= 5, "{warned}");
    let short = said("fortress", &[]);
    assert!(
        world
            .send(&post(&[(assertion::HEADER, &short)]))
            .body
            .contains("INSUFFICIENT_SCOPE")
    );
    world.clock.advance(assertion::LIFE_MS);
    world.refuses(&post(&[(assertion::HEADER, &good)]), 401);
}

#[test]
fn bodies_that_are_too_large_or_cut_are_said_so() {
    let world = World::new();
    let faults = [
        (BodyFault::TooLarge, 413, "send less"),
        (
            BodyFault::Interrupted("cut".into()),
            400,
            "did not arrive whole",
        ),
    ];
    for (fault, status, words) in faults {
        let sent = Sent {
            body: Err(fault),
            ..post(&[("authorization", TOKEN)])
        };
        let got = world.send(&sent);
        assert_eq!(got.status, status);
        let error = &got.json()["error"];
        assert!(
            error["message"].as_str().unwrap().contains(words),
            "{error}"
        );
        assert!(got.body.contains("request-1"));
    }
}
