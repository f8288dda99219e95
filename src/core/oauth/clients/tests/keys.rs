//! The keys of clients: where they may come from, and how often.

use serde_json::{Value, json};

use super::assertions::{
    ID, KEYS, by_ec, by_rsa, chatgpt, claims, document, ec_key, present, rsa_public,
};
use crate::oauth::tests::world::{Answer, World};

#[test]
fn new_keys_are_found_and_not_asked_for_without_end() {
    let world = chatgpt();
    let fresh = ec_key(2);
    assert!(present(&world, &by_rsa(&claims("1"))).is_ok());
    let rotated = json!({"keys": [fresh.public_jwk()]});
    world.answer(KEYS, Answer::json(&rotated));
    let token = fresh.sign("JWT", &claims("2"));
    assert!(present(&world, &token).is_err());
    assert_eq!(world.fetches(KEYS), 1);
    world.clock.advance(60_000);
    assert!(present(&world, &token).is_ok());
    assert_eq!(world.fetches(KEYS), 2);
    // The old key is gone, and asking for it costs one more fetch a minute.
    for n in 0..20 {
        assert!(present(&world, &by_rsa(&claims(&format!("old-{n}")))).is_err());
    }
    assert_eq!(world.fetches(KEYS), 2);
}

#[test]
fn key_sets_are_small_public_and_from_public_places() {
    let private = json!({"keys": [{"kty": "EC", "crv": "P-256", "x": "a", "y": "b", "d": "c"}]});
    let mut many = vec![rsa_public("r1")];
    many.resize(17, rsa_public("x"));
    let large = json!({"keys": [rsa_public("r1")], "x": "a".repeat(33 * 1024)});
    for (answer, status) in [
        (Answer::json(&private), 401),
        (
            Answer::json(&json!({"keys": [{"kty": "oct", "k": "AA"}]})),
            401,
        ),
        (Answer::json(&json!({"keys": many})), 401),
        (Answer::json(&json!({"keys": []})), 401),
        (Answer::json(&json!([])), 401),
        (Answer::json(&large), 401),
        (
            Answer::status(302).with_header("location", "https://127.0.0.1/"),
            401,
        ),
        (Answer::status(404), 401),
        (Answer::status(500), 503),
        (Answer::Silent, 503),
        (Answer::Unreachable, 503),
    ] {
        let world = chatgpt();
        world.answer(KEYS, answer);
        for n in 0..3 {
            let error = present(&world, &by_rsa(&claims(&format!("{n}")))).unwrap_err();
            assert_eq!(error.status, status, "{}", error.description);
        }
        assert_eq!(world.fetches(KEYS), 1);
    }
}

#[test]
fn a_document_may_carry_its_keys() {
    let world = World::new();
    let mut document = document();
    document.as_object_mut().unwrap().remove("jwks_uri");
    document["jwks"] = json!({"keys": [ec_key(1).public_jwk()]});
    world.answer(ID, Answer::json(&document));
    assert!(present(&world, &by_ec(&claims("1"))).is_ok());
    assert!(present(&world, &ec_key(3).sign("JWT", &claims("2"))).is_err());
    assert_eq!(world.fetches(KEYS), 0);
}

#[test]
fn a_client_cannot_speak_for_another() {
    let world = chatgpt();
    let evil = "https://evil.example.com/client.json";
    let mut document = document();
    document["client_id"] = evil.into();
    document["jwks_uri"] = Value::Null;
    document.as_object_mut().unwrap().remove("jwks_uri");
    document["jwks"] = json!({"keys": [ec_key(5).public_jwk()]});
    world.answer(evil, Answer::json(&document));
    // Signed by evil, for ChatGPT's name.
    assert!(present(&world, &ec_key(5).sign("JWT", &claims("1"))).is_err());
    // Named evil, issued by ChatGPT.
    let mut mixed = claims("2");
    mixed["sub"] = evil.into();
    assert!(present(&world, &ec_key(5).sign("JWT", &mixed)).is_err());
    mixed["iss"] = evil.into();
    assert_eq!(
        present(&world, &ec_key(5).sign("JWT", &mixed)).unwrap().id,
        evil
    );
}
