//! `private_key_jwt` as ChatGPT uses it, and what passes for it.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::{TOKEN, prove};
use crate::jose::SigningKey;
use crate::jose::tests::{rs256, rsa_jwk};
use crate::oauth::tests::world::{Answer, NOW, ORIGIN, World};
use crate::oauth::{Client, OAuthError};

pub(super) const ID: &str = "https://chatgpt.com/oauth/client.json";
pub(super) const KEYS: &str = "https://chatgpt.com/oauth/jwks.json";
const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const NOW_S: i64 = NOW / 1000;

pub(super) fn document() -> Value {
    json!({
        "client_id": ID,
        "client_name": "ChatGPT",
        "redirect_uris": ["https://chatgpt.com/connector_platform_oauth_redirect"],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "private_key_jwt",
        "token_endpoint_auth_signing_alg": "RS256",
        "jwks_uri": KEYS,
    })
}

pub(super) fn ec_key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32]).unwrap()
}

pub(super) fn rsa_public(kid: &str) -> Value {
    let mut jwk = rsa_jwk();
    jwk["kid"] = kid.into();
    jwk["alg"] = "RS256".into();
    jwk["use"] = "sig".into();
    jwk
}

/// With an RSA key `r1` and the EC key of seed 1.
pub(super) fn chatgpt() -> World {
    let world = World::new();
    world.answer(ID, Answer::json(&document()));
    let keys = json!({"keys": [rsa_public("r1"), ec_key(1).public_jwk()]});
    world.answer(KEYS, Answer::json(&keys));
    world
}

pub(super) fn claims(jti: &str) -> Value {
    json!({
        "iss": ID,
        "sub": ID,
        "aud": format!("{ORIGIN}{TOKEN}"),
        "iat": NOW_S,
        "exp": NOW_S + 300,
        "jti": jti,
    })
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims("changed");
    if value.is_null() {
        claims.as_object_mut().unwrap().remove(name);
    } else {
        claims[name] = value;
    }
    claims
}

pub(super) fn by_rsa(claims: &Value) -> String {
    rs256(
        r#"{"alg":"RS256","kid":"r1","typ":"JWT"}"#,
        &claims.to_string(),
    )
}

pub(super) fn by_ec(claims: &Value) -> String {
    ec_key(1).sign("JWT", claims)
}

pub(super) fn present(world: &World, token: &str) -> Result<Client, OAuthError> {
    let form = [("client_assertion_type", TYPE), ("client_assertion", token)];
    prove(world, &form, None)
}

#[test]
fn chatgpt_gets_in_with_either_audience_and_algorithm() {
    let world = chatgpt();
    let audiences = [
        json!(ORIGIN),
        json!(format!("{ORIGIN}/")),
        json!(format!("{ORIGIN}/token")),
        json!(format!("{ORIGIN}/api/v2/oauth/token")),
        json!([ORIGIN]),
        json!([ORIGIN, format!("{ORIGIN}/token")]),
    ];
    for (n, audience) in audiences.into_iter().enumerate() {
        let mut claims = claims(&format!("jti-{n}"));
        claims["aud"] = audience;
        assert_eq!(present(&world, &by_rsa(&claims)).unwrap().id, ID);
        claims["jti"] = format!("other-{n}").into();
        assert_eq!(present(&world, &by_ec(&claims)).unwrap().id, ID);
    }
    assert_eq!((world.fetches(ID), world.fetches(KEYS)), (1, 1));
    let named = [
        ("client_id", ID),
        ("client_assertion_type", TYPE),
        ("client_assertion", &by_rsa(&claims("named"))),
    ];
    assert!(prove(&world, &named, None).is_ok());
    assert_eq!(world.refusals(), [""; 0]);
}

#[test]
fn claims_of_another_purpose_time_or_place_are_refused() {
    let world = chatgpt();
    let long = "j".repeat(513);
    for (name, value, reason) in [
        (
            "iss",
            json!("https://evil.example/client.json"),
            "wrong_issuer",
        ),
        ("iss", json!([ID]), "wrong_issuer"),
        ("iss", Value::Null, "wrong_issuer"),
        ("aud", Value::Null, "wrong_audience"),
        ("aud", json!(""), "wrong_audience"),
        ("aud", json!([]), "wrong_audience"),
        ("aud", json!({}), "wrong_audience"),
        ("aud", json!("https://evil.example/token"), "wrong_audience"),
        (
            "aud",
            json!("https://mcp.example.com.evil.example"),
            "wrong_audience",
        ),
        (
            "aud",
            json!("https://mcp.example.com@evil.example/"),
            "wrong_audience",
        ),
        ("aud", json!("https://mcp.example.com//"), "wrong_audience"),
        (
            "aud",
            json!("https://mcp.example.com/mcp"),
            "wrong_audience",
        ),
        (
            "aud",
            json!("https://mcp.example.com/authorize"),
            "wrong_audience",
        ),
        ("aud", json!("http://mcp.example.com"), "wrong_audience"),
        (
            "aud",
            json!([ORIGIN, "https://evil.example"]),
            "wrong_audience",
        ),
        ("aud", json!([ORIGIN, 1]), "wrong_audience"),
        ("exp", Value::Null, "wrong_claim"),
        ("exp", json!("soon"), "wrong_claim"),
        ("exp", json!(NOW_S - 30), "expired"),
        ("exp", json!(NOW_S - 86_400), "expired"),
        ("exp", json!(0), "expired"),
        ("exp", json!(-1), "expired"),
        ("exp", json!(NOW_S + 631), "expires_too_late"),
        ("exp", json!(NOW_S + 86_400), "expires_too_late"),
        ("exp", json!(i64::MAX), "expires_too_late"),
        ("exp", json!(1e300), "expires_too_late"),
        ("nbf", json!(NOW_S + 60), "not_yet_valid"),
        ("nbf", json!("x"), "wrong_claim"),
        ("iat", json!(NOW_S + 60), "not_yet_valid"),
        ("jti", Value::Null, "no_jti"),
        ("jti", json!(""), "no_jti"),
        ("jti", json!(7), "no_jti"),
        ("jti", json!(long), "no_jti"),
    ] {
        let error = present(&world, &by_ec(&with(name, value.clone()))).unwrap_err();
        assert_eq!(
            (error.status, error.code),
            (401, "invalid_client"),
            "{name} {value}"
        );
        let last = world.refusals().pop().unwrap();
        assert_eq!(
            last,
            format!("client_authenticate {reason}"),
            "{name} {value}"
        );
    }
    for sub in [
        json!("https://evil.example/x"),
        json!(""),
        json!(7),
        Value::Null,
    ] {
        assert!(present(&world, &by_rsa(&with("sub", sub))).is_err());
    }
}

