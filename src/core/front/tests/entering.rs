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
        Some(
            "Bearer scope=\"fortress:execute fortress:verify\", resource_metadata=\"http://localhost:8787/.well-known/oauth-protected-resource/mcp\""
        )
    );
    let unknown = TOKEN.replace("00112233", "ffffffff");
    for credential in [unknown.as_str(), "Basic eDp5", "Bearer", ""] {
        let got = world.refuses(&post(&[("authorization", credential)]), 401);
        let challenge = got.header("www-authenticate").unwrap();
        let named = challenge.contains("error=\"invalid_token\"");
        // A header without anything in it is none.
        assert_eq!(named, !credential.is_empty(), "{credential}");
        assert!(challenge.contains("scope=\"") && challenge.contains("resource_metadata=\""));
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

#[test]
fn tokens_in_a_query_or_a_body_are_not_looked_at() {
    let world = World::new();
    let token = TOKEN.strip_prefix("Bearer ").unwrap();
    let query: &'static str = format!("access_token={token}").leak();
    let sent = Sent {
        query,
        body: Ok(query),
        ..post(&[("content-type", "application/x-www-form-urlencoded")])
    };
    let got = world.refuses(&sent, 401);
    assert_eq!(got.json()["error"]["code"], "MISSING_CREDENTIAL");
    // Nor does one there disturb one where it belongs.
    let sent = Sent {
        query,
        ..post(&[("authorization", TOKEN)])
    };
    assert_eq!(world.send(&sent).status, 200);
}

#[test]
fn a_call_beyond_the_token_s_scopes_shows_the_way_to_them() {
    let world = World::new();
    let narrow = Statement::new("UPDATE api_tokens SET scopes = '[]'");
    let database = &world.services.platform.database;
    block_on(database.run(narrow)).unwrap();
    let got = world.send(&post(&[
        ("authorization", TOKEN),
        ("origin", "https://chatgpt.com"),
    ]));
    assert_eq!(got.status, 403);
    let challenge = got.header("www-authenticate").unwrap();
    for part in [
        "error=\"insufficient_scope\"",
        "scope=\"chitty:read\"",
        "resource_metadata=\"http://localhost:8787/.well-known/oauth-protected-resource/mcp\"",
    ] {
        assert!(challenge.contains(part), "{challenge}");
    }
    let told = json!([challenge]);
    assert_eq!(got.json()["_meta"]["mcp/www_authenticate"], told);
    let readable = got.header("access-control-expose-headers").unwrap();
    assert!(readable.contains("www-authenticate"));
}

#[test]
fn an_access_token_of_the_issuer_leads_in() {
    let world = World::new();
    let key = crate::jose::SigningKey::from_bytes(&[1; 32]).unwrap();
    let database = &world.services.platform.database;
    let list =
        "INSERT INTO signing_keys (id, number, public_jwk, private_key, created_at, signs_from,
        signs_until, listed_until) VALUES (?1, 1, ?2, 'sealed', 0, 0, ?3, ?3)";
    let list = Statement::new(list)
        .bind(key.kid())
        .bind(key.public_jwk())
        .timestamp(NOW + 1_000_000);
    block_on(database.run(list)).unwrap();
    let grant = "INSERT INTO oauth_grants (id, kind, user_id, client_id, client_name, resource,
        scopes, created_at, expires_at) VALUES ('g-1', 'code', 'carol', 'c', 'Client',
        'http://localhost:8787/mcp', '[\"chitty:read\"]', 0, ?1)";
    let grant = Statement::new(grant).timestamp(NOW + 1_000_000);
    block_on(database.run(grant)).unwrap();
    let person = "INSERT INTO identities (id, roles, created_at, updated_at)
        VALUES ('carol', '[\"admin\"]', 0, 0)";
    block_on(database.run(Statement::new(person))).unwrap();
    let claims = |audience: &str| {
        json!({
            "iss": "https://auth.example", "aud": audience, "sub": "carol", "client_id": "c",
            "gid": "g-1", "scope": "chitty:read", "iat": NOW / 1000, "exp": NOW / 1000 + 60,
        })
    };
    let bearer = |audience| format!("Bearer {}", key.sign("at+jwt", &claims(audience)));
    let own = bearer("http://localhost:8787/mcp");
    let got = world.send(&post(&[("authorization", &own)]));
    assert_eq!(
        got.json()["structuredContent"]["user_id"],
        "carol",
        "{}",
        got.body
    );
    let other = bearer("http://localhost:8788/mcp");
    world.refuses(&post(&[("authorization", &other)]), 401);
}
