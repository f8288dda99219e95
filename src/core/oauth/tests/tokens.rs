use serde_json::{Value, json};

use super::world::{NOW, ORIGIN, World, header, json, web};
use crate::auth::Scopes;
use crate::jose::{self, Algorithm, Decoded};
use crate::oauth::{Grant, GrantKind, OAuthError};
use crate::ports::Database;
use crate::sql::Statement;
use crate::testing::block_on;

const HOUR_MS: i64 = 60 * 60 * 1000;

fn grant(scopes: &[&str]) -> Grant {
    Grant {
        id: "g-1".into(),
        kind: GrantKind::Code,
        user_id: "u-1".into(),
        client_id: "https://client.example/metadata.json".into(),
        client_name: "Client".into(),
        resource: "https://mcp.example.com/mcp".into(),
        scopes: Scopes::new(scopes.iter().copied()),
        token_id: None,
        auth_time_ms: Some(NOW - 60_500),
        dpop_jkt: None,
        created_at_ms: NOW,
        expires_at_ms: NOW + 24 * HOUR_MS,
        last_used_at_ms: None,
        revoked_at_ms: None,
    }
}

fn add_person(world: &World) {
    let insert = Statement::new(
        "INSERT INTO identities (id, chitty_id, email, email_verified, name, created_at,
         updated_at) VALUES ('u-1', 'a ChittyID', 'ada@example.com', TRUE, 'Ada', ?1, ?1)",
    );
    block_on(world.database.run(insert.timestamp(NOW))).unwrap();
}

/// Checked with the published keys, as another worker or a client would.
fn decoded(world: &World, token: &str) -> Decoded {
    let headers = vec![];
    let path = "/.well-known/jwks.json";
    let reply = block_on(world.server.answer(&web("GET", path, "", &headers, b""))).unwrap();
    assert_eq!(reply.status, 200);
    assert_eq!(header(&reply, "cache-control"), Some("public, max-age=300"));
    jose::verify(token, &json(&reply), &[Algorithm::Es256]).unwrap()
}

fn access_token(world: &World, grant: &Grant, scopes: &[&str]) -> (Decoded, i64) {
    let scopes = Scopes::new(scopes.iter().copied());
    let access = block_on(world.server.access_token(grant, &scopes)).unwrap_or_else(|error| {
        panic!("{error:?}");
    });
    (decoded(world, &access.token), access.expires_in_s)
}

fn id_token(world: &World, grant: &Grant, nonce: Option<&str>) -> Value {
    let token = block_on(world.server.id_token(grant, nonce)).unwrap();
    let decoded = decoded(world, &token);
    assert_eq!(decoded.header["typ"], "JWT");
    Value::Object(decoded.claims)
}

#[test]
fn an_access_token_says_who_for_whom_and_for_what() {
    let world = World::new();
    let grant = grant(&["chain:verify", "execution:read", "openid"]);
    let (token, expires_in_s) = access_token(&world, &grant, &["execution:read", "chain:verify"]);
    assert_eq!(token.header["typ"], "at+jwt");
    assert_eq!(expires_in_s, 3600);
    let jti = token.text("jti").unwrap().to_owned();
    let expected = json!({
        "iss": ORIGIN,
        "sub": "u-1",
        "aud": "https://mcp.example.com/mcp",
        "client_id": "https://client.example/metadata.json",
        "scope": "chain:verify execution:read",
        "iat": NOW / 1000,
        "exp": NOW / 1000 + 3600,
        // Rounded down.
        "auth_time": (NOW - 60_500) / 1000,
        "gid": "g-1",
        "jti": jti,
    });
    assert_eq!(Value::Object(token.claims), expected);
    let (another, _) = access_token(&world, &grant, &["chain:verify"]);
    assert_ne!(another.text("jti"), Some(&*jti));
}

#[test]
fn a_bound_token_names_its_key_and_a_client_has_no_sign_in() {
    let world = World::new();
    let grant = Grant {
        kind: GrantKind::ClientCredentials,
        user_id: "client:robot".into(),
        client_id: "robot".into(),
        auth_time_ms: None,
        dpop_jkt: Some("thumbprint".into()),
        ..grant(&[])
    };
    let (token, _) = access_token(&world, &grant, &[]);
    assert_eq!(token.claims["cnf"], json!({"jkt": "thumbprint"}));
    assert_eq!(token.text("sub"), Some("client:robot"));
    assert_eq!(token.text("scope"), Some(""));
    assert!(!token.claims.contains_key("auth_time"));
}

#[test]
fn a_token_ends_with_its_grant() {
    let world = World::new();
    let short = Grant {
        expires_at_ms: NOW + 90_000,
        ..grant(&["openid"])
    };
    let (token, expires_in_s) = access_token(&world, &short, &[]);
    assert_eq!(expires_in_s, 90);
    assert_eq!(token.claims["exp"], (NOW + 90_000) / 1000);
    let over = Grant {
        expires_at_ms: NOW,
        ..grant(&["openid"])
    };
    let code = |refused: OAuthError| refused.code;
    let access = block_on(world.server.access_token(&over, &over.scopes));
    assert_eq!(access.map(|_| ()).map_err(code), Err("invalid_grant"));
    let id = block_on(world.server.id_token(&over, None));
    assert_eq!(id.map_err(code), Err("invalid_grant"));
}

#[test]
fn an_id_token_is_for_the_client_and_carries_its_nonce() {
    let world = World::new();
    add_person(&world);
    let claims = id_token(&world, &grant(&["openid"]), Some("n-0S6_WzA2Mj"));
    let expected = json!({
        "iss": ORIGIN,
        "sub": "u-1",
        "aud": "https://client.example/metadata.json",
        "iat": NOW / 1000,
        "exp": NOW / 1000 + 3600,
        "auth_time": (NOW - 60_500) / 1000,
        "nonce": "n-0S6_WzA2Mj",
        "chitty_id": "a ChittyID",
    });
    assert_eq!(claims, expected);
}

#[test]
fn a_client_knows_of_a_person_what_was_granted() {
    let world = World::new();
    add_person(&world);
    for (scopes, known) in [
        (&["openid"][..], &["chitty_id"][..]),
        (&["openid", "profile"], &["chitty_id", "name"]),
        (
            &["openid", "email"],
            &["chitty_id", "email", "email_verified"],
        ),
        (&["openid", "admin:*"], &["chitty_id"]),
        (&["chain:verify"], &[]),
    ] {
        let claims = id_token(&world, &grant(scopes), None);
        for name in ["chitty_id", "name", "email", "email_verified"] {
            assert_eq!(claims.get(name).is_some(), known.contains(&name), "{name}");
        }
        assert!(claims.get("nonce").is_none());
    }
}

#[test]
fn the_owner_of_a_key_needs_no_row() {
    let world = World::new();
    let claims = id_token(&world, &grant(&["openid", "profile", "email"]), None);
    assert_eq!(claims["sub"], "u-1");
    assert!(claims.get("name").is_none() && claims.get("chitty_id").is_none());
}
