//! Tokens bound to a key (RFC 9449).

use super::*;
use crate::jose::SigningKey;

/// A proof (RFC 9449) of the key with this seed.
fn proof(seed: u8, method: &str, path: &str, jti: &str, access: Option<&str>) -> String {
    use p256::ecdsa::signature::Signer;
    let key = SigningKey::from_bytes(&[seed; 32]).unwrap();
    let jwk = key.public_jwk();
    let jwk = json!({"kty": jwk["kty"], "crv": jwk["crv"], "x": jwk["x"], "y": jwk["y"]});
    let mut claims = json!({
        "htm": method, "htu": format!("{ORIGIN}{path}"), "iat": NOW / 1000, "jti": jti,
    });
    if let Some(access) = access {
        claims["ath"] = json!(URL_SAFE_NO_PAD.encode(Sha256::digest(access)));
    }
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let head = json!({"typ": "dpop+jwt", "alg": "ES256", "jwk": jwk});
    let signed = format!("{}.{}", part(&head), part(&claims));
    let key = p256::ecdsa::SigningKey::from_slice(&*key.to_bytes()).unwrap();
    let signature: p256::ecdsa::Signature = key.sign(signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes()))
}

#[test]
fn a_public_clients_grant_is_bound_to_the_key_it_proves() {
    let world = served();
    let ask = |form, seed: u8, jti: &str| {
        let proof = proof(seed, "POST", "/token", jti, None);
        post("/token", form)
            .public()
            .header("dpop", proof)
            .send(&world)
    };
    let code = world.code_for(granted_to("client-1", &["openid"]), Some(&challenge()));
    let (reply, tokens) = ask(code_form(&code), 7, "1");
    assert_eq!(
        (reply.status, tokens["token_type"].as_str()),
        (200, Some("DPoP"))
    );
    let refresh = || refresh_form(&text(&tokens, "refresh_token"));
    let (_, body) = post("/token", refresh()).public().send(&world);
    assert_eq!(body["error"], "invalid_grant", "without a proof");
    let (_, body) = ask(refresh(), 8, "2");
    assert_eq!(body["error"], "invalid_grant", "of another key");
    let (_, body) = ask(refresh(), 7, "1");
    assert_eq!(body["error"], "invalid_dpop_proof", "a second time");
    let (reply, next) = ask(refresh(), 7, "3");
    assert_eq!(
        (reply.status, next["token_type"].as_str()),
        (200, Some("DPoP"))
    );

    let access = text(&next, "access_token");
    assert_eq!(about(&access, "GET", "Bearer").send(&world).0.status, 401);
    assert_eq!(about(&access, "GET", "DPoP").send(&world).0.status, 401);
    let proven = |seed, jti, token: &str| {
        let proof = proof(seed, "GET", "/userinfo", jti, Some(token));
        about(&access, "GET", "DPoP")
            .header("dpop", proof)
            .send(&world)
            .0
            .status
    };
    assert_eq!(proven(8, "4", &access), 401);
    assert_eq!(proven(7, "5", "another token"), 400);
    assert_eq!(proven(7, "6", &access), 200);
    assert_eq!(proven(7, "6", &access), 400);
    for (made_for, status) in [
        ("/mcp", 400),
        ("/token", 400),
        ("/api/v2/oauth/userinfo", 400),
        ("/userinfo", 200),
    ] {
        let proof = proof(7, "GET", made_for, made_for, Some(&access));
        let call = about(&access, "GET", "DPoP").header("dpop", proof);
        assert_eq!(call.send(&world).0.status, status, "made for {made_for}");
    }
}

#[test]
fn a_code_asked_for_with_a_key_is_redeemed_with_that_key_alone() {
    let world = served();
    let mut grant = granted_to("client-1", &["openid"]);
    let key = SigningKey::from_bytes(&[7; 32]).unwrap();
    grant.dpop_jkt = Some(crate::jose::thumbprint(&key.public_jwk()).unwrap());
    let code = world.code_for(grant, Some(&challenge()));
    let (_, body) = post("/token", code_form(&code)).public().send(&world);
    assert_eq!(body["error"], "invalid_grant");
    for (seed, path, status) in [
        (8, "/token", 400),
        (7, "/authorize", 400),
        (7, "/token", 200),
    ] {
        let proof = proof(seed, "POST", path, &format!("{seed}{path}"), None);
        let (reply, _) = post("/token", code_form(&code))
            .public()
            .header("dpop", proof)
            .send(&world);
        assert_eq!(reply.status, status, "{seed} {path}");
    }
}

#[test]
fn a_confidential_client_may_change_its_key() {
    let world = served();
    let code = world.code_for(granted_to("service-1", &["openid"]), Some(&challenge()));
    let mut form = code_form(&code);
    for (seed, jti) in [(7, "1"), (8, "2")] {
        let proof = proof(seed, "POST", "/token", jti, None);
        let (reply, body) = post("/token", form)
            .service()
            .header("dpop", proof)
            .send(&world);
        assert_eq!(
            (reply.status, body["token_type"].as_str()),
            (200, Some("DPoP"))
        );
        form = refresh_form(&text(&body, "refresh_token"));
        let access = token(&text(&body, "access_token"));
        let (_, told) = post("/introspect", access).service().send(&world);
        assert_eq!(told["token_type"], "DPoP");
        assert!(told["cnf"]["jkt"].is_string());
    }
}

#[test]
fn only_who_gets_tokens_uses_a_proof_up() {
    let world = served();
    for n in 0..3 {
        let proof = proof(7, "POST", "/token", &n.to_string(), None);
        let (_, body) = post("/token", code_form("chitty_code_00"))
            .public()
            .header("dpop", proof)
            .send(&world);
        assert_eq!(body["error"], "invalid_grant");
    }
    assert_eq!(world.count("used_once"), 0);
    let code = world.code_for(granted_to("client-1", &["openid"]), Some(&challenge()));
    let (reply, _) = post("/token", code_form(&code))
        .public()
        .header("dpop", proof(7, "POST", "/token", "0", None))
        .send(&world);
    assert_eq!(reply.status, 200);
    assert_eq!(world.count("used_once"), 1);
}
