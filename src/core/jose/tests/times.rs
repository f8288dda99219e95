use super::*;

const NOW: i64 = 1_795_262_349_123;
const NOW_S: i64 = 1_795_262_349;

fn check(claims: Value, leeway_ms: i64) -> Result<(), JoseError> {
    let Value::Object(claims) = claims else {
        panic!("claims are an object");
    };
    let header = Map::new();
    Decoded { header, claims }.check_times(NOW, leeway_ms)
}

#[test]
fn a_token_is_valid_until_exp_and_not_at_it() {
    assert_eq!(check(json!({"exp": NOW_S + 1}), 0), Ok(()));
    assert_eq!(check(json!({"exp": NOW_S}), 0), Err(JoseError::Expired));
    assert_eq!(check(json!({"exp": NOW_S}), 124), Ok(()));
    assert_eq!(check(json!({"exp": NOW_S}), 123), Err(JoseError::Expired));
    assert_eq!(check(json!({"exp": 1_795_262_349.5}), 0), Ok(()));
    assert_eq!(check(json!({"exp": -1}), 0), Err(JoseError::Expired));
}

#[test]
fn a_token_of_the_future_waits() {
    for claim in ["nbf", "iat"] {
        let claims = |at: i64| json!({"exp": NOW_S + 60, claim: at});
        assert_eq!(check(claims(NOW_S), 0), Ok(()));
        assert_eq!(check(claims(NOW_S + 1), 0), Err(JoseError::NotYet));
        assert_eq!(check(claims(NOW_S + 1), 877), Ok(()));
    }
}

#[test]
fn times_are_numbers_and_exp_is_there() {
    let wrong = Err(JoseError::Claim("exp"));
    assert_eq!(check(json!({}), 0), wrong);
    assert_eq!(check(json!({"exp": (NOW_S + 60).to_string()}), 0), wrong);
    assert_eq!(check(json!({"exp": null}), 0), wrong);
    let claims = json!({"exp": NOW_S + 60, "nbf": "now"});
    assert_eq!(check(claims, 0), Err(JoseError::Claim("nbf")));
}

#[test]
fn huge_times_neither_wrap_nor_panic() {
    for exp in [json!(i64::MAX), json!(u64::MAX), json!(1e300)] {
        assert_eq!(check(json!({"exp": exp}), i64::MAX), Ok(()));
    }
    for exp in [json!(i64::MIN), json!(-1e300)] {
        assert_eq!(check(json!({"exp": exp}), 0), Err(JoseError::Expired));
    }
    let claims = json!({"exp": NOW_S + 60, "nbf": i64::MIN});
    assert_eq!(check(claims, i64::MAX), Ok(()));
}
