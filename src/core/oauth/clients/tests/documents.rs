use serde_json::{Value, json};

use super::prove;
use crate::oauth::tests::world::{Answer, World};
use crate::oauth::{AuthMethod, Client, ClientSource, OAuthError};
use crate::testing::block_on;

const ID: &str = "https://claude.ai/oauth/mcp-oauth-client-metadata";
const HOUR_MS: i64 = 60 * 60 * 1000;

/// As hosted Claude publishes it.
fn document() -> Value {
    json!({
        "client_id": ID,
        "client_name": "Claude",
        "client_uri": "https://claude.ai",
        "redirect_uris": ["https://claude.ai/api/mcp/auth_callback"],
        "grant_types": [
            "authorization_code",
            "refresh_token",
            "urn:ietf:params:oauth:grant-type:jwt-bearer",
        ],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
    })
}

fn with(name: &str, value: Value) -> Value {
    let mut document = document();
    document[name] = value;
    document
}

fn look_up(world: &World, id: &str) -> Result<Option<Client>, OAuthError> {
    block_on(world.server.client(id))
}

fn read(document: &Value) -> Result<Client, OAuthError> {
    let world = World::new();
    world.answer(ID, Answer::json(document));
    look_up(&world, ID).map(Option::unwrap)
}

#[test]
fn a_document_makes_a_client() {
    let client = read(&document()).unwrap();
    assert_eq!(client.id, ID);
    assert_eq!(client.name, "Claude");
    assert_eq!(client.source, ClientSource::Document);
    assert_eq!(client.auth, AuthMethod::None);
    assert_eq!(client.grant_types, ["authorization_code", "refresh_token"]);
    assert_eq!(
        client.redirect_uris,
        ["https://claude.ai/api/mcp/auth_callback"]
    );
    assert!(!client.pkce_exempt && client.secret_hash.is_none());
    let mut sparse = document();
    for name in ["client_name", "grant_types", "token_endpoint_auth_method"] {
        sparse.as_object_mut().unwrap().remove(name);
    }
    let client = read(&sparse).unwrap();
    assert_eq!(client.name, "claude.ai");
    assert!(client.is_public() && client.may("refresh_token"));
}

#[test]
fn documents_that_claim_too_much_are_refused() {
    let secret_key = json!({"keys": [{"kty": "EC", "crv": "P-256", "x": "a", "y": "b", "d": "c"}]});
    let symmetric = json!({"keys": [{"kty": "oct", "k": "c2VjcmV0"}]});
    for (name, value) in [
        ("client_id", json!("https://claude.ai/other")),
        ("client_id", json!(format!("{ID}/"))),
        (
            "client_id",
            json!("https://CLAUDE.ai/oauth/mcp-oauth-client-metadata"),
        ),
        ("client_id", Value::Null),
        ("client_id", json!([ID])),
        ("client_secret", json!("s")),
        ("client_secret_expires_at", json!(0)),
        ("redirect_uris", Value::Null),
        ("redirect_uris", json!([])),
        ("redirect_uris", json!("https://claude.ai/cb")),
        ("redirect_uris", json!([1])),
        ("redirect_uris", json!(["javascript:alert(1)"])),
        (
            "redirect_uris",
            json!(["https://claude.ai/cb", "http://evil.example/"]),
        ),
        ("redirect_uris", json!(vec!["https://claude.ai/cb"; 11])),
        ("token_endpoint_auth_method", json!("client_secret_basic")),
        ("token_endpoint_auth_method", json!("client_secret_post")),
        ("token_endpoint_auth_method", json!("client_secret_jwt")),
        ("token_endpoint_auth_method", json!("tls_client_auth")),
        ("token_endpoint_auth_method", json!(null)),
        ("token_endpoint_auth_method", json!("private_key_jwt")),
        ("grant_types", json!(["client_credentials"])),
        ("grant_types", json!(["implicit"])),
        ("grant_types", json!("authorization_code")),
        ("response_types", json!(["token"])),
        ("jwks", secret_key),
        ("jwks", symmetric),
        ("jwks", json!({"keys": []})),
        ("jwks", json!({"keys": ["x"]})),
        ("jwks", json!([])),
        ("jwks_uri", json!("https://127.0.0.1/keys")),
        ("jwks_uri", json!("http://claude.ai/keys")),
        ("jwks_uri", json!("https://metadata.google.internal/keys")),
        ("jwks_uri", json!(7)),
    ] {
        let error = read(&with(name, value.clone())).unwrap_err();
        assert_eq!(error.code, "invalid_client", "{name} {value}");
    }
    for document in [json!([]), json!("x"), json!(null), json!(1)] {
        assert_eq!(read(&document).unwrap_err().code, "invalid_client");
    }
}

