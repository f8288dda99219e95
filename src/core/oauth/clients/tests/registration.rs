use serde_json::{Value, json};

use super::{body_of, prove, register, registered};
use crate::oauth::tests::world::{World, header, settings, web};
use crate::oauth::{AuthMethod, ClientSource, Settings};
use crate::ports::Database;
use crate::sql::Statement;
use crate::testing::block_on;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;
const CALLBACK: &str = "https://client.example.com/callback";

fn minimal() -> Value {
    json!({"redirect_uris": [CALLBACK]})
}

fn with(name: &str, value: Value) -> Value {
    let mut metadata = minimal();
    metadata[name] = value;
    metadata
}

/// From an address of its own, so that no throttle is in the way.
fn register_from(world: &World, ip: &str, metadata: &Value) -> u16 {
    let headers = vec![("content-type", "application/json")];
    let body = metadata.to_string();
    let mut web = web("POST", "/register", "", &headers, body.as_bytes());
    web.info.ip = Some(ip.to_owned());
    block_on(world.server.register(&web)).status
}

#[test]
fn a_registration_tells_all_that_was_accepted() {
    let world = World::new();
    let reply = register(
        &world,
        &json!({
            "client_name": "My\u{202e} App",
            "redirect_uris": [CALLBACK, "http://localhost/callback", "cursor://anysphere.cursor-mcp/oauth/callback"],
            "grant_types": ["authorization_code", "refresh_token", "urn:x"],
            "response_types": ["code"],
            "token_endpoint_auth_method": "none",
            "client_uri": "https://client.example.com/",
            "logo_uri": "javascript:alert(1)",
            "scope": "execution:read openid admin:* nonsense",
            "software_statement": "x",
        }),
    );
    assert_eq!(reply.status, 201);
    assert_eq!(header(&reply, "cache-control"), Some("no-store"));
    let answer = body_of(&reply);
    let id = answer["client_id"].as_str().unwrap();
    assert!(id.starts_with("chitty_client_") && id.len() == 46);
    let expected = json!({
        "client_id": id,
        "client_id_issued_at": crate::oauth::tests::world::NOW / 1000,
        "client_name": "My App",
        "redirect_uris": [CALLBACK, "http://localhost/callback", "cursor://anysphere.cursor-mcp/oauth/callback"],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
        "application_type": "native",
        "client_uri": "https://client.example.com/",
        "scope": "execution:read openid",
    });
    assert_eq!(answer, expected);
    let client = block_on(world.server.client(id)).unwrap().unwrap();
    assert_eq!(client.source, ClientSource::Registered);
    assert_eq!(client.auth, AuthMethod::None);
    assert_eq!(client.name, "My App");
    assert!(client.scopes.is_none() && !client.pkce_exempt);
    world.background.run_all();
    let audited = world.rows("SELECT * FROM audit_logs WHERE action = 'client_register'");
    assert_eq!(audited[0].text("outcome").unwrap(), "allow");
    assert_eq!(audited[0].text("resource_id").unwrap(), id);
}

#[test]
fn by_default_a_client_is_confidential_and_its_secret_is_not_stored() {
    let world = World::new();
    let answer = body_of(&register(&world, &minimal()));
    assert_eq!(answer["token_endpoint_auth_method"], "client_secret_basic");
    assert_eq!(answer["client_name"], "Unnamed client");
    assert_eq!(answer["application_type"], "web");
    let secret = answer["client_secret"].as_str().unwrap();
    assert_eq!(secret.len(), "chitty_secret_".len() + 64);
    let ends = crate::oauth::tests::world::NOW + 90 * DAY_MS;
    assert_eq!(answer["client_secret_expires_at"], ends / 1000);
    let row = &world.rows("SELECT * FROM oauth_clients")[0];
    assert_ne!(row.text("secret_hash").unwrap(), secret);
    assert!(!row.text("metadata").unwrap().contains("secret"));
}

