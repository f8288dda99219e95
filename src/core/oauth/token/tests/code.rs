//! What a code is redeemed for, and what is refused.

use super::*;

#[test]
fn a_code_gives_what_was_granted() {
    let world = World::new();
    let mut grant = new_grant("ann");
    grant.scopes = Scopes::new(["chain:verify", "openid"]);
    let code = world.code_for(grant, Some(&challenge()));
    assert!(code.starts_with("chitty_code_"));
    let body = body(&world.post(&client("client-1"), &code_form(&code)).unwrap());
    assert_eq!(body["token_type"], "Bearer");
    assert_eq!(body["expires_in"], 3600);
    assert_eq!(body["scope"], "chain:verify openid");
    assert!(
        body["refresh_token"]
            .as_str()
            .unwrap()
            .starts_with("chitty_refresh_")
    );
    assert!(body["id_token"].is_string());
    assert_eq!(world.audited(), ["allow/"]);
}

#[test]
fn only_openid_brings_an_id_token_and_only_its_grant_type_a_refresh_token() {
    let world = World::new();
    let mut once = client("client-1");
    once.grant_types = vec!["authorization_code".to_owned()];
    let body = body(&world.post(&once, &code_form(&world.code())).unwrap());
    assert_eq!(body.get("refresh_token"), None);
    assert_eq!(body.get("id_token"), None);
    let grants = block_on(world.server.grants_of("ann")).unwrap();
    assert_eq!(grants[0].expires_at_ms, NOW + 3600 * SECOND);
}

#[test]
fn secrets_are_stored_as_hashes() {
    let world = World::new();
    let code = world.code();
    let refresh = world
        .post(&client("client-1"), &code_form(&code))
        .unwrap()
        .refresh
        .unwrap();
    let stored = world.sql(
        "SELECT c.code_hash, r.token_hash FROM oauth_authorization_codes c, oauth_refresh_tokens r",
    );
    let row = stored.first().unwrap();
    assert_eq!(
        row.text("code_hash").unwrap(),
        hex::encode(Sha256::digest(&code))
    );
    assert_eq!(
        row.text("token_hash").unwrap(),
        hex::encode(Sha256::digest(&refresh))
    );
}

/// Each is refused without consuming the code: the right request still succeeds.
#[test]
fn what_does_not_belong_is_refused_and_burns_nothing() {
    let other = client("client-2");
    let short = "a".repeat(42);
    let cases = [
        (
            "redirect_uri",
            "https://client.example/other",
            "redirect_uri_mismatch",
        ),
        (
            "redirect_uri",
            "https://client.example/callback/",
            "redirect_uri_mismatch",
        ),
        (
            "redirect_uri",
            "https://client.example/callback?",
            "redirect_uri_mismatch",
        ),
        (
            "redirect_uri",
            "HTTPS://client.example/callback",
            "redirect_uri_mismatch",
        ),
        ("code_verifier", "", "code_verifier_mismatch"),
        ("code_verifier", &short, "code_verifier_mismatch"),
        ("code_verifier", &challenge(), "code_verifier_mismatch"),
        ("code_verifier", &"b".repeat(43), "code_verifier_mismatch"),
    ];
    for (name, value, reason) in cases {
        let world = World::new();
        let code = world.code();
        let error = world.post(&client("client-1"), &with(code_form(&code), name, value));
        assert_eq!(error.err().unwrap().code, "invalid_grant", "{name}={value}");
        assert_eq!(world.audited(), [format!("deny/{reason}")]);
        assert!(
            world.post(&client("client-1"), &code_form(&code)).is_ok(),
            "{name}={value}"
        );
    }
    let world = World::new();
    let code = world.code();
    let error = world.post(&other, &code_form(&code)).err().unwrap();
    assert_eq!((error.status, error.code), (400, "invalid_grant"));
    assert_eq!(world.audited(), ["deny/code_of_another_client"]);
    assert!(world.post(&client("client-1"), &code_form(&code)).is_ok());
}

#[test]
fn a_verifier_for_a_code_without_a_challenge_is_refused() {
    let world = World::new();
    let code = world.code_for(new_grant("ann"), None);
    let error = world
        .post(&client("client-1"), &code_form(&code))
        .err()
        .unwrap();
    assert_eq!(error.code, "invalid_grant");
    let plain = with(code_form(&code), "code_verifier", "");
    assert!(world.post(&client("client-1"), &plain).is_ok());
}

#[test]
fn a_redirect_uri_may_be_left_out_where_pkce_does_its_work() {
    let world = World::new();
    for (challenged, form) in
        [(Some(challenge()), VERIFIER), (None, "")].map(|(challenged, verifier)| {
            let code = world.code_for(new_grant("ann"), challenged.as_deref());
            let form = with(code_form(&code), "code_verifier", verifier);
            (challenged.is_some(), form)
        })
    {
        let bare = with(form.clone(), "redirect_uri", "");
        let answer = world.post(&client("client-1"), &bare);
        assert_eq!(answer.map_err(|error| error.code).is_ok(), challenged);
        if !challenged {
            assert!(world.post(&client("client-1"), &form).is_ok());
        }
    }
    assert_eq!(
        world.audited(),
        ["allow/", "deny/redirect_uri_mismatch", "allow/"]
    );
}

#[test]
fn missing_parameters_and_unknown_codes_are_told_apart() {
    let world = World::new();
    let code = world.code();
    let unknown = format!("chitty_code_{}", "0".repeat(64));
    for (name, value, expected) in [
        ("code", "", "invalid_request"),
        ("grant_type", "", "invalid_request"),
        ("grant_type", "password", "unsupported_grant_type"),
        ("grant_type", "implicit", "unsupported_grant_type"),
        ("code", &unknown, "invalid_grant"),
        ("code", "' OR 1=1 --", "invalid_grant"),
        ("code", &code.to_uppercase(), "invalid_grant"),
    ] {
        let error = world.post(&client("client-1"), &with(code_form(&code), name, value));
        assert_eq!(error.err().unwrap().code, expected, "{name}={value}");
    }
}