/// What hosts may answer instead, and whether it may work later.
#[test]
fn only_a_small_json_answer_with_status_200_counts() {
    let good = || Answer::json(&document());
    let large = with("client_name", json!("a".repeat(6000)));
    let broken = Answer::Reply {
        status: 200,
        headers: vec![("content-type", "application/json".to_owned())],
        body: b"{\"client_id\":".to_vec(),
    };
    for (answer, passing) in [
        (
            Answer::status(301).with_header("location", "https://127.0.0.1/"),
            false,
        ),
        (Answer::status(302).with_header("location", ID), false),
        (Answer::status(307), false),
        (Answer::status(204), false),
        (Answer::status(401), false),
        (Answer::status(404), false),
        (Answer::json(&large), false),
        (broken, false),
        (good().with_header("content-type", "text/html"), false),
        (good().with_header("content-type", "text/plain"), false),
        (
            good().with_header("content-type", "application/jsonp"),
            false,
        ),
        (good().with_header("content-type", ""), false),
        (Answer::status(429), true),
        (Answer::status(500), true),
        (Answer::status(503), true),
        (Answer::Unreachable, true),
        (Answer::Silent, true),
        (Answer::Stuck, true),
    ] {
        let world = World::new();
        world.answer(ID, answer);
        let error = look_up(&world, ID).unwrap_err();
        let expected = if passing { 503 } else { 401 };
        assert_eq!(error.status, expected, "{}", error.description);
    }
    for kind in [
        "application/json; charset=utf-8",
        "Application/JSON",
        "application/x+json",
    ] {
        let world = World::new();
        world.answer(ID, good().with_header("content-type", kind));
        assert!(look_up(&world, ID).is_ok(), "{kind}");
    }
}

#[test]
fn addresses_that_are_refused_are_never_asked() {
    let world = World::new();
    for id in [
        "https://127.0.0.1/client.json",
        "https://[::1]/client.json",
        "http://claude.ai/client.json",
        "https://localhost/client.json",
        "https://claude.ai/../client.json",
        "https://claude.ai/client.json?document=evil",
        "https://claude.ai/client.json#x",
    ] {
        let error = look_up(&world, id).unwrap_err();
        assert_eq!(error.code, "invalid_client", "{id}");
    }
    assert!(world.internet.asked.borrow().is_empty());
}

#[test]
fn a_document_is_kept_as_long_as_it_says_within_bounds() {
    const MINUTE_MS: i64 = 60_000;
    for (header, kept_ms) in [
        (None, HOUR_MS),
        (Some("max-age=600"), 10 * MINUTE_MS),
        (Some("public, Max-Age=600"), 10 * MINUTE_MS),
        (Some("public"), HOUR_MS),
        (Some("max-age=0"), 5 * MINUTE_MS),
        (Some("max-age=-1"), 5 * MINUTE_MS),
        (Some("max-age=x"), 5 * MINUTE_MS),
        (Some("no-store"), 5 * MINUTE_MS),
        (Some("no-cache, max-age=600"), 5 * MINUTE_MS),
        (Some("max-age=99999999"), 7 * 24 * HOUR_MS),
        (Some("max-age=9223372036854775807"), 7 * 24 * HOUR_MS),
    ] {
        let world = World::new();
        let mut answer = Answer::json(&document());
        if let Some(header) = header {
            answer = answer.with_header("cache-control", header);
        }
        world.answer(ID, answer);
        look_up(&world, ID).unwrap();
        world.clock.advance(kept_ms - 1);
        look_up(&world, ID).unwrap();
        assert_eq!(world.fetches(ID), 1, "{header:?}");
        world.clock.advance(1);
        look_up(&world, ID).unwrap();
        assert_eq!(world.fetches(ID), 2, "{header:?}");
    }
}

#[test]
fn a_host_that_is_away_does_not_end_its_clients_for_a_day() {
    const FRESH_MS: i64 = 600_000;
    let known = || {
        let world = World::new();
        let answer = Answer::json(&document()).with_header("cache-control", "max-age=600");
        world.answer(ID, answer);
        look_up(&world, ID).unwrap();
        world.clock.advance(FRESH_MS);
        world
    };
    let world = known();
    world.answer(ID, Answer::status(503));
    for _ in 0..3 {
        assert!(look_up(&world, ID).unwrap().is_some());
    }
    assert_eq!(world.fetches(ID), 2, "it is not asked again at once");
    world.clock.advance(24 * HOUR_MS - 1);
    world.answer(ID, Answer::Unreachable);
    assert!(look_up(&world, ID).is_ok());
    world.clock.advance(1);
    assert!(look_up(&world, ID).is_err());

    let world = known();
    world.answer(ID, Answer::status(404));
    assert!(look_up(&world, ID).is_err(), "it has been taken back");
    world.answer(ID, Answer::Unreachable);
    world.clock.advance(10_000);
    assert!(look_up(&world, ID).is_err());
}

#[test]
fn a_bad_document_is_not_kept_but_not_asked_for_again_at_once() {
    let world = World::new();
    world.answer(ID, Answer::status(404));
    for _ in 0..5 {
        assert!(look_up(&world, ID).is_err());
    }
    assert_eq!(world.fetches(ID), 1);
    world.answer(ID, Answer::json(&document()));
    world.clock.advance(9_999);
    assert!(look_up(&world, ID).is_err());
    world.clock.advance(1);
    assert!(look_up(&world, ID).is_ok());
}

#[test]
fn strangers_do_not_make_us_fetch_without_end() {
    let world = World::new();
    let tried: Vec<u16> = (0..130)
        .map(|n| {
            let id = format!("https://host{n}.example.com/client.json");
            prove(&world, &[("client_id", &id)], None)
                .unwrap_err()
                .status
        })
        .collect();
    assert!(tried.contains(&429));
    assert_eq!(world.internet.asked.borrow().len(), 120);
}