#[test]
fn wrong_metadata_is_refused_with_its_reason() {
    let private = json!({"keys": [{"kty": "RSA", "n": "a", "e": "AQAB", "d": "x"}]});
    let world = World::new();
    for (name, value, code) in [
        ("redirect_uris", Value::Null, "invalid_redirect_uri"),
        ("redirect_uris", json!([]), "invalid_redirect_uri"),
        ("redirect_uris", json!([""]), "invalid_redirect_uri"),
        (
            "redirect_uris",
            json!(vec![CALLBACK; 11]),
            "invalid_redirect_uri",
        ),
        (
            "redirect_uris",
            json!(["javascript:alert(1)"]),
            "invalid_redirect_uri",
        ),
        (
            "redirect_uris",
            json!(["data:text/html,x"]),
            "invalid_redirect_uri",
        ),
        (
            "redirect_uris",
            json!(["http://client.example.com/"]),
            "invalid_redirect_uri",
        ),
        (
            "redirect_uris",
            json!(["https://client.example.com/#x"]),
            "invalid_redirect_uri",
        ),
        (
            "grant_types",
            json!(["client_credentials"]),
            "invalid_client_metadata",
        ),
        (
            "grant_types",
            json!(["implicit"]),
            "invalid_client_metadata",
        ),
        ("grant_types", json!([]), "invalid_client_metadata"),
        (
            "response_types",
            json!(["token"]),
            "invalid_client_metadata",
        ),
        ("response_types", json!([]), "invalid_client_metadata"),
        (
            "token_endpoint_auth_method",
            json!("client_secret_jwt"),
            "invalid_client_metadata",
        ),
        (
            "token_endpoint_auth_method",
            json!(1),
            "invalid_client_metadata",
        ),
        (
            "token_endpoint_auth_method",
            json!("private_key_jwt"),
            "invalid_client_metadata",
        ),
        (
            "application_type",
            json!("browser"),
            "invalid_client_metadata",
        ),
        (
            "application_type",
            json!(["web"]),
            "invalid_client_metadata",
        ),
        ("jwks", private, "invalid_client_metadata"),
        (
            "jwks_uri",
            json!("https://169.254.169.254/keys"),
            "invalid_client_metadata",
        ),
    ] {
        let reply = register(&world, &with(name, value.clone()));
        assert_eq!(reply.status, 400, "{name} {value}");
        assert_eq!(body_of(&reply)["error"], code, "{name} {value}");
    }
    let mut both = with("jwks_uri", json!("https://client.example.com/keys"));
    both["jwks"] = json!({"keys": [{"kty": "EC"}]});
    assert_eq!(register(&world, &both).status, 400);
    assert!(world.rows("SELECT id FROM oauth_clients").is_empty());
    assert_eq!(world.refusals().len(), 21);
}

#[test]
fn bodies_are_small_json_objects() {
    let world = World::new();
    let large = json!({"redirect_uris": [CALLBACK], "x": "a".repeat(17 * 1024)}).to_string();
    let good = minimal().to_string();
    for (kind, body, status) in [
        ("application/json", large.as_str(), 413),
        ("application/json", "[]", 400),
        ("application/json", "", 400),
        ("application/json", "{\"redirect_uris\":", 400),
        ("text/plain", &good, 400),
        ("application/x-www-form-urlencoded", &good, 400),
        ("application/json; charset=utf-8", &good, 201),
    ] {
        let headers = vec![("content-type", kind)];
        let web = web("POST", "/register", "", &headers, body.as_bytes());
        let reply = block_on(world.server.register(&web));
        assert_eq!(reply.status, status, "{kind}");
    }
}

#[test]
fn it_can_be_switched_off() {
    let world = World::with(Settings {
        registration: false,
        ..settings()
    });
    assert_eq!(register(&world, &minimal()).status, 403);
    assert_eq!(world.refusals(), ["client_register registration_off"]);
}

#[test]
fn a_network_registers_twenty_clients_in_an_hour() {
    let world = World::new();
    for n in 0..20 {
        assert_eq!(register(&world, &minimal()).status, 201, "{n}");
    }
    let refused = register(&world, &minimal());
    assert_eq!(refused.status, 429);
    assert_eq!(header(&refused, "retry-after"), Some("3600"));
    assert_eq!(register_from(&world, "198.51.100.7", &minimal()), 201);
    world.clock.advance(60 * 60 * 1000);
    assert_eq!(register(&world, &minimal()).status, 201);
}

