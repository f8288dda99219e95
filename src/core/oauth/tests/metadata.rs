use serde_json::{Value, json};

use super::world::{ORIGIN, World, header, json, settings, web};
use crate::auth::catalogue;
use crate::oauth::{Settings, is_open, knows};
use crate::testing::block_on;

const PATHS: [&str; 2] = [
    "/.well-known/oauth-authorization-server",
    "/.well-known/openid-configuration",
];

fn document(world: &World, path: &str) -> Value {
    let headers = vec![];
    let reply = block_on(world.server.answer(&web("GET", path, "", &headers, b""))).unwrap();
    assert_eq!(reply.status, 200);
    assert_eq!(header(&reply, "cache-control"), Some("public, max-age=300"));
    assert_eq!(header(&reply, "content-type"), Some("application/json"));
    json(&reply)
}

#[test]
fn both_paths_give_one_document_with_what_clients_look_for() {
    let world = World::new();
    let metadata = document(&world, PATHS[0]);
    assert_eq!(metadata, document(&world, PATHS[1]));
    for (name, expected) in [
        ("issuer", json!(ORIGIN)),
        ("code_challenge_methods_supported", json!(["S256"])),
        ("response_types_supported", json!(["code"])),
        ("client_id_metadata_document_supported", json!(true)),
        (
            "authorization_response_iss_parameter_supported",
            json!(true),
        ),
        ("request_uri_parameter_supported", json!(false)),
        ("subject_types_supported", json!(["public"])),
        ("id_token_signing_alg_values_supported", json!(["ES256"])),
        (
            "grant_types_supported",
            json!(["authorization_code", "refresh_token", "client_credentials"]),
        ),
        (
            "token_endpoint_auth_methods_supported",
            json!([
                "none",
                "client_secret_basic",
                "client_secret_post",
                "private_key_jwt"
            ]),
        ),
        (
            "introspection_endpoint_auth_methods_supported",
            json!([
                "client_secret_basic",
                "client_secret_post",
                "private_key_jwt"
            ]),
        ),
    ] {
        assert_eq!(metadata[name], expected, "{name}");
    }
}

#[test]
fn every_endpoint_named_is_one_that_answers() {
    let metadata = document(&World::new(), PATHS[0]);
    let mut found = 0;
    for (name, value) in metadata.as_object().unwrap() {
        if name.ends_with("_endpoint") || name == "jwks_uri" {
            let path = value.as_str().unwrap().strip_prefix(ORIGIN).unwrap();
            assert!(knows(path), "{name}");
            assert!(is_open(path) || name == "authorization_endpoint", "{name}");
            found += 1;
        }
    }
    assert_eq!(found, 7);
}

#[test]
fn what_is_switched_off_is_not_named() {
    let world = World::with(Settings {
        iss_in_responses: false,
        registration: false,
        ..settings()
    });
    let metadata = document(&world, PATHS[0]);
    assert!(metadata.get("registration_endpoint").is_none());
    let iss = "authorization_response_iss_parameter_supported";
    assert!(metadata.get(iss).is_none());
    let on = document(&World::new(), PATHS[0]);
    assert!(on.get("registration_endpoint").is_some() && on.get(iss).is_some());
}

#[test]
fn scopes_are_those_that_a_person_may_grant() {
    let metadata = document(&World::new(), PATHS[0]);
    let named: Vec<_> = metadata["scopes_supported"].as_array().unwrap().clone();
    for scope in [
        "openid",
        "profile",
        "email",
        "offline_access",
        "chain:verify",
    ] {
        assert!(named.contains(&json!(scope)), "{scope}");
    }
    for scope in catalogue::SCOPES {
        assert_eq!(named.contains(&json!(scope.name)), scope.grantable);
    }
}

#[test]
fn without_a_setting_the_issuer_is_where_it_was_asked() {
    for n in 0..20 {
        let mut world = World::with(Settings {
            issuer: None,
            ..settings()
        });
        world.server.origin = format!("http://127.0.0.{n}:8787");
        let metadata = document(&world, PATHS[0]);
        assert_eq!(metadata["issuer"], world.server.origin);
        let token_endpoint = format!("{}/token", world.server.origin);
        assert_eq!(metadata["token_endpoint"], token_endpoint);
    }
}
