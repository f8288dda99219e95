//! What its tokens must say, and under whose key.

use super::*;

#[test]
fn what_an_id_token_must_not_say() {
    let lies = [
        ("iss", json!("https://id.test/")),
        ("iss", Value::Null),
        ("aud", json!("other")),
        ("aud", json!([])),
        ("aud", json!(["chitty", "other"])),
        ("azp", json!("other")),
        ("exp", json!(NOW / 1000 - 61)),
        ("exp", Value::Null),
        ("iat", json!(NOW / 1000 - 601)),
        ("iat", json!(NOW / 1000 + 61)),
        ("nonce", json!("another")),
        ("sub", json!("")),
        ("sub", json!(42)),
        ("sub", json!("x".repeat(256))),
    ];
    for (claim, value) in lies {
        let provider = provider();
        let world = upstream_world(&provider);
        provider.set(claim, value.clone());
        let page = come_back(&provider, &visitor(&world));
        assert_eq!(page.status, 403, "{claim} {value}");
        assert!(page.html.contains("did not sign you in"));
        assert!(world.rows("SELECT * FROM identities").is_empty());
        assert!(live_sessions(&world).is_empty());
        assert_eq!(
            world.refusals(),
            ["sign_in bad_id_token"],
            "{claim} {value}"
        );
    }
    let provider = provider();
    let world = upstream_world(&provider);
    provider.set("aud", json!(["chitty", "other"]));
    provider.set("azp", json!("chitty"));
    assert_eq!(come_back(&provider, &visitor(&world)).status, 303);
}

#[test]
fn keys_are_fetched_again_for_a_new_one_and_no_other_signs() {
    let provider = provider();
    let world = upstream_world(&provider);
    assert_eq!(come_back(&provider, &visitor(&world)).status, 303);
    provider.key.replace(key(9));
    provider.set("nonce", Value::Null);
    assert_eq!(come_back(&provider, &visitor(&world)).status, 403);
    provider
        .listed
        .replace(json!({"keys": [key(7).public_jwk(), key(9).public_jwk()]}));
    world.clock.advance(11_000);
    provider.set("nonce", Value::Null);
    assert_eq!(come_back(&provider, &visitor(&world)).status, 303);
    let asked = provider.asked.borrow();
    let of = |path: &str| {
        asked
            .iter()
            .filter(|request| request.url.ends_with(path))
            .count()
    };
    assert_eq!(of("/keys"), 2);
    assert_eq!(of("openid-configuration"), 1);
}

#[test]
fn what_the_token_leaves_out_comes_from_userinfo_of_the_same_subject() {
    let provider = provider();
    let world = upstream_world(&provider);
    provider
        .claims
        .borrow_mut()
        .as_object_mut()
        .unwrap()
        .remove("name");
    let before = visitor(&world);
    assert_eq!(come_back(&provider, &before).status, 303);
    let row = &world.rows("SELECT * FROM identities")[0];
    assert_eq!(row.text("name").unwrap(), "Ada of userinfo");
    provider
        .user_info
        .replace(json!({"sub": "41", "name": "Eve"}));
    provider.set("nonce", Value::Null);
    assert_eq!(come_back(&provider, &visitor(&world)).status, 403);
}

#[test]
fn who_must_sign_in_again_has_just_done_so_there() {
    let again = [
        AuthorizationRequest {
            sign_in_again: true,
            ..request()
        },
        AuthorizationRequest {
            max_age: Some(300),
            ..request()
        },
    ];
    for request in again {
        for (auth_time_s, enters) in [
            (Some(0), true),
            (Some(-59), true),
            (Some(-62), false),
            (Some(-86_400), false),
            (Some(62), false),
            (None, false),
        ] {
            let provider = provider();
            let world = upstream_world(&provider);
            let browser = visitor(&world);
            let url = leave_for(&browser, &request);
            assert_eq!(sent(&url, "prompt"), "login");
            assert_eq!(sent(&url, "max_age"), "0");
            let auth_time = auth_time_s.map(|s| NOW / 1000 + s);
            provider.set("auth_time", json!(auth_time));
            let page = come_back_from(&provider, &browser, &url);
            assert_eq!(page.status == 303, enters, "{auth_time_s:?}");
            assert_eq!(live_sessions(&world).len(), usize::from(enters));
            if !enters {
                assert!(page.html.contains("asks that you sign in again"));
                assert_eq!(world.refusals(), ["sign_in sign_in_not_recent"]);
            }
        }
    }
}

#[test]
fn the_time_there_counts_from_when_the_browser_left() {
    let again = AuthorizationRequest {
        sign_in_again: true,
        ..request()
    };
    let provider = provider();
    let world = upstream_world(&provider);
    let browser = visitor(&world);
    let url = leave_for(&browser, &again);
    world.clock.advance(5 * 60 * 1000);
    provider.set("auth_time", json!(NOW / 1000 + 1));
    let seen = come_back_from(&provider, &browser, &url);
    assert_eq!(seen.status, 303, "minutes to type, and after they left");
    let other = visitor(&world);
    let url = leave(&other);
    assert_eq!(
        (sent(&url, "prompt"), sent(&url, "max_age")),
        <(String, String)>::default()
    );
    provider.set("auth_time", json!(1));
    provider.set("nonce", Value::Null);
    let seen = come_back_from(&provider, &other, &url);
    assert_eq!(seen.status, 303, "where nobody asked for it");
}
