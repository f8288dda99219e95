use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::{prove, registered};
use crate::oauth::tests::world::{World, settings};
use crate::oauth::{AuthMethod, ClientSource, PredefinedClient, Settings};
use crate::secret::Secret;

const SECRET: &str = "a+b%2Bc d:e/f=&g-0123456789abcdef";

fn basic(id: &str, secret: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")))
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap()
}

fn action(auth: AuthMethod) -> World {
    World::with(Settings {
        predefined: vec![PredefinedClient {
            id: "gpt-action".into(),
            name: "GPT".into(),
            secret: Some(Secret::new(SECRET)),
            auth,
            redirect_uris: vec!["https://chatgpt.com/aip/g-1/oauth/callback".into()],
            grant_types: vec!["authorization_code".into(), "refresh_token".into()],
            scopes: None,
            jwks: None,
            jwks_uri: None,
            pkce_exempt: true,
            default_resource: None,
        }],
        ..settings()
    })
}

#[test]
fn each_method_proves_a_client_that_registered_it() {
    let world = World::new();
    let by_header = registered(&world, "client_secret_basic");
    let (id, secret) = (
        text(&by_header, "client_id"),
        text(&by_header, "client_secret"),
    );
    let header = basic(id, secret);
    assert!(prove(&world, &[], Some(&header)).is_ok());
    assert!(prove(&world, &[("client_id", id)], Some(&header)).is_ok());
    assert!(prove(&world, &[], Some(&header.replace("Basic", "basic"))).is_ok());
    assert!(prove(&world, &[], Some(header.trim_end_matches('='))).is_ok());
    let by_form = registered(&world, "client_secret_post");
    let (id, secret) = (text(&by_form, "client_id"), text(&by_form, "client_secret"));
    assert!(
        prove(
            &world,
            &[("client_id", id), ("client_secret", secret)],
            None
        )
        .is_ok()
    );
    let public = registered(&world, "none");
    let id = text(&public, "client_id");
    assert!(public.get("client_secret").is_none());
    assert!(prove(&world, &[("client_id", id)], None).is_ok());
    assert!(prove(&world, &[], Some(&basic(id, ""))).is_ok());
    assert_eq!(world.refusals(), [""; 0]);
}

#[test]
fn no_method_proves_a_client_of_another() {
    let world = World::new();
    for method in ["client_secret_basic", "client_secret_post"] {
        let client = registered(&world, method);
        let (id, secret) = (text(&client, "client_id"), text(&client, "client_secret"));
        let header = basic(id, secret);
        let form = [("client_id", id), ("client_secret", secret)];
        let results = [
            prove(&world, &[], Some(&header)),
            prove(&world, &form, None),
            prove(&world, &[("client_id", id)], None),
            prove(&world, &[], Some(&basic(id, ""))),
        ];
        assert_eq!(
            results.iter().filter(|result| result.is_ok()).count(),
            1,
            "{method}"
        );
        for error in results.into_iter().filter_map(Result::err) {
            assert_eq!((error.status, error.code), (401, "invalid_client"));
            assert_eq!(error.challenge.as_deref(), Some("Basic realm=\"oauth\""));
        }
    }
    let public = registered(&world, "none");
    let id = text(&public, "client_id");
    assert!(prove(&world, &[("client_id", id), ("client_secret", "x")], None).is_err());
    assert!(prove(&world, &[], Some(&basic(id, "x"))).is_err());
    assert_eq!(world.refusals(), ["client_authenticate wrong_method"; 8]);
}

#[test]
fn two_methods_at_once_are_refused() {
    let world = World::new();
    let client = registered(&world, "client_secret_basic");
    let (id, secret) = (text(&client, "client_id"), text(&client, "client_secret"));
    let header = basic(id, secret);
    let assertion = ("client_assertion", "a.b.c");
    for form in [
        vec![("client_id", id), ("client_secret", secret)],
        vec![("client_secret", "x")],
        vec![assertion],
        vec![("client_id", "another")],
    ] {
        let error = prove(&world, &form, Some(&header)).unwrap_err();
        assert_eq!(
            (error.status, error.code),
            (400, "invalid_request"),
            "{form:?}"
        );
    }
    let error = prove(
        &world,
        &[("client_id", id), ("client_secret", "x"), assertion],
        None,
    );
    assert_eq!(error.unwrap_err().code, "invalid_request");
}

