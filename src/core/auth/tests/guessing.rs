use super::*;

const MINUTE: i64 = 60_000;
const TOO_MANY: AuthError = AuthError::TooMany { retry_after_s: 60 };

#[test]
fn wrong_tokens_of_one_address_are_slowed_down_and_good_ones_are_not() {
    let setup = Setup::with(&Token::default());
    for n in 0..30 {
        let wrong = match n % 2 {
            0 => setup.call("chitty_key_ffffffffffffffffffffffffffffffff"),
            _ => setup.call("guess"),
        };
        assert!(matches!(
            wrong,
            Err(AuthError::Unknown | AuthError::Malformed)
        ));
    }
    assert_eq!(setup.call("guess"), Err(TOO_MANY));
    assert!(setup.call(USER_TOKEN).is_ok());
    let elsewhere = RequestInfo {
        ip: Some("192.0.2.2".into()),
        ..Setup::request()
    };
    let wrong = block_on(setup.auth.authenticate(Some("Bearer guess"), &elsewhere));
    assert_eq!(wrong, Err(AuthError::Malformed));
    let rows = setup.audited();
    assert!(rows.contains(&"deny/too_many_guesses/-".to_owned()));
    setup.clock.advance(MINUTE);
    assert_eq!(setup.call("guess"), Err(AuthError::Malformed));
}

#[test]
fn tokens_once_good_and_calls_without_one_are_no_guesses() {
    let setup = Setup::with(&Token {
        expires_at: Some(NOW),
        ..Token::default()
    });
    for _ in 0..40 {
        assert_eq!(setup.call(USER_TOKEN), Err(AuthError::Expired));
        let nothing = block_on(setup.auth.authenticate(None, &Setup::request()));
        assert_eq!(nothing, Err(AuthError::Missing));
    }
}

#[test]
fn a_guess_that_cannot_be_counted_is_still_refused() {
    let setup = Setup::new();
    setup.database.down.set(true);
    assert_eq!(setup.call("guess"), Err(AuthError::Malformed));
    let told = setup.log.0.borrow();
    assert!(
        told.iter()
            .any(|(_, event, _)| event == "guess_not_counted")
    );
}
