//! Tokens that are bound to a key.

use super::*;
use crate::auth::dpop::DpopError;
use crate::auth::tests::dpop::proof_for;

#[test]
fn a_bound_token_needs_its_key_s_proof_each_time() {
    let world = World::new();
    let (own, other) = (key(7), key(8));
    let jkt = crate::jose::thumbprint(&own.public_jwk()).unwrap();
    let bound = token(&with("cnf", json!({ "jkt": jkt })));
    world.grant(&format!("dpop_jkt = '{jkt}'"));
    let header = format!("DPoP {bound}");
    let send = |proof: Option<&str>| world.send(&header, proof).map(|_| ());

    // Both before it is known and after.
    for round in ["1", "2"] {
        assert_eq!(world.refused(&bound), AuthError::Bound);
        let stolen = proof(&own, &bound, &format!("stolen-{round}"));
        let as_bearer = world.send(&format!("Bearer {bound}"), Some(&stolen));
        assert_eq!(as_bearer, Err(AuthError::Bound));
        assert_eq!(send(None), Err(AuthError::Proof(DpopError::Malformed)));
        let foreign = proof(&other, &bound, round);
        assert_eq!(send(Some(&foreign)), Err(AuthError::NotBound));
        let elsewhere = proof(&own, "another.token.here", round);
        assert_eq!(
            send(Some(&elsewhere)),
            Err(AuthError::Proof(DpopError::OtherToken))
        );
        let made = proof(&own, &bound, round);
        assert_eq!(send(Some(&made)), Ok(()));
        assert_eq!(
            send(Some(&made)),
            Err(AuthError::Proof(DpopError::Replayed))
        );
    }
    // The token of the grant without its bond, were it ever signed.
    assert_eq!(world.refused(&good()), AuthError::Unknown);
}

#[test]
fn a_token_without_a_key_is_no_bound_one() {
    let world = World::new();
    let good = good();
    let made = proof(&key(7), &good, "1");
    let sent = world.send(&format!("DPoP {good}"), Some(&made));
    assert_eq!(sent, Err(AuthError::NotBound));
    // By the other scheme a proof more is no harm.
    assert!(world.send(&format!("Bearer {good}"), Some(&made)).is_ok());
}

#[test]
fn a_proof_that_cannot_be_counted_does_not_count() {
    let world = World::new();
    let own = key(7);
    let jkt = crate::jose::thumbprint(&own.public_jwk()).unwrap();
    let bound = token(&with("cnf", json!({ "jkt": jkt })));
    world.grant(&format!("dpop_jkt = '{jkt}'"));
    let send = |jti| world.send(&format!("DPoP {bound}"), Some(&proof(&own, &bound, jti)));
    assert!(send("1").is_ok());
    world.setup.database.down.set(true);
    assert_eq!(send("2"), Err(AuthError::Unavailable));
}

#[test]
fn a_proof_is_for_the_very_path_it_is_sent_to() {
    let world = World::new();
    let own = key(7);
    let jkt = crate::jose::thumbprint(&own.public_jwk()).unwrap();
    let bound = token(&with("cnf", json!({ "jkt": jkt })));
    world.grant(&format!("dpop_jkt = '{jkt}'"));
    let paths = [
        "/mcp",
        "/api/v2/tokens",
        "/api/v2/tokens/mint",
        "/tool",
        "/",
    ];
    let mut jti = 0;
    for made_for in paths {
        for sent_to in paths {
            jti += 1;
            let url = format!("{ORIGIN}{made_for}");
            let proof = proof_for(&url, &own, &bound, &jti.to_string());
            let header = format!("DPoP {bound}");
            let answer = world.send_to(&world.resource, sent_to, &header, Some(&proof));
            let expected = if made_for == sent_to {
                Ok(())
            } else {
                Err(AuthError::Proof(DpopError::OtherRequest))
            };
            assert_eq!(answer.map(|_| ()), expected, "{made_for} at {sent_to}");
        }
    }
}