#[test]
fn clients_are_bounded_and_unused_ones_make_room() {
    let world = World::new();
    let fill = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000)
        INSERT INTO oauth_clients (id, name, redirect_uris, auth_method, grant_types, metadata,
            created_at, expires_at, last_used_at)
        SELECT 'old-' || i, 'old', '[]', 'none', '[]', '{}', ?1, ?2,
            CASE WHEN i <= 9990 THEN ?1 ELSE NULL END FROM n";
    let now = crate::oauth::tests::world::NOW;
    let statement = Statement::new(fill)
        .timestamp(now)
        .timestamp(now + 90 * DAY_MS);
    block_on(world.database.run(statement)).unwrap();
    assert_eq!(register(&world, &minimal()).status, 503);
    world.clock.advance(DAY_MS);
    assert_eq!(register(&world, &minimal()).status, 201);
    let count = world.rows("SELECT count(*) AS n FROM oauth_clients");
    assert_eq!(count[0].int("n").unwrap(), 9991);
}

#[test]
fn the_longest_unused_without_a_grant_makes_room_last() {
    let world = World::new();
    let now = crate::oauth::tests::world::NOW;
    let fill = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000)
        INSERT INTO oauth_clients (id, name, redirect_uris, auth_method, grant_types, metadata,
            created_at, expires_at, last_used_at)
        SELECT 'c-' || i, 'old', '[]', 'none', '[]', '{}', ?1, ?2, ?1 + i FROM n";
    let grant = "INSERT INTO oauth_grants (id, kind, user_id, client_id, client_name, resource,
            scopes, created_at, expires_at)
        VALUES ('g', 'code', 'ann', 'c-1', 'old', 'r', '[]', ?1, ?2)";
    for sql in [fill, grant] {
        let statement = Statement::new(sql)
            .timestamp(now)
            .timestamp(now + 90 * DAY_MS);
        block_on(world.database.run(statement)).unwrap();
    }
    assert_eq!(register(&world, &minimal()).status, 503, "all are in use");
    world.clock.advance(60 * 60 * 1000 + 20_000);
    assert_eq!(register(&world, &minimal()).status, 201);
    let left = world.rows("SELECT id FROM oauth_clients WHERE id LIKE 'c-%' ORDER BY last_used_at");
    let first: Vec<_> = left
        .iter()
        .take(2)
        .map(|row| row.text("id").unwrap())
        .collect();
    assert_eq!(first, ["c-1", "c-12"]);
}

#[test]
fn a_client_lives_as_long_as_it_is_used() {
    let world = World::new();
    let used = registered(&world, "none")["client_id"]
        .as_str()
        .unwrap()
        .to_owned();
    let unused = registered(&world, "none")["client_id"]
        .as_str()
        .unwrap()
        .to_owned();
    world.clock.advance(80 * DAY_MS);
    let client = prove(&world, &[("client_id", &used)], None).unwrap();
    world.server.touch(&client);
    world.background.run_all();
    world.clock.advance(11 * DAY_MS);
    assert!(block_on(world.server.client(&used)).unwrap().is_some());
    assert!(block_on(world.server.client(&unused)).unwrap().is_none());
    world.clock.advance(80 * DAY_MS);
    assert!(block_on(world.server.client(&used)).unwrap().is_none());
}

#[test]
fn use_is_noted_once_a_day_and_disabled_clients_are_gone() {
    let world = World::new();
    let id = registered(&world, "none")["client_id"]
        .as_str()
        .unwrap()
        .to_owned();
    let used_at = || {
        world.background.run_all();
        let rows = world.rows("SELECT last_used_at FROM oauth_clients");
        rows[0].opt_timestamp("last_used_at").unwrap()
    };
    let client = prove(&world, &[("client_id", &id)], None).unwrap();
    assert_eq!(used_at(), None, "its name alone shows nothing");
    world.server.touch(&client);
    let first = used_at();
    assert_ne!(first, None);
    world.clock.advance(DAY_MS);
    world.server.touch(&client);
    assert_eq!(used_at(), first);
    world.clock.advance(1);
    world.server.touch(&client);
    assert_ne!(used_at(), first);
    world.rows("UPDATE oauth_clients SET status = 'disabled'");
    let error = prove(&world, &[("client_id", &id)], None).unwrap_err();
    assert_eq!((error.status, error.code), (401, "invalid_client"));
}