#[test]
fn a_client_uses_what_it_registered() {
    let world = World::new();
    let mut bare = client("client-1");
    bare.grant_types = vec!["refresh_token".to_owned()];
    let error = world.post(&bare, &code_form(&world.code())).err().unwrap();
    assert_eq!(error.code, "unauthorized_client");
    let mut bare = client("client-1");
    let token = world.first_refresh();
    bare.grant_types = vec!["authorization_code".to_owned()];
    let error = world.post(&bare, &refresh_form(&token)).err().unwrap();
    assert_eq!(error.code, "unauthorized_client");
    assert_eq!(world.refresh(&token).map(|_| ()), Ok(()));
}

#[test]
fn a_code_lives_for_a_minute() {
    let world = World::new();
    let (early, late) = (world.code(), world.code());
    world.clock.advance(60 * SECOND - 1);
    assert!(world.post(&client("client-1"), &code_form(&early)).is_ok());
    world.clock.advance(1);
    let error = world
        .post(&client("client-1"), &code_form(&late))
        .err()
        .unwrap();
    assert_eq!(error.code, "invalid_grant");
    assert_eq!(world.revoke_reason(), None);
}

#[test]
fn a_replay_by_its_own_client_ends_the_grant() {
    let world = World::new();
    let code = world.code();
    let tokens = world.post(&client("client-1"), &code_form(&code)).unwrap();
    let error = world
        .post(&client("client-1"), &code_form(&code))
        .err()
        .unwrap();
    assert_eq!(error.code, "invalid_grant");
    assert_eq!(world.revoke_reason().as_deref(), Some("code_replayed"));
    assert_eq!(
        world.refresh(&tokens.refresh.unwrap()),
        Err("invalid_grant")
    );
    assert_eq!(
        world.audited(),
        ["allow/", "deny/code_replayed", "deny/grant_revoked"]
    );
}

#[test]
fn a_replay_long_after_ends_the_grant_too() {
    let world = World::new();
    let code = world.code();
    world.post(&client("client-1"), &code_form(&code)).unwrap();
    world.clock.advance(3600 * SECOND);
    assert!(world.post(&client("client-1"), &code_form(&code)).is_err());
    assert_eq!(world.revoke_reason().as_deref(), Some("code_replayed"));
}

#[test]
fn a_stranger_with_a_used_code_ends_nothing() {
    let world = World::new();
    let code = world.code();
    let token = world
        .post(&client("client-1"), &code_form(&code))
        .unwrap()
        .refresh
        .unwrap();
    let wrong = with(code_form(&code), "code_verifier", &"x".repeat(43));
    assert!(world.post(&client("client-1"), &wrong).is_err());
    assert!(world.post(&client("client-2"), &code_form(&code)).is_err());
    assert_eq!(world.revoke_reason(), None);
    assert!(world.refresh(&token).is_ok());
}

#[test]
fn the_resource_is_the_one_that_was_granted() {
    let world = World::new();
    for (resources, good) in [
        (vec![], true),
        (vec![RESOURCE], true),
        (vec!["https://mcp.example.com/mcp/"], true),
        (vec!["https://chatgpt.example.com/mcp"], false),
        (vec![RESOURCE, "https://chatgpt.example.com/mcp"], false),
        (vec![RESOURCE, RESOURCE], true),
        (vec!["mcp"], false),
    ] {
        let code = world.code();
        let mut form = code_form(&code);
        form.extend(
            resources
                .iter()
                .map(|resource| ("resource", (*resource).to_owned())),
        );
        let result = world.post(&client("client-1"), &form);
        assert_eq!(result.is_ok(), good, "{resources:?}");
        if let Err(error) = result {
            assert_eq!(error.code, "invalid_target");
            assert!(world.post(&client("client-1"), &code_form(&code)).is_ok());
        }
    }
}

#[test]
fn a_code_ends_with_its_key_its_user_and_its_grant() {
    for (sql, reason) in [
        ("UPDATE api_tokens SET status = 'revoked'", "key_ended"),
        ("UPDATE api_tokens SET revoked_at = 1", "key_ended"),
        ("UPDATE api_tokens SET expires_at = 1", "key_ended"),
        ("DELETE FROM api_tokens", "key_ended"),
        (
            "UPDATE identities SET status = 'suspended'",
            "user_suspended",
        ),
        (
            "UPDATE oauth_grants SET revoked_at = 1, revoke_reason = 'x'",
            "grant_revoked",
        ),
    ] {
        let world = World::new();
        world.sql(&format!(
            "INSERT INTO api_tokens (id, token_hash, name, scopes, status, created_at)
            VALUES ('key-1', '{}', 'k', '[]', 'active', 1)",
            "0".repeat(64)
        ));
        let mut grant = new_grant("ann");
        grant.token_id = Some("key-1".to_owned());
        let good = world.code_for(grant.clone(), Some(&challenge()));
        assert!(world.post(&client("client-1"), &code_form(&good)).is_ok());
        let code = world.code_for(grant, Some(&challenge()));
        world.sql(sql);
        let error = world
            .post(&client("client-1"), &code_form(&code))
            .err()
            .unwrap();
        assert_eq!(error.code, "invalid_grant");
        assert_eq!(
            world.audited(),
            ["allow/".to_owned(), format!("deny/{reason}")],
            "{sql}"
        );
    }
}