#[test]
fn an_assertion_counts_once() {
    let world = chatgpt();
    let token = by_rsa(&claims("once"));
    assert!(present(&world, &token).is_ok());
    assert!(present(&world, &token).is_err());
    // The same id in a new statement, by another key.
    assert!(present(&world, &by_ec(&claims("once"))).is_err());
    assert!(present(&world, &by_ec(&claims("twice"))).is_ok());
    assert_eq!(world.refusals(), ["client_authenticate replayed"; 2]);
    // When the id is forgotten the statement has expired.
    world.clock.advance(331_000);
    assert!(present(&world, &token).is_err());
}

#[test]
fn a_replay_is_seen_until_the_very_end() {
    let world = chatgpt();
    let token = by_rsa(&claims("late"));
    assert!(present(&world, &token).is_ok());
    for _ in 0..33 {
        world.clock.advance(10_000);
        assert!(present(&world, &token).is_err());
    }
}

fn encode(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

#[test]
fn algorithms_and_keys_are_not_the_token_s_to_choose() {
    let world = chatgpt();
    let payload = claims("a").to_string();
    let good = by_rsa(&claims("a"));
    let parts: Vec<&str> = good.split('.').collect();
    let [_, body, signature] = parts[..] else {
        panic!("{good}")
    };
    let unsigned = |header: &str| format!("{}.{body}.", encode(header));
    let swapped = |header: &str| format!("{}.{body}.{signature}", encode(header));
    let stranger = ec_key(9);
    let embedded = json!({"alg": "ES256", "kid": "r1", "jwk": stranger.public_jwk()}).to_string();
    let tampered = claims("b").to_string();
    for token in [
        unsigned(r#"{"alg":"none"}"#),
        unsigned(r#"{"alg":"None","kid":"r1"}"#),
        unsigned(r#"{"alg":"RS256","kid":"r1"}"#),
        swapped(r#"{"alg":"HS256","kid":"r1"}"#),
        swapped(r#"{"alg":"PS256","kid":"r1"}"#),
        swapped(r#"{"alg":"RS384","kid":"r1"}"#),
        swapped(r#"{"alg":"ES256","kid":"r1"}"#),
        swapped(r#"{"kid":"r1"}"#),
        swapped(r#"{"alg":["RS256"],"kid":"r1"}"#),
        swapped(r#"{"alg":"RS256","kid":"r1","crit":["exp"]}"#),
        swapped(&embedded),
        rs256(
            r#"{"alg":"RS256","kid":"r1","crit":["b64"],"b64":false}"#,
            &payload,
        ),
        rs256(r#"{"alg":"RS256","kid":"r1","typ":"at+jwt"}"#, &payload),
        rs256(r#"{"alg":"RS256","kid":"r1","typ":"dpop+jwt"}"#, &payload),
        rs256(r#"{"alg":"RS256","kid":"r1","typ":7}"#, &payload),
        rs256(r#"{"alg":"RS256","kid":"unknown"}"#, &payload),
        stranger.sign("JWT", &claims("a")),
        format!("{}.{}.{signature}", parts[0], encode(&tampered)),
        format!("{}.{body}", parts[0]),
        format!("{good}.{signature}"),
        format!("{good} "),
        "a.b.c".to_owned(),
        "..".to_owned(),
    ] {
        let error = present(&world, &token).unwrap_err();
        assert_eq!(
            (error.status, error.code),
            (401, "invalid_client"),
            "{token}"
        );
    }
    assert!(present(&world, &good).is_ok());
}

#[test]
fn the_form_must_say_what_it_brings() {
    let world = chatgpt();
    let token = by_rsa(&claims("form"));
    for form in [
        vec![("client_assertion", &*token)],
        vec![
            ("client_assertion", &token),
            ("client_assertion_type", "jwt"),
        ],
        vec![
            ("client_assertion", &token),
            (
                "client_assertion_type",
                "urn:ietf:params:oauth:client-assertion-type:saml2-bearer",
            ),
        ],
        vec![
            ("client_assertion", &token),
            ("client_assertion_type", TYPE),
            ("client_id", "https://chatgpt.com/oauth/other.json"),
        ],
    ] {
        let error = prove(&world, &form, None).unwrap_err();
        assert_eq!((error.status, error.code), (400, "invalid_request"));
    }
    // The name alone proves nothing.
    let error = prove(&world, &[("client_id", ID)], None).unwrap_err();
    assert_eq!((error.status, error.code), (401, "invalid_client"));
    assert!(present(&world, &token).is_ok());
}
