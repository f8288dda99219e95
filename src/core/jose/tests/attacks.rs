//! Tokens that others have taken, and none may.

use hmac::{Hmac, Mac};
use proptest::prelude::*;
use sha2::Sha256;

use super::*;

fn keys() -> Value {
    set(&[ec_jwk(), rsa_jwk()])
}

fn refusal(token: &str) -> JoseError {
    let refused = verify(token, &keys(), Algorithm::ALL);
    refused.expect_err("it was taken")
}

fn unsigned(header: &str) -> String {
    format!("{}.{CLAIMS}", encode(header))
}

#[test]
fn no_token_without_a_signature() {
    for alg in ["none", "None", "NONE", "nOnE", ""] {
        let head = unsigned(&json!({"alg": alg}).to_string());
        assert_eq!(refusal(&format!("{head}.")), JoseError::Algorithm);
        let signed = format!("{head}.{ES256_SIGNATURE}");
        assert_eq!(refusal(&signed), JoseError::Algorithm);
    }
    for alg in ["ES256", "RS256"] {
        let head = unsigned(&json!({"alg": alg}).to_string());
        assert_eq!(refusal(&format!("{head}.")), JoseError::Signature);
    }
    for header in [
        "{}",
        r#"{"alg":null}"#,
        r#"{"alg":["ES256"]}"#,
        "[]",
        "\"ES256\"",
    ] {
        let token = format!("{}.{ES256_SIGNATURE}", unsigned(header));
        assert_eq!(refusal(&token), JoseError::Malformed, "{header}");
    }
}

