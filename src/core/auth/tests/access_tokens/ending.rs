//! What of a token is remembered, and what ends or narrows it all the same.

use super::*;

#[test]
fn a_known_token_costs_no_look_up_and_no_signature() {
    let world = World::new();
    let good = good();
    world.bearer(&good).unwrap();
    world.setup.background.run_all();
    // Neither database nor keys are there any more.
    world.setup.database.down.set(true);
    for _ in 0..5 {
        world.setup.clock.advance(1_999);
        assert!(world.bearer(&good).is_ok());
    }
    world.setup.clock.advance(10);
    assert_eq!(world.refused(&good), AuthError::Unavailable);
    // The signature is not asked about again, only the grant.
    world.setup.database.down.set(false);
    world.sql("DELETE FROM signing_keys");
    assert!(world.bearer(&good).is_ok());
}

#[test]
fn whatever_ends_a_grant_ends_its_tokens_within_ten_seconds() {
    let ends = [
        (
            "UPDATE oauth_grants SET revoked_at = 1, revoke_reason = 'user'",
            AuthError::Inactive,
        ),
        ("UPDATE oauth_grants SET expires_at = 1", AuthError::Expired),
        ("DELETE FROM oauth_grants", AuthError::Unknown),
        (
            "UPDATE oauth_grants SET user_id = 'bob'",
            AuthError::Unknown,
        ),
        (
            "UPDATE oauth_grants SET client_id = 'client-2'",
            AuthError::Unknown,
        ),
        (
            "UPDATE oauth_grants SET resource = 'https://a.example/mcp'",
            AuthError::Unknown,
        ),
        (
            "UPDATE oauth_grants SET dpop_jkt = 'some-key'",
            AuthError::Unknown,
        ),
        (
            "UPDATE api_tokens SET status = 'revoked'",
            AuthError::Inactive,
        ),
        ("UPDATE api_tokens SET revoked_at = 1", AuthError::Inactive),
        ("UPDATE api_tokens SET expires_at = 1", AuthError::Expired),
        ("DELETE FROM api_tokens", AuthError::Inactive),
        (
            "UPDATE identities SET status = 'suspended'",
            AuthError::Inactive,
        ),
        (
            "UPDATE oauth_clients SET status = 'disabled'",
            AuthError::Inactive,
        ),
    ];
    for (sql, expected) in ends {
        let world = World::new();
        world.setup.store(&Token::default());
        world.grant("token_id = 'id-43'");
        world.sql(
            "INSERT INTO oauth_clients (id, name, redirect_uris, auth_method, grant_types,
                metadata, created_at)
            VALUES ('client-1', 'c', '[]', 'none', '[]', '{}', 1)",
        );
        let good = good();
        assert!(world.bearer(&good).is_ok());
        world.sql(sql);
        world.setup.clock.advance(cache::FRESH_MS - 1);
        assert!(world.bearer(&good).is_ok(), "{sql}");
        world.setup.clock.advance(1);
        assert_eq!(world.refused(&good), expected, "{sql}");
        assert_eq!(world.refused(&good), expected, "{sql}, again");
    }
}

#[test]
fn a_signing_key_that_is_removed_ends_the_tokens_that_are_known_by_it() {
    let world = World::new();
    let good = good();
    world.bearer(&good).unwrap();
    world.sql("DELETE FROM signing_keys");
    // Another key, as the issuer makes one at once.
    world.list(&key(2));
    world.setup.clock.advance(crate::signing_keys::FRESH_MS);
    assert_eq!(world.refused(&good), AuthError::Unknown);
}

#[test]
fn a_key_that_ends_within_the_ten_seconds_ends_the_token_then() {
    let world = World::new();
    world.setup.store(&Token {
        expires_at: Some(NOW + 5),
        ..Token::default()
    });
    world.grant("token_id = 'id-43'");
    assert!(world.bearer(&good()).is_ok());
    world.setup.clock.advance(5);
    assert_eq!(world.refused(&good()), AuthError::Expired);
}

#[test]
fn the_scopes_are_those_that_token_grant_and_key_all_have() {
    let scopes = |world: &World, token: &str| {
        let principal = world.bearer(token).unwrap();
        principal
            .scopes
            .iter()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let world = World::new();
    let wide = token(&with(
        "scope",
        json!("admin:* chatgpt:complete chain:verify"),
    ));
    assert_eq!(scopes(&world, &wide), ["chatgpt:complete"]);
    assert_eq!(
        scopes(&world, &token(&with("scope", json!("openid")))),
        ["openid"]
    );
    assert!(scopes(&world, &token(&with("scope", json!("")))).is_empty());
    world.setup.store(&Token {
        scopes: Some(r#"["chain:*"]"#),
        ..Token::default()
    });
    let set = "token_id = 'id-43', scopes = '[\"chain:verify\",\"chatgpt:complete\",\"openid\"]'";
    world.grant(set);
    world.setup.clock.advance(cache::FRESH_MS);
    assert_eq!(scopes(&world, &wide), ["chain:verify"]);
    assert_eq!(scopes(&world, &good()), ["openid"]);
}

#[test]
fn a_role_taken_away_takes_its_scopes_from_grants_without_a_key() {
    let world = World::new();
    for (change, scopes) in [
        ("SELECT 1", vec!["chatgpt:complete", "openid"]),
        (
            "UPDATE identities SET roles = '[\"reader\"]'",
            vec!["openid"],
        ),
        ("DELETE FROM identities", vec!["openid"]),
    ] {
        world.sql(change);
        world.setup.clock.advance(cache::FRESH_MS);
        let caller = world.bearer(&good()).unwrap();
        assert_eq!(caller.scopes, Scopes::new(scopes), "{change}");
    }
}
