//! What a client learns of a person (`OpenID` Connect Core section 5.3).

use super::*;

#[test]
fn user_info_says_what_the_scopes_allow() {
    let world = served();
    world.sql(
        "UPDATE identities SET chitty_id = 'an id', email = 'ann@example.com', email_verified = 1,
            name = 'Ann'",
    );
    let id = ("chitty_id", "an id");
    for (scopes, expected) in [
        (vec!["openid"], json!({"sub": "ann", id.0: id.1})),
        (
            vec!["openid", "profile"],
            json!({"sub": "ann", id.0: id.1, "name": "Ann"}),
        ),
        (
            vec!["openid", "email"],
            json!({"sub": "ann", id.0: id.1, "email": "ann@example.com", "email_verified": true}),
        ),
    ] {
        let access = text(&of_service(&world, &scopes), "access_token");
        for method in ["GET", "POST"] {
            let (reply, body) = about(&access, method, "Bearer").send(&world);
            assert_eq!((reply.status, &body), (200, &expected));
            assert_eq!(header(&reply, "cache-control"), Some("no-store"));
        }
    }
}

#[test]
fn user_info_needs_a_live_token_for_openid() {
    let world = served();
    let tokens = of_service(&world, &["profile", "email"]);
    let (reply, body) = about(&text(&tokens, "access_token"), "GET", "Bearer").send(&world);
    assert_eq!(
        (reply.status, body["error"].as_str()),
        (403, Some("insufficient_scope"))
    );
    assert!(
        header(&reply, "www-authenticate")
            .unwrap()
            .contains("scope=\"openid\"")
    );
    let tokens = of_service(&world, &["openid"]);
    let access = text(&tokens, "access_token");
    for call in [
        about(&access, "GET", "Basic"),
        about(&access, "GET", "DPoP"),
        about("", "GET", "Bearer"),
        about("x", "GET", "Bearer"),
        about(&text(&tokens, "refresh_token"), "GET", "Bearer"),
        about(&text(&tokens, "id_token"), "GET", "Bearer"),
        about(
            "chitty_key_00112233445566778899aabbccddeeff",
            "GET",
            "Bearer",
        ),
        about(&access, "GET", "Bearer").header("authorization", String::new()),
    ] {
        let (reply, body) = call.send(&world);
        assert_eq!(
            (reply.status, body["error"].as_str()),
            (401, Some("invalid_token"))
        );
        assert!(
            header(&reply, "www-authenticate")
                .unwrap()
                .starts_with("Bearer")
        );
    }
    world.sql("UPDATE oauth_grants SET revoked_at = 1, revoke_reason = 'x'");
    assert_eq!(about(&access, "GET", "Bearer").send(&world).0.status, 401);
}