#[test]
fn wrong_secrets_names_and_headers_are_refused_and_recorded() {
    let world = World::new();
    let client = registered(&world, "client_secret_basic");
    let (id, secret) = (text(&client, "client_id"), text(&client, "client_secret"));
    let cut = &secret[..secret.len() - 1];
    for header in [
        basic(id, cut),
        basic(id, &format!("{secret}0")),
        basic(id, &secret.to_uppercase()),
        basic("chitty_client_00", secret),
        basic("", secret),
        basic("' OR 1=1 --", secret),
        "Basic".to_owned(),
        "Basic !!!".to_owned(),
        format!("Basic {}", STANDARD.encode("no colon")),
        format!("Basic {}", STANDARD.encode([0xff, b':', 0xfe])),
        format!("Bearer {secret}"),
        String::new(),
    ] {
        let error = prove(&world, &[], Some(&header)).unwrap_err();
        assert_eq!(
            (error.status, error.code),
            (401, "invalid_client"),
            "{header}"
        );
        assert!(!error.description.contains(cut), "{}", error.description);
    }
    let error = prove(&world, &[], None).unwrap_err();
    assert_eq!(error.code, "invalid_client");
    let refusals = world.refusals();
    assert_eq!(refusals.len(), 13);
    for reason in ["wrong_secret", "unknown_client", "malformed", "missing"] {
        assert!(
            refusals.contains(&format!("client_authenticate {reason}")),
            "{reason}"
        );
    }
    let rows = world.rows("SELECT details, resource_id, reason FROM audit_logs");
    assert!(rows.iter().all(|row| !format!("{row:?}").contains(secret)));
}

/// RFC 6749 section 2.3.1 encodes name and secret; many programs do not.
#[test]
fn predefined_secrets_may_hold_any_character() {
    let world = action(AuthMethod::SecretBasic);
    let encoded: String = url::form_urlencoded::byte_serialize(SECRET.as_bytes()).collect();
    for secret in [SECRET, &*encoded] {
        let client = prove(&world, &[], Some(&basic("gpt-action", secret))).unwrap();
        assert_eq!(client.source, ClientSource::Predefined);
        assert!(client.pkce_exempt);
    }
    let world = action(AuthMethod::SecretPost);
    let form = [("client_id", "gpt-action"), ("client_secret", SECRET)];
    assert!(prove(&world, &form, None).is_ok());
    let wrong = [("client_id", "gpt-action"), ("client_secret", &*encoded)];
    assert!(prove(&world, &wrong, None).is_err());
}

#[test]
fn guessing_is_slowed_down_for_the_guesser_alone() {
    let world = action(AuthMethod::SecretBasic);
    let guess = |n: usize| {
        let header = basic("gpt-action", &format!("guess-{n}"));
        prove(&world, &[], Some(&header)).unwrap_err().status
    };
    assert!((0..60).all(|n| guess(n) == 401));
    let error = prove(&world, &[], Some(&basic("gpt-action", "x"))).unwrap_err();
    assert_eq!(error.status, 429);
    assert!(error.retry_after_s.is_some_and(|seconds| seconds <= 60));
    // Others behind the same address get in, until their client's secret is tried too often.
    assert!(prove(&world, &[], Some(&basic("gpt-action", SECRET))).is_ok());
    assert!((0..300).all(|n| guess(n) == 429));
    let error = prove(&world, &[], Some(&basic("gpt-action", SECRET))).unwrap_err();
    assert_eq!(error.status, 429);
    world.clock.advance(60_000);
    assert!(prove(&world, &[], Some(&basic("gpt-action", SECRET))).is_ok());
}
