//! Known answers: RFC 7515 appendices A.2 and A.3, RFC 7638 section 3.1.

use super::*;

#[test]
fn the_tokens_of_rfc_7515_verify() {
    for (token, key) in [(rfc_es256(), ec_jwk()), (rfc_rs256(), rsa_jwk())] {
        let decoded = verify(&token, &set(&[key]), Algorithm::ALL).unwrap();
        assert_eq!(decoded.text("iss"), Some("joe"));
        assert_eq!(decoded.claims["exp"], 1_300_819_380);
        assert_eq!(decoded.claims["http://example.com/is_root"], true);
        assert_eq!(peek(&token).unwrap(), decoded);
    }
}

#[test]
fn thumbprints_are_those_of_the_rfcs() {
    let rsa = json!({
        "kty": "RSA",
        "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1\
            L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5\
            v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08q\
            NLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awa\
            pJzKnqDKgw",
        "e": "AQAB",
        "alg": "RS256",
        "kid": "2011-04-29",
    });
    let expected = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs";
    assert_eq!(thumbprint(&rsa).unwrap(), expected);
}

#[test]
fn a_thumbprint_is_the_digest_of_the_canonical_members() {
    use sha2::{Digest, Sha256};
    let jwk = with(
        ec_jwk(),
        &json!({"kid": "any", "use": "sig", "d": EC_SECRET}),
    );
    let canonical = serde_json_canonicalizer::to_string(&ec_jwk()).unwrap();
    let expected = encode(Sha256::digest(canonical));
    assert_eq!(thumbprint(&jwk).unwrap(), expected);
}

#[test]
fn what_we_sign_verifies_and_is_the_same_each_time() {
    let key = own_key();
    let claims = json!({"iss": "https://issuer.example", "aud": ["a", "b"]});
    let token = key.sign("at+jwt", &claims);
    assert_eq!(token, key.sign("at+jwt", &claims));
    let jwk = key.public_jwk();
    let decoded = verify(
        &token,
        &set(std::slice::from_ref(&jwk)),
        &[Algorithm::Es256],
    )
    .unwrap();
    assert_eq!(Value::Object(decoded.claims.clone()), claims);
    let header = json!({"alg": "ES256", "typ": "at+jwt", "kid": key.kid()});
    assert_eq!(Value::Object(decoded.header.clone()), header);
    let public = PublicKey::from_jwk(&jwk).unwrap();
    assert_eq!(
        verify_under(&token, &public, &[Algorithm::Es256]),
        Ok(decoded)
    );
}

#[test]
fn a_key_comes_back_from_its_bytes_and_is_not_printed() {
    let key = own_key();
    let again = SigningKey::from_bytes(&*key.to_bytes()).unwrap();
    assert_eq!(again.public_jwk(), key.public_jwk());
    assert_eq!(key.kid(), thumbprint(&key.public_jwk()).unwrap());
    assert_eq!(format!("{key:?}"), format!("SigningKey({})", key.kid()));
    assert!(public_only(&key.public_jwk()).is_ok());
    for wrong in [&[0; 32][..], &[255; 32], &[1; 31], &[]] {
        assert!(SigningKey::from_bytes(wrong).is_err());
    }
    assert!(SigningKey::generate(&FakeEntropy::broken()).is_err());
}
