//! Proofs of possession, against the examples of RFC 9449 and against misuse.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::super::dpop::{DpopError, WINDOW_MS, spend, verify};
use super::*;
use crate::jose::SigningKey;

const URL: &str = "https://mcp.example.com/mcp";
const TOKEN: &str = "a.b.c";

/// RFC 9449 figure 12, whose key is that of all its examples.
const RFC_PROOF: &str = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwie\
    CI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpi\
    VFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiJlMWozVl9iS2ljOC1MQU\
    VCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0ZWRyZXNvdXJjZ\
    SIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFF\
    byJ9.2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA";
const RFC_TOKEN: &str = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU";
const RFC_URL: &str = "https://resource.example.org/protectedresource";

pub fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32]).unwrap()
}

fn part(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

/// A proof with this header and these claims, signed whatever they say.
fn signed(key: &SigningKey, header: &Value, claims: &Value) -> String {
    use p256::ecdsa::signature::Signer;
    let text = format!("{}.{}", part(header), part(claims));
    let key = p256::ecdsa::SigningKey::from_slice(&*key.to_bytes()).unwrap();
    let signature: p256::ecdsa::Signature = key.sign(text.as_bytes());
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes()))
}

fn bare(key: &SigningKey) -> Value {
    let jwk = key.public_jwk();
    json!({ "kty": jwk["kty"], "crv": jwk["crv"], "x": jwk["x"], "y": jwk["y"] })
}

fn header(key: &SigningKey) -> Value {
    json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": bare(key) })
}

fn claims(token: &str, jti: &str) -> Value {
    let ath = URL_SAFE_NO_PAD.encode(Sha256::digest(token));
    json!({ "htm": "POST", "htu": URL, "iat": NOW / 1000, "jti": jti, "ath": ath })
}

/// A good proof for a POST to [`URL`] with this token.
pub fn proof(key: &SigningKey, token: &str, jti: &str) -> String {
    signed(key, &header(key), &claims(token, jti))
}

/// The same for another URL.
pub fn proof_for(url: &str, key: &SigningKey, token: &str, jti: &str) -> String {
    let claims = with(claims(token, jti), "htu", json!(url));
    signed(key, &header(key), &claims)
}

fn with(mut value: Value, name: &str, member: Value) -> Value {
    value[name] = member;
    value
}

fn judged(proof: &str) -> Result<(), DpopError> {
    verify(proof, "POST", URL, Some(TOKEN), NOW).map(|_| ())
}

#[test]
fn the_example_of_the_rfc_holds() {
    let at_ms = 1_562_262_618_000;
    let proof = verify(RFC_PROOF, "GET", RFC_URL, Some(RFC_TOKEN), at_ms).unwrap();
    assert_eq!(proof.jkt, "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I");
    assert_eq!(proof.jti, "e1j3V_bKic8-LAEB");
    let other = verify(RFC_PROOF, "GET", RFC_URL, Some(TOKEN), at_ms);
    assert_eq!(other, Err(DpopError::OtherToken));
}

#[test]
fn it_is_for_one_request_at_one_time_with_one_token() {
    let key = key(7);
    let good = claims(TOKEN, "1");
    assert_eq!(judged(&proof(&key, TOKEN, "1")), Ok(()));
    let seconds = |ms: i64| json!((NOW + ms) / 1000);
    let cases = [
        ("htm", json!("GET"), DpopError::OtherRequest),
        ("htm", json!("post"), DpopError::OtherRequest),
        ("htm", json!(1), DpopError::OtherRequest),
        (
            "htu",
            json!("https://mcp.example.com/"),
            DpopError::OtherRequest,
        ),
        (
            "htu",
            json!("http://mcp.example.com/mcp"),
            DpopError::OtherRequest,
        ),
        (
            "htu",
            json!("https://mcp.example.com:8443/mcp"),
            DpopError::OtherRequest,
        ),
        (
            "htu",
            json!("https://mcp.example.com.evil.example/mcp"),
            DpopError::OtherRequest,
        ),
        ("htu", json!("/mcp"), DpopError::OtherRequest),
        ("iat", seconds(WINDOW_MS + 2_000), DpopError::Time),
        ("iat", seconds(-WINDOW_MS - 2_000), DpopError::Time),
        ("iat", json!("now"), DpopError::Time),
        ("iat", Value::Null, DpopError::Time),
        ("ath", json!(""), DpopError::OtherToken),
        ("ath", Value::Null, DpopError::OtherToken),
        ("jti", json!(""), DpopError::Malformed),
        ("jti", json!("x".repeat(257)), DpopError::Malformed),
        ("jti", Value::Null, DpopError::Malformed),
    ];
    for (name, value, expected) in cases {
        let claims = with(good.clone(), name, value.clone());
        let judged = judged(&signed(&key, &header(&key), &claims));
        assert_eq!(judged, Err(expected), "{name} {value}");
    }
    for htu in [
        "https://MCP.example.com:443/mcp",
        "https://mcp.example.com/a/../mcp?q=1#f",
    ] {
        let claims = with(good.clone(), "htu", json!(htu));
        assert_eq!(
            judged(&signed(&key, &header(&key), &claims)),
            Ok(()),
            "{htu}"
        );
    }
    let no_token = verify(&proof(&key, TOKEN, "1"), "POST", URL, None, NOW);
    assert!(no_token.is_ok());
}

#[test]
fn its_key_is_public_its_own_and_of_the_one_kind() {
    let (own, other) = (key(7), key(8));
    let good = header(&own);
    let refused = |header: &Value| judged(&signed(&own, header, &claims(TOKEN, "1"))).unwrap_err();
    let cases = [
        ("jwk", bare(&other), DpopError::Signature),
        ("jwk", with(bare(&own), "d", json!("AQ")), DpopError::Key),
        ("jwk", json!({ "kty": "oct", "k": "AQ" }), DpopError::Key),
        ("jwk", json!({}), DpopError::Key),
        ("jwk", Value::Null, DpopError::Key),
        ("alg", json!("none"), DpopError::Key),
        ("alg", json!("HS256"), DpopError::Key),
        ("alg", json!("EdDSA"), DpopError::Key),
        ("typ", json!("JWT"), DpopError::Malformed),
        ("typ", json!("at+jwt"), DpopError::Malformed),
        ("crit", json!(["b64"]), DpopError::Malformed),
    ];
    for (name, value, expected) in cases {
        let header = with(good.clone(), name, value.clone());
        assert_eq!(refused(&header), expected, "{name} {value}");
    }
    let whole = proof(&own, TOKEN, "1");
    let twice = format!("{whole}, {whole}");
    let long = format!("{whole}{}", "A".repeat(10_000));
    for text in ["", "a.b", twice.as_str(), long.as_str()] {
        assert_eq!(judged(text), Err(DpopError::Malformed));
    }
}

#[test]
fn a_proof_counts_once_for_its_key() {
    let database = SqliteDatabase::with_schema();
    let use_it = |key: &SigningKey, jti: &str, now_ms| {
        let proof = verify(&proof(key, TOKEN, jti), "POST", URL, Some(TOKEN), NOW).unwrap();
        block_on(spend(&database, &proof, now_ms)).unwrap()
    };
    let (own, other) = (key(7), key(8));
    assert!(use_it(&own, "1", NOW));
    assert!(!use_it(&own, "1", NOW));
    assert!(!use_it(&own, "1", NOW + WINDOW_MS - 1_000));
    assert!(use_it(&own, "2", NOW));
    assert!(use_it(&other, "1", NOW), "others cannot use up its ids");
}