#[test]
fn a_public_key_is_no_shared_secret() {
    let der = rsa_jwk().to_string();
    for secret in [N.as_bytes(), &decode(N), der.as_bytes(), b""] {
        let head = unsigned(r#"{"alg":"HS256"}"#);
        let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(secret).unwrap();
        mac.update(head.as_bytes());
        let token = format!("{head}.{}", encode(mac.finalize().into_bytes()));
        assert_eq!(refusal(&token), JoseError::Algorithm);
    }
    for alg in [
        "HS384",
        "HS512",
        "ES256K",
        "ES384",
        "PS256",
        "EdDSA",
        "Ed25519",
        "RS1",
        "es256",
        "dir",
        "A256GCMKW",
    ] {
        let head = unsigned(&json!({"alg": alg}).to_string());
        assert_eq!(refusal(&format!("{head}.AAAA")), JoseError::Algorithm);
    }
}

#[test]
fn an_algorithm_is_taken_only_where_it_is_allowed() {
    for (token, allowed) in [
        (rfc_es256(), &[Algorithm::Rs256][..]),
        (rfc_rs256(), &[Algorithm::Es256]),
        (rfc_es256(), &[]),
    ] {
        let refused = verify(&token, &keys(), allowed);
        assert_eq!(refused, Err(JoseError::Algorithm));
    }
}

#[test]
fn a_key_of_another_kind_is_not_pressed_into_service() {
    for (token, key) in [(rfc_rs256(), ec_jwk()), (rfc_es256(), rsa_jwk())] {
        let one = set(std::slice::from_ref(&key));
        let refused = verify(&token, &one, Algorithm::ALL);
        assert_eq!(refused, Err(JoseError::UnknownKey));
        let key = PublicKey::from_jwk(&key).unwrap();
        let refused = verify_under(&token, &key, Algorithm::ALL);
        assert_eq!(refused, Err(JoseError::Algorithm));
    }
}

#[test]
fn a_key_that_the_token_brings_is_not_used() {
    let attacker = own_key();
    let signed_by_attacker = attacker.sign("JWT", &json!({"iss": "joe"}));
    let signature = signed_by_attacker.rsplit('.').next().unwrap().to_owned();
    for extra in [
        json!({"alg": "ES256", "jwk": attacker.public_jwk()}),
        json!({"alg": "ES256", "jku": "https://attacker.example/jwks.json"}),
        json!({"alg": "ES256", "x5u": "https://attacker.example/cert"}),
        json!({"alg": "ES256", "x5c": ["AAAA"], "x5t": "AAAA"}),
    ] {
        let token = format!("{}.{signature}", unsigned(&extra.to_string()));
        assert_eq!(refusal(&token), JoseError::Signature);
        // Nor does it harm a token that the right key signed.
        assert!(verify(&es256(&extra.to_string(), "{}"), &keys(), Algorithm::ALL).is_ok());
    }
}

#[test]
fn extensions_that_must_be_understood_are_refused() {
    for header in [
        r#"{"alg":"ES256","crit":["exp"],"exp":1}"#,
        r#"{"alg":"ES256","crit":["b64"],"b64":false}"#,
        r#"{"alg":"ES256","crit":[]}"#,
        r#"{"alg":"ES256","crit":null}"#,
    ] {
        assert_eq!(refusal(&es256(header, "{}")), JoseError::Critical);
    }
}

#[test]
fn members_stand_there_once() {
    for (header, claims) in [
        (r#"{"alg":"none","alg":"ES256"}"#, "{}"),
        (r#"{"alg":"ES256","alg":"ES256"}"#, "{}"),
        (r#"{"alg":"ES256"}"#, r#"{"sub":"a","sub":"b"}"#),
        (r#"{"alg":"ES256"}"#, r#"{"sub":"a","\u0073ub":"b"}"#),
        (r#"{"alg":"ES256"}"#, r#"{"cnf":{"jkt":"a","jkt":"b"}}"#),
        (r#"{"alg":"ES256"}"#, r#"{"a":[{"b":1,"b":2}]}"#),
    ] {
        assert_eq!(refusal(&es256(header, claims)), JoseError::Malformed);
    }
}

#[test]
fn parts_are_json_objects() {
    for (header, claims) in [
        (r#"{"alg":"ES256","kid":7}"#, "{}"),
        (r#"{"alg":"ES256"} x"#, "{}"),
        ("\u{feff}{\"alg\":\"ES256\"}", "{}"),
        (r#"{"alg":"ES256"}"#, "[]"),
        (r#"{"alg":"ES256"}"#, "null"),
        (r#"{"alg":"ES256"}"#, ""),
        (r#"{"alg":"ES256"}"#, "{} {}"),
        (r#"{"alg":"ES256"}"#, r#"{"exp":1e999}"#),
    ] {
        assert_eq!(refusal(&es256(header, claims)), JoseError::Malformed);
    }
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(2000), "]".repeat(2000));
    let token = es256(r#"{"alg":"ES256"}"#, &deep);
    assert_eq!(refusal(&token), JoseError::Malformed);
}

#[test]
fn ecdsa_signatures_are_64_bytes_with_r_and_s_in_range() {
    let raw = decode(ES256_SIGNATURE);
    let (r, s) = raw.split_at(32);
    let der = p256::ecdsa::Signature::from_slice(&raw).unwrap().to_der();
    let order = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
    let order = hex::decode(order).unwrap();
    let zero = [0; 32];
    for signature in [
        [zero, zero].concat(),
        [r, &zero].concat(),
        [&zero, s].concat(),
        [&order[..], s].concat(),
        [r, &order[..]].concat(),
        [&order[..], &order[..]].concat(),
        [s, r].concat(),
        r.to_vec(),
        [&raw[..], &[0]].concat(),
        [&[0], &raw[..]].concat(),
        vec![0xff; 64],
        der.as_bytes().to_vec(),
    ] {
        let token = format!("eyJhbGciOiJFUzI1NiJ9.{CLAIMS}.{}", encode(signature));
        assert_eq!(refusal(&token), JoseError::Signature);
    }
}

#[test]
fn an_rsa_signature_has_one_form() {
    let raw = decode(RS256_SIGNATURE);
    let sum = rsa::BigUint::from_bytes_be(&raw) + rsa::BigUint::from_bytes_be(&decode(N));
    for signature in [
        [&[0], &raw[..]].concat(),
        raw[1..].to_vec(),
        sum.to_bytes_be(),
        vec![0; 256],
        vec![0xff; 256],
    ] {
        let token = format!("eyJhbGciOiJSUzI1NiJ9.{CLAIMS}.{}", encode(signature));
        assert_eq!(refusal(&token), JoseError::Signature);
    }
}

#[test]
fn a_token_has_three_parts_in_one_form() {
    let token = rfc_es256();
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let (header, claims) = signed.split_once('.').unwrap();
    for changed in [
        String::new(),
        ".".into(),
        "..".into(),
        "...".into(),
        header.into(),
        signed.into(),
        format!("{token}."),
        format!("{token}.."),
        format!("{token}.{signature}"),
        format!(".{token}"),
        format!("{header}..{claims}.{signature}"),
        format!("{header}.{signature}"),
        format!("{header}.{signature}.{claims}"),
        format!("{claims}.{header}.{signature}"),
        format!("{token}="),
        format!("{token}=="),
        format!("{header}=.{claims}.{signature}"),
        format!("{token}\n"),
        format!(" {token}"),
        token.replace('-', "+"),
        token.replace('.', " ."),
        format!("{header}.{claims}.{}R", &signature[..signature.len() - 1]),
        format!("{token}\0"),
        "e30.e30.e30.e30.e30".into(),
        "{\"payload\":\"e30\",\"signatures\":[]}".into(),
    ] {
        assert_ne!(changed, token);
        assert_eq!(refusal(&changed), JoseError::Malformed, "{changed}");
    }
}

#[test]
fn long_tokens_are_not_looked_at() {
    let claims = |chars: usize| format!("{{\"a\":\"{}\"}}", "x".repeat(chars));
    let fits = es256(r#"{"alg":"ES256"}"#, &claims(12_000));
    assert!(verify(&fits, &keys(), Algorithm::ALL).is_ok());
    let long = es256(r#"{"alg":"ES256"}"#, &claims(12_288));
    assert_eq!(refusal(&long), JoseError::Malformed);
}

proptest! {
    #[test]
    fn no_changed_byte_passes(index in 0usize..1000, byte: u8, which in 0usize..2) {
        let token = &[rfc_es256(), rfc_rs256()][which];
        let mut changed = token.clone().into_bytes();
        let index = index % changed.len();
        prop_assume!(changed[index] != byte);
        changed[index] = byte;
        if let Ok(changed) = String::from_utf8(changed) {
            prop_assert!(verify(&changed, &keys(), Algorithm::ALL).is_err());
        }
    }

    #[test]
    fn any_text_is_answered(text in "\\PC{0,200}", header in "\\PC{0,60}", claims in "\\PC{0,60}") {
        prop_assert!(verify(&text, &keys(), Algorithm::ALL).is_err());
        let dressed = format!("{}.{}.{}", encode(&header), encode(claims), encode(&text));
        prop_assert!(verify(&dressed, &keys(), Algorithm::ALL).is_err());
        let jwk = json!({"kty": text, "x": header, "n": text, "e": header});
        prop_assert!(PublicKey::from_jwk(&jwk).is_err());
    }

    #[test]
    fn any_numbers_in_a_key_are_answered(n in prop::collection::vec(any::<u8>(), 0..600), e in prop::collection::vec(any::<u8>(), 0..10)) {
        let jwk = json!({"kty": "RSA", "n": encode(&n), "e": encode(&e)});
        if let Ok(key) = PublicKey::from_jwk(&jwk) {
            prop_assert!(verify_under(&rfc_rs256(), &key, Algorithm::ALL).is_err());
        }
        let point = json!({"kty": "EC", "crv": "P-256", "x": encode(&n), "y": encode(&e)});
        prop_assert!(PublicKey::from_jwk(&point).is_err());
    }
}
