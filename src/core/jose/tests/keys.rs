//! Which key a token may be checked with.

use super::*;

const HEADER: &str = r#"{"alg":"ES256","kid":"b"}"#;

fn kid(jwk: Value, kid: &str) -> Value {
    with(jwk, &json!({"kid": kid}))
}

fn result(token: &str, keys: &[Value]) -> Result<(), JoseError> {
    verify(token, &set(keys), Algorithm::ALL).map(|_| ())
}

#[test]
fn the_key_that_the_token_names_is_the_only_one_tried() {
    let token = es256(HEADER, "{}");
    let other = own_key().public_jwk();
    let keys = [kid(other.clone(), "a"), kid(ec_jwk(), "b")];
    assert_eq!(result(&token, &keys), Ok(()));
    let swapped = [kid(other, "b"), kid(ec_jwk(), "a")];
    assert_eq!(result(&token, &swapped), Err(JoseError::Signature));
    for keys in [vec![], vec![ec_jwk()], vec![kid(ec_jwk(), "a")]] {
        assert_eq!(result(&token, &keys), Err(JoseError::UnknownKey));
    }
}

#[test]
fn without_a_kid_the_keys_that_fit_are_tried_up_to_a_limit() {
    let token = es256(r#"{"alg":"ES256"}"#, "{}");
    let entropy = FakeEntropy::default();
    let mut keys: Vec<_> = (0..7)
        .map(|_| SigningKey::generate(&entropy).unwrap().public_jwk())
        .collect();
    keys.extend(std::iter::repeat_n(rsa_jwk(), 20));
    keys.push(ec_jwk());
    assert_eq!(result(&token, &keys), Ok(()));
    keys.insert(0, own_key().public_jwk());
    assert_eq!(result(&token, &keys), Err(JoseError::Signature));
}

#[test]
fn a_broken_key_does_not_hide_a_good_one() {
    let token = es256(r#"{"alg":"ES256"}"#, "{}");
    let broken = with(ec_jwk(), &json!({"y": ec_jwk()["x"]}));
    assert_eq!(result(&token, &[broken.clone(), ec_jwk()]), Ok(()));
    assert!(matches!(result(&token, &[broken]), Err(JoseError::Key(_))));
}

#[test]
fn a_key_for_something_else_is_not_used() {
    let token = es256(HEADER, "{}");
    for changes in [
        json!({"use": "enc"}),
        json!({"key_ops": ["sign"]}),
        json!({"key_ops": "verify"}),
        json!({"alg": "RS256"}),
        json!({"alg": "ECDH-ES"}),
        json!({"alg": 1}),
        json!({"crv": "P-384"}),
        json!({"crv": "secp256k1"}),
        json!({"crv": null}),
        json!({"kty": "OKP"}),
        json!({"kty": "OKP", "crv": "Ed25519"}),
        json!({"kty": "oct", "k": "AAAA"}),
        json!({"kty": null}),
    ] {
        let key = with(kid(ec_jwk(), "b"), &changes);
        let refused = result(&token, std::slice::from_ref(&key));
        assert_eq!(refused, Err(JoseError::UnknownKey), "{changes}");
        assert!(PublicKey::from_jwk(&key).is_err() || changes["alg"] == "RS256");
    }
    let fitting = json!({"use": "sig", "key_ops": ["verify"], "alg": "ES256"});
    let key = with(kid(ec_jwk(), "b"), &fitting);
    assert_eq!(result(&token, &[key]), Ok(()));
}

#[test]
fn a_key_checks_its_own_algorithm_only() {
    let public = |jwk: &Value| PublicKey::from_jwk(jwk).unwrap();
    let bound = public(&with(ec_jwk(), &json!({"alg": "RS256"})));
    let refused = verify_under(&rfc_es256(), &bound, Algorithm::ALL);
    assert_eq!(refused, Err(JoseError::Algorithm));
    let bound = public(&with(rsa_jwk(), &json!({"alg": "ES256"})));
    let refused = verify_under(&rfc_rs256(), &bound, Algorithm::ALL);
    assert_eq!(refused, Err(JoseError::Algorithm));
    assert!(verify_under(&rfc_rs256(), &public(&rsa_jwk()), Algorithm::ALL).is_ok());
}

#[test]
fn keys_off_the_curve_or_of_the_wrong_size_are_refused() {
    for changes in [
        json!({"x": ec_jwk()["y"]}),
        json!({"x": "AAAA"}),
        json!({"x": encode([0; 32]), "y": encode([0; 32])}),
        json!({"x": encode([0; 33])}),
        json!({"y": null}),
        json!({"x": 7}),
        json!({"x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU="}),
        json!({"x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEV"}),
    ] {
        let key = with(ec_jwk(), &changes);
        assert!(PublicKey::from_jwk(&key).is_err(), "{changes}");
    }
}

#[test]
fn weak_and_huge_rsa_keys_are_refused() {
    let n = |bits: usize, low: u8| {
        let mut bytes = vec![0xff; bits / 8];
        *bytes.last_mut().unwrap() = low;
        encode(bytes)
    };
    for (n, e) in [
        (n(1024, 1), "AQAB"),
        (n(2040, 1), "AQAB"),
        (n(4104, 1), "AQAB"),
        (n(16_384, 1), "AQAB"),
        (n(2048, 2), "AQAB"),
        (n(2048, 1), "Aw"),
        (n(2048, 1), "EQ"),
        (n(2048, 1), "AQAC"),
        (n(2048, 1), "AQ"),
        (n(2048, 1), ""),
        (n(2048, 1), "_______________8"),
        (String::new(), "AQAB"),
    ] {
        let key = json!({"kty": "RSA", "n": n, "e": e});
        assert!(PublicKey::from_jwk(&key).is_err(), "{n} {e}");
    }
    for bits in [2048, 3072, 4096] {
        let key = json!({"kty": "RSA", "n": n(bits, 1), "e": "AQAB"});
        assert!(PublicKey::from_jwk(&key).is_ok(), "{bits}");
    }
}

#[test]
fn private_members_are_told() {
    let private = with(ec_jwk(), &json!({"d": EC_SECRET}));
    assert!(public_only(&private).is_err());
    assert!(public_only(&set(&[rsa_jwk(), private])).is_err());
    for member in ["p", "q", "dp", "dq", "qi", "oth"] {
        let key = with(rsa_jwk(), &json!({member: "AAAA"}));
        assert!(public_only(&key).is_err(), "{member}");
    }
    assert!(public_only(&json!({"kty": "oct", "k": "AAAA"})).is_err());
    assert!(public_only(&set(&[json!({"kty": "oct"})])).is_err());
    assert!(public_only(&set(&[ec_jwk(), rsa_jwk()])).is_ok());
}

#[test]
fn what_is_no_set_is_told_from_an_empty_one() {
    for set in [json!({}), json!([]), json!({"keys": {}}), json!(null)] {
        let refused = verify(&rfc_es256(), &set, Algorithm::ALL);
        assert!(matches!(refused, Err(JoseError::Key(_))), "{set}");
    }
}

#[test]
fn thumbprints_need_plain_members() {
    for changes in [
        json!({"x": "a\"b"}),
        json!({"x": null}),
        json!({"x": "A".repeat(2000)}),
        json!({"kty": "oct"}),
    ] {
        assert!(thumbprint(&with(ec_jwk(), &changes)).is_err(), "{changes}");
    }
}
